"""Where instances may go: room, zone, traits, projects and server groups.

A place counts only where everything that can be known says so. Nova might find one more: an
instance counts as bound to its present zone, which the list of servers does not tell from one that
has only landed there.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence

from masakari_fencing.openstack import failure_domains
from masakari_fencing.openstack.failure_domains import Kind

from preflight.demand import Instance
from preflight.survey import Group, Survey

ALWAYS = ("VCPU", "MEMORY_MB", "DISK_GB")
"""What an ordinary hypervisor has."""


class Ground:
    """The cloud as it is, for any number of rehearsals.

    Attributes:
        survey: what there is.
        classes: what the hypervisors' own providers have; the rest is in providers below them, or
            shared, and cannot be told.
        opened: hosts on which Nova places instances.
        where: the host of each instance, by UUID.
    """

    def __init__(self, survey: Survey) -> None:
        self.survey = survey
        hypervisors = survey.hypervisors.values()
        # Where all are full, none of them is shown.
        found: set[str] = set().union(*(h.free for h in hypervisors))
        self.classes = frozenset(found | {"VCPU", "MEMORY_MB"} if found else ALWAYS)
        order = sorted(hypervisors, key=lambda h: (-h.free.get("MEMORY_MB", 0), h.host))
        self._order = [h.host for h in order if h.free]
        self.opened = frozenset(h.host for h in order if h.open)
        self._fitting: dict[tuple[object, ...], dict[str, None]] = {}
        self._domains: dict[Kind, Mapping[str, frozenset[str]]] = {}
        self.where = {
            instance.uuid: host
            for host, instances in survey.instances.items()
            for instance in instances
        }

    def domains(self, kind: Kind) -> Mapping[str, frozenset[str]]:
        """The hosts of each failure domain of a kind, by its name."""
        if kind not in self._domains:
            self._domains[kind] = failure_domains.domains(
                kind, self.survey.aggregates, self.survey.segment_names
            )
        return self._domains[kind]

    def wanted(self, instance: Instance) -> dict[str, int]:
        """What an instance needs of its host's own provider.

        Where no host has CPUs for pinning alone, Nova asks for ordinary ones, too.
        """
        pinned = "PCPU" not in self.classes
        found = {
            "VCPU" if kind == "PCPU" and pinned else kind: amount
            for kind, amount in instance.demand.items()
        }
        return {kind: amount for kind, amount in found.items() if kind in self.classes}

    def untold(self, instance: Instance) -> frozenset[str]:
        """What an instance needs of which cannot be told whether it is there."""
        kinds = frozenset(instance.demand) - {"PCPU"}
        return instance.untold | (kinds - self.classes)

    def fitting(self, instance: Instance) -> Mapping[str, None]:
        """In this order, the hosts that would have room now; later there is only less."""
        key = (
            tuple(sorted(self.wanted(instance).items())),
            self.zone(instance.host),
            instance.required,
            instance.forbidden,
            instance.project if instance.project in self.survey.hosts_of else None,
        )
        if key not in self._fitting:
            free = {host: self.survey.hypervisors[host].free for host in self._order}
            self._fitting[key] = dict.fromkeys(
                host for host in self._order if self.suits(instance, host, free[host])
            )
        return self._fitting[key]

    def suits(
        self,
        instance: Instance,
        host: str,
        free: Mapping[str, int],
        *,
        any_zone: bool = False,
    ) -> bool:
        """Whether a host with so much left may take an instance, apart from server groups."""
        there = self.survey.hypervisors[host]
        own = self.survey.hosts_of.get(instance.project)
        if host in self.survey.kept and host not in (own or ()):
            return False
        return (
            (own is None or host in own)
            and (any_zone or there.zone == self.zone(instance.host))
            and instance.required <= there.traits
            and not instance.forbidden & there.traits
            and all(
                amount <= min(free.get(kind, 0), there.totals.get(kind, amount))
                for kind, amount in self.wanted(instance).items()
            )
        )

    def zone(self, host: str) -> str:
        """A host's availability zone."""
        found = self.survey.hypervisors.get(host)
        return found.zone if found else ""


class Places:
    """What is left while instances are placed, one after the other.

    Args:
        ground: the cloud as it is.
        lost: hosts that have failed.
    """

    def __init__(self, ground: Ground, lost: Collection[str]) -> None:
        self._ground = ground
        self._lost = frozenset(lost)
        self._left: dict[str, dict[str, int]] = {}
        self._moved: dict[str, str] = {}

    def left(self, host: str) -> Mapping[str, int]:
        """What a host has left."""
        return self._left.get(host) or self._ground.survey.hypervisors[host].free

    def put(self, instance: Instance, host: str) -> None:
        """Place an instance."""
        left = dict(self.left(host))
        for kind, amount in self._ground.wanted(instance).items():
            left[kind] = left.get(kind, 0) - amount
        self._left[host] = left
        self._moved[instance.uuid] = host

    def candidates(self, instance: Instance, pool: Collection[str]) -> Iterator[str]:
        """The hosts of a pool that may take an instance, those with the most memory left first."""

        def memory(host: str) -> int:
            return -self.left(host).get("MEMORY_MB", 0)

        fitting = self._ground.fitting(instance)
        untouched = (host for host in fitting if host not in self._left)
        changed = sorted((host for host in self._left if host in fitting), key=memory)
        for host in heapq.merge(untouched, changed, key=memory):
            if (
                host in pool
                and host not in self._lost
                and (host not in self._left or self._ground.suits(instance, host, self.left(host)))
                and self._group_allows(instance, host)
            ):
                yield host

    def takes(self, instance: Instance, host: str, *, any_zone: bool) -> bool:
        """Whether one host may take an instance."""
        return (
            host not in self._lost
            and host in self._ground.survey.hypervisors
            and self._ground.suits(instance, host, self.left(host), any_zone=any_zone)
            and self._group_allows(instance, host)
        )

    def bound(self, instance: Instance) -> bool:
        """Whether an instance has to be where the others of its group are, which has failed.

        Nova looks where the others of a group with strict affinity are
        (`InstanceGroup.get_hosts`), a host that is down included, and then allows no other.
        """
        group = self._ground.survey.groups.get(instance.uuid)
        if group is None or not group.affinity:
            return False
        return bool(self._hosts(group, instance)) and self._hosts(group, instance) <= self._lost

    def _group_allows(self, instance: Instance, host: str) -> bool:
        group = self._ground.survey.groups.get(instance.uuid)
        if group is None:
            return True
        if group.affinity:
            hosts = self._hosts(group, instance)
            return not hosts or host in hosts
        others = group.members - {instance.uuid}
        return sum(self._where(uuid) == host for uuid in others) < group.most

    def _hosts(self, group: Group, instance: Instance) -> set[str]:
        return {host for uuid in group.members - {instance.uuid} if (host := self._where(uuid))}

    def _where(self, uuid: str) -> str:
        return self._moved.get(uuid) or self._ground.where.get(uuid, "")


def fullest(survey: Survey, hosts: Sequence[str], kind: str) -> list[str]:
    """Hosts by what their instances ask of a resource class, the most first."""

    def load(host: str) -> int:
        return sum(item.demand.get(kind, 0) for item in survey.instances.get(host, ()))

    return sorted(hosts, key=lambda host: (-load(host), host))
