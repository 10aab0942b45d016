"""Can the instances with encrypted volumes be started elsewhere?

Nova reads a volume's secret in the name of whoever asks for an evacuation, which is the service
user. Barbican shows a secret to its own project, and to whom an access list or its policy names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from masakari_fencing.openstack.rest import ApiError, Forbidden, NotFound

from preflight.findings import Finding, Level, enumerated
from preflight.survey import Survey
from segments.cloud import Cloud

SAMPLES = 5
"""Projects of which one secret each is asked for: who may read one of a project may read all,
unless somebody has given a secret an access list of its own."""

_FIXED = "00000000-0000-0000-0000-000000000000"
"""The key that stands in each nova.conf, where there is no Barbican (`ConfKeyManager`)."""

_PAGE = 1000
"""Volumes that are asked for at once; Cinder's own `osapi_max_limit` by default."""
_CURE = (
    "give masakari's service user a role (service-roles) that Barbican's policy lets read secrets:"
    " secret:get and secret:decrypt (on the charm barbican: use-policyd-override); or name it"
    " in the secrets' ACL"
)


def findings(cloud: Cloud, survey: Survey) -> Iterator[Finding]:
    """Say which instances' secrets the service user may not read.

    Cinder is asked once for each thousand volumes, and for a few secrets; Barbican for the latter.
    What a secret holds is not read.

    Args:
        cloud: access to the APIs.
        survey: the cloud.
    """
    try:
        encrypted = _encrypted(cloud, _recovered(survey))
        for project, attached in sorted(encrypted.items())[:SAMPLES]:
            volume = min(attached)
            if not _readable(cloud, volume):
                names = sorted({name for found in attached.values() for name in found})
                yield Finding(
                    Level.WARNS,
                    f"project {project}",
                    f"the service user may not read the secret of the encrypted volume {volume}:"
                    f" {enumerated(names)}",
                    "Nova needs it to start them elsewhere: they stay down",
                    _CURE,
                )
        if len(encrypted) > SAMPLES:
            yield Finding(
                Level.UNKNOWN,
                "Barbican",
                f"of {len(encrypted)} projects with encrypted volumes, {SAMPLES} were asked for",
                "instances of the others stay down if the service user may not read their secrets",
                "what is so for those is so for these, unless secrets have access lists",
            )
    except (AttributeError, KeyError, TypeError, ValueError, ApiError) as error:
        yield Finding(
            Level.UNKNOWN,
            "Cinder, Barbican",
            f"whether encrypted volumes' secrets can be read is not known: {error}",
            "Nova needs them to start instances with such volumes elsewhere",
            "see that both answer; run check again",
        )


def _recovered(survey: Survey) -> Mapping[str, str]:
    """The names of the instances on hosts of failover segments, by UUID."""
    hosts = [host.name for segment, found in survey.segments if segment.enabled for host in found]
    return {one.uuid: one.name for host in hosts for one in survey.instances.get(host, ())}


def _encrypted(cloud: Cloud, instances: Mapping[str, str]) -> dict[str, dict[str, list[str]]]:
    """The instances' names by encrypted volume, by project."""
    found: dict[str, dict[str, list[str]]] = {}
    for volume in _volumes(cloud) if instances else ():
        users = [str(one.get("server_id")) for one in volume.get("attachments") or ()]
        names = [instances[uuid] for uuid in users if uuid in instances]
        if volume.get("encrypted") is True and names:
            project = str(volume.get("os-vol-tenant-attr:tenant_id") or "unknown")
            found.setdefault(project, {})[str(volume["id"])] = names
    return found


def _volumes(cloud: Cloud) -> Iterator[Mapping[str, Any]]:
    path = f"/volumes/detail?all_tenants=1&limit={_PAGE}"
    try:
        answer = cloud.ask("Cinder", path)
    except NotFound:
        return  # a cloud without volumes
    while page := answer.get("volumes"):
        yield from page
        if not answer.get("volumes_links"):
            return
        answer = cloud.ask("Cinder", f"{path}&marker={page[-1]['id']}")


def _readable(cloud: Cloud, volume: str) -> bool:
    """Whether the service user may read the secret of a volume.

    Nova, by castellan, asks Barbican for a secret's record and then for its payload. The policy of
    newer Barbicans (2023.1) shows the former to administrators of any project, and not the latter.
    It is heeded before Barbican says that it has no payload for this method, or none as JSON:
    nothing is decrypted or sent (`SecretController.payload`; so seen with Barbican 23.0.0).
    """
    found = cloud.ask("Cinder", f"/volumes/{quote(volume, safe='')}/encryption")
    key = str(found.get("encryption_key_id") or "")
    if key == _FIXED:
        return True
    record = f"/v1/secrets/{quote(key, safe='')}"
    try:
        cloud.ask("Barbican", record)
    except Forbidden:
        return False
    return cloud.may_read("Barbican", f"{record}/payload")
