"""Which hypervisors fail together, where failure domains have limits of their own."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Sequence

from masakari_fencing.commands import Runner
from masakari_fencing.notifier.watchers.watcher import ClusterList
from masakari_fencing.openstack.failure_domains import Aggregate, Limit, domains
from masakari_fencing.openstack.masakari_api import Host
from masakari_fencing.pacemaker import fencing_limit, properties
from masakari_fencing.pacemaker.fencing_limit import Domain


class DomainLists(ClusterList):
    """Keeps the domains up to date.

    Args:
        runner: runs Pacemaker's commands.
        configuration: returns the cluster's.
        rank: this member's place among the members; the first acts at once.
        limits: of which kinds of domains, and how many hosts of each.
        aggregates: asks Nova for its aggregates.
        clock: seconds, only ever compared with each other.
    """

    SET = fencing_limit.DOMAINS

    def __init__(
        self,
        runner: Runner,
        configuration: Callable[[], ET.Element],
        rank: Callable[[str], int | None],
        limits: Sequence[Limit],
        aggregates: Callable[[], Iterable[Aggregate]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(runner, configuration, rank, clock)
        self._limits = limits
        self._aggregates = aggregates

    def _wanted(self, configuration: ET.Element, hosts: Iterable[Host]) -> dict[str, str]:
        if not self._limits:
            return {}
        segments = {host.name: host.segment_name or host.segment for host in hosts}
        ask_nova = any(limit.kind.kind != "segment" for limit in self._limits)
        aggregates = list(self._aggregates()) if ask_nova else []
        nodes = {name.lower(): name for name in properties.remotes(configuration)}
        found = []
        for limit in self._limits:
            for name, members in sorted(domains(limit.kind, aggregates, segments).items()):
                known = {nodes[host.lower()] for host in members if host.lower() in nodes}
                if known:
                    found.append(Domain(name, limit.most(len(known)), frozenset(known)))
        return {f"{self.SET}-{n}": fencing_limit.value_of(one) for n, one in enumerate(found, 1)}
