"""The cloud at one moment, in a handful of requests, however many hypervisors and instances.

Placement shows what every provider has, and what of it is used, in the answer to one question for
candidates: each that has a megabyte of memory left is one. (Seen with Placement 8: those of
disabled hosts and the children of each are shown, too; one without a free megabyte is not.) Nova
gives hypervisors and instances a thousand at once. Nothing is asked for a single one of them.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from masakari_fencing.openstack.failure_domains import Aggregate
from masakari_fencing.openstack.rest import ApiError

from preflight import demand
from preflight.demand import Instance
from segments.cloud import Cloud, Segment, SegmentHost

_PAGE = 1000
"""Servers that are asked for at once; Nova's own `max_limit` by default."""
_GROUPS_VERSION = "2.64"
"""The first that tells how many members of an anti-affinity group one host may have."""
_TENANTS = "filter_tenant_id"
"""Beginning of the keys of aggregates that keep their hosts for some projects."""
_TOTALS = {"VCPU": "vcpus", "MEMORY_MB": "memory_mb", "DISK_GB": "local_gb"}
"""What Nova's driver gives a single instance at most: all that there is (`max_unit`)."""
ROOM = "/allocation_candidates?resources=MEMORY_MB:1"


@dataclasses.dataclass(frozen=True)
class Hypervisor:
    """A hypervisor with its nova-compute and its provider in Placement.

    Attributes:
        host: Nova's name of the host.
        name: its own name.
        zone: its availability zone.
        enabled: Nova places instances there.
        up: its nova-compute reports.
        forced_down: Nova was told that it is down.
        totals: the most that one instance may have, by resource class.
        free: what is left, by resource class; empty where no memory is.
        traits: its provider's.
    """

    host: str
    name: str
    zone: str
    enabled: bool
    up: bool
    forced_down: bool
    totals: Mapping[str, int]
    free: Mapping[str, int]
    traits: frozenset[str]

    @property
    def serves(self) -> bool:
        """Whether it works."""
        return self.up and not self.forced_down

    @property
    def open(self) -> bool:
        """Whether Nova places instances there."""
        return self.enabled and self.serves


@dataclasses.dataclass(frozen=True)
class Group:
    """A server group with a policy that forbids.

    Attributes:
        affinity: its members are to be on one host; otherwise on different ones.
        most: members of an anti-affinity group that one host may have.
        members: UUIDs of its instances.
    """

    affinity: bool
    most: int
    members: frozenset[str]


@dataclasses.dataclass(frozen=True)
class Survey:
    """What there is in the cloud.

    Attributes:
        segments: the failover segments with their hosts.
        hypervisors: by host.
        instances: by host, in Nova's order.
        groups: by the UUID of each member.
        hosts_of: hosts kept for a project, by project.
        kept: hosts that are kept for some project.
        programs: whether one runs of each of Nova's other services, by its name.
        clocks: see `Cloud`.
        aggregates: Nova's host aggregates.
    """

    segments: Sequence[tuple[Segment, Sequence[SegmentHost]]]
    hypervisors: Mapping[str, Hypervisor]
    instances: Mapping[str, Sequence[Instance]]
    groups: Mapping[str, Group]
    hosts_of: Mapping[str, frozenset[str]]
    kept: frozenset[str]
    programs: Mapping[str, bool]
    clocks: Mapping[str, float]
    aggregates: Sequence[Aggregate] = ()

    @functools.cached_property
    def known(self) -> frozenset[str]:
        """The hosts of all segments, in lower case."""
        return frozenset(name.lower() for name in self.segment_names)

    @functools.cached_property
    def segment_names(self) -> dict[str, str]:
        """The name of each host's segment."""
        return {host.name: segment.name for segment, hosts in self.segments for host in hosts}

    def segment_of(self, host: str) -> tuple[Segment, SegmentHost, Sequence[SegmentHost]] | None:
        """The segment that a host is in, the host there, and all its hosts."""
        return next(
            (
                (segment, found, hosts)
                for segment, hosts in self.segments
                for found in hosts
                if found.name == host
            ),
            None,
        )


def take(cloud: Cloud) -> Survey:
    """Ask for everything once.

    Raises:
        ApiError: an API does not answer, or with something else than it should.
    """
    try:
        return _take(cloud)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ApiError(f"an answer cannot be read: {error!r}") from error


