"""Checks of an action's segment and hosts, before anything is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from masakari_fencing.openstack.nova_api import Service

from segments.cloud import Cloud, Segment, SegmentHost
from segments.lookup import ActionError, Lookup, unknown
from segments.results import text

Stranger = Callable[[Sequence[str]], "str | None"]


def check_hosts(
    lookup: Lookup,
    cloud: Cloud,
    stranger: Stranger | None,
    hosts: Sequence[str],
    reserved_hosts: Sequence[str],
) -> dict[str, Service]:
    """Refuse hosts that could not be recovered.

    Args:
        lookup: what there is.
        cloud: access to the APIs.
        stranger: says why the cluster could not fence one of some hosts; None where nothing is
            fenced.
        hosts: ordinary hosts.
        reserved_hosts: those kept in reserve.

    Returns:
        Nova's compute services, by host; empty where no host is given.

    Raises:
        ActionError: with the cure.
    """
    both = [name for name in hosts if name in reserved_hosts]
    if both:
        raise ActionError(f"in both hosts and reserved-hosts: {', '.join(both)}")
    if not hosts and not reserved_hosts:
        return {}
    services = lookup.services()
    missing = [name for name in (*hosts, *reserved_hosts) if name not in services]
    if missing:
        raise ActionError(unknown(missing, services))
    _check_names(cloud, stranger, (*hosts, *reserved_hosts))
    return services


def _check_names(cloud: Cloud, stranger: Stranger | None, hosts: Sequence[str]) -> None:
    """Refuse hosts that could not be recovered, because not everybody has one name for them.

    Masakari takes an instance for evacuated when its hypervisor's name is no longer the host's.
    """
    hypervisors = {
        str(item["service"]["host"]): str(item["hypervisor_hostname"])
        for item in cloud.hypervisors()
    }
    for name in hosts:
        other = hypervisors.get(name, name)
        if other != name:
            raise ActionError(
                f"Nova knows {name} by two names: its hypervisor is {other}, so Masakari could"
                " not tell whether an instance has left it. Make its nova-compute use one name"
                f" (`host = {other}` in nova.conf, on a hypervisor without instances), then run"
                " this action again"
            )
    if stranger and (reason := stranger(hosts)) is not None:
        raise ActionError(reason)


def check_same(
    segment: Segment, recovery_method: str, description: str | None, enabled: bool | None
) -> None:
    """Refuse to create a segment that exists otherwise.

    Raises:
        ActionError: with the action that changes it.
    """
    wanted = {
        "recovery-method": (segment.recovery_method, recovery_method),
        "description": (segment.description, description),
        "enabled": (segment.enabled, enabled),
    }
    for option, (present, given) in wanted.items():
        if given is not None and present != given:
            value = str(given).lower() if isinstance(given, bool) else given
            raise ActionError(
                f"segment {segment.name} exists with {option} {text(present)!r}, not"
                f" {text(given)!r}; to change it, run: update-segment name={segment.name}"
                f" {option}={value}"
            )


def check_places(
    segment: Segment | None,
    places: dict[str, tuple[Segment, SegmentHost]],
    hosts: Sequence[str],
    reserved_hosts: Sequence[str],
) -> None:
    """Refuse hosts that are elsewhere, or otherwise.

    Raises:
        ActionError: with the action that changes that.
    """
    for name in (*hosts, *reserved_hosts):
        if name not in places:
            continue
        where, host = places[name]
        if segment is None or where.uuid != segment.uuid:
            raise ActionError(
                f"host {name} is in segment {where.name}; to move it, first run: remove-hosts"
                f" segment={where.name} hosts={name}"
            )
        if host.reserved != (name in reserved_hosts):
            raise ActionError(
                f"host {name} is in segment {where.name} with reserved"
                f" {text(host.reserved)}; to change it, run: update-host host={name}"
                f" reserved={text(not host.reserved)}"
            )
