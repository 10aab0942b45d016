"""Which hypervisors fail together, where failure domains have limits of their own.

The fence agent cannot ask Masakari and Nova in the middle of a fencing; so the notifiers keep the
domains in the cluster's configuration, as they do with the hosts that nobody looks after (see
`unserved_hosts`). While Masakari or Nova does not answer, the last word stands.
"""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Sequence

from masakari_fencing.commands import Runner
from masakari_fencing.notifier.watchers.watcher import Turns
from masakari_fencing.openstack.failure_domains import Aggregate, Limit, domains
from masakari_fencing.openstack.masakari_api import Host
from masakari_fencing.pacemaker import fencing_limit, properties
from masakari_fencing.pacemaker.fencing_limit import Domain

RANK_DELAY = 30.0
"""Seconds that each further member leaves to those before it."""


class DomainLists:
    """Keeps the domains up to date.

    Args:
        runner: runs Pacemaker's commands.
        configuration: returns the cluster's.
        rank: this member's place among the members; the first acts at once.
        limits: of which kinds of domains, and how many hosts of each.
        aggregates: asks Nova for its aggregates.
        clock: seconds, only ever compared with each other.
    """

    def __init__(
        self,
        runner: Runner,
        configuration: Callable[[], ET.Element],
        rank: Callable[[str], int | None],
        limits: Sequence[Limit],
        aggregates: Callable[[], Iterable[Aggregate]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runner = runner
        self._configuration = configuration
        self._limits = limits
        self._aggregates = aggregates
        self._turns = Turns(clock, rank, RANK_DELAY)

    def update(self, hosts: Iterable[Host]) -> bool:
        """Have the cluster know the domains as they are now; see `properties.tell_domains`.

        Args:
            hosts: those of all segments.

        Returns:
            whether anything was changed.

        Raises:
            ApiError: Nova does not answer.
            PacemakerError: the cluster does not answer, or refused.
        """
        configuration = self._configuration()
        wanted = self._wanted(configuration, hosts)
        if not self._turns.due("", needed=fencing_limit.domains(configuration) != wanted):
            return False
        return properties.tell_domains(self._runner, configuration, wanted)

    def _wanted(self, configuration: ET.Element, hosts: Iterable[Host]) -> list[Domain]:
        if not self._limits:
            return []
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
        return found