def _take(cloud: Cloud) -> Survey:
    segments = [(segment, cloud.hosts(segment.uuid)) for segment in cloud.segments()]
    services = cloud.ask_nova("/os-services").get("services") or []
    aggregates = cloud.ask_nova("/os-aggregates").get("aggregates") or []
    metadata: dict[str, list[Mapping[str, object]]] = {}
    for aggregate in aggregates:
        for host in aggregate.get("hosts") or ():
            metadata.setdefault(str(host), []).append(aggregate.get("metadata") or {})
    instances: dict[str, list[Instance]] = {}
    for item in _servers(cloud):
        instance = demand.read(item, metadata)
        if instance.host:
            instances.setdefault(instance.host, []).append(instance)
    hosts_of, kept = _tenants(aggregates)
    return Survey(
        segments=segments,
        hypervisors=_hypervisors(cloud, services),
        instances=instances,
        groups=_groups(cloud),
        hosts_of=hosts_of,
        kept=kept,
        programs=_programs(services),
        clocks=dict(cloud.clocks),
        aggregates=[
            Aggregate(
                str(item.get("name")),
                tuple(map(str, item.get("hosts") or ())),
                dict(item.get("metadata") or {}),
            )
            for item in aggregates
        ],
    )


def _servers(cloud: Cloud) -> Iterator[Mapping[str, Any]]:
    path = f"/servers/detail?all_tenants=1&limit={_PAGE}"
    answer = cloud.ask_nova(path)
    while page := answer.get("servers"):
        yield from page
        if not answer.get("servers_links"):
            return
        answer = cloud.ask_nova(f"{path}&marker={page[-1]['id']}")


def _hypervisors(cloud: Cloud, services: Sequence[Mapping[str, Any]]) -> dict[str, Hypervisor]:
    providers = cloud.ask("Placement", ROOM).get("provider_summaries") or {}
    computes = {str(s.get("host")): s for s in services if s.get("binary") == "nova-compute"}
    found = {}
    for item in cloud.hypervisors():
        host = str(item["service"]["host"])
        service = computes.get(host, {})
        # Nova's hypervisor and Placement's provider have one UUID.
        provider = providers.get(str(item["id"])) or {}
        found[host] = Hypervisor(
            host=host,
            name=str(item["hypervisor_hostname"]),
            zone=str(service.get("zone") or ""),
            enabled=service.get("status") == "enabled",
            up=service.get("state") == "up",
            forced_down=service.get("forced_down") is True,
            totals={kind: int(item.get(key) or 0) for kind, key in _TOTALS.items()},
            free={
                kind: int(entry["capacity"]) - int(entry["used"])
                for kind, entry in (provider.get("resources") or {}).items()
            },
            traits=frozenset(provider.get("traits") or ()),
        )
    return found


def _groups(cloud: Cloud) -> dict[str, Group]:
    found: dict[str, Group] = {}
    offset = 0
    path = f"/os-server-groups?all_projects=1&limit={_PAGE}&offset="
    while page := cloud.ask_nova(f"{path}{offset}", _GROUPS_VERSION).get("server_groups"):
        for item in page:
            policy = item.get("policy")
            if policy in ("affinity", "anti-affinity"):
                most = int((item.get("rules") or {}).get("max_server_per_host") or 1)
                members = frozenset(map(str, item.get("members") or ()))
                found |= dict.fromkeys(members, Group(policy == "affinity", most, members))
        offset += len(page)
    return found


def _tenants(
    aggregates: Sequence[Mapping[str, Any]],
) -> tuple[dict[str, frozenset[str]], frozenset[str]]:
    """The hosts that are kept for each project, and all of them."""
    found: dict[str, frozenset[str]] = {}
    for aggregate in aggregates:
        hosts = frozenset(map(str, aggregate.get("hosts") or ()))
        for key, value in (aggregate.get("metadata") or {}).items():
            if str(key).startswith(_TENANTS):
                for project in str(value).split(","):
                    found[project.strip()] = found.get(project.strip(), frozenset()) | hosts
    return found, frozenset().union(*found.values())


def _programs(services: Sequence[Mapping[str, Any]]) -> dict[str, bool]:
    found = {"nova-scheduler": False, "nova-conductor": False}
    for service in services:
        name = str(service.get("binary"))
        if name in found and service.get("state") == "up" and service.get("status") == "enabled":
            found[name] = True
    return found
