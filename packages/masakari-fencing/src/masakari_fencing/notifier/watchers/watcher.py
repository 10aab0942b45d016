"""What watchers have in common: whose turn it is, since when something is so, and what is told."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import dataclass, field

from masakari_fencing.commands import Runner
from masakari_fencing.openstack.masakari_api import Host
from masakari_fencing.pacemaker import crm_node, properties
from masakari_fencing.pacemaker.crm_mon import Status

RANK_DELAY = 6.0
"""Seconds that each further member leaves to those before it."""

LIST_RANK_DELAY = 30.0
"""The same, where a list in the cluster's configuration is brought up to date."""


@dataclass
class Watcher:
    """Looks after what one member of the cluster sees to for all.

    Attributes:
        runner: runs Pacemaker's commands.
    """

    runner: Runner
    _name: str = field(default="", init=False)

    def controls(self, status: Status) -> bool:
        """Whether this member is the first in order, with quorum; see `Status.order`.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        self._name = self._name or crm_node.local_name(self.runner)
        return status.quorum and status.order[:1] == [self._name]


class Since:
    """For how long each of some things is so.

    Args:
        clock: seconds, only ever compared with each other.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._begun: dict[Hashable, float] = {}

    def seconds(self, key: Hashable) -> float:
        """Return for how many seconds one is so; it begins when it is asked for first."""
        now = self._clock()
        return now - self._begun.setdefault(key, now)

    def forget(self, key: Hashable) -> None:
        """It is so no more."""
        self._begun.pop(key, None)

    def keep(self, keys: Collection[Hashable]) -> None:
        """Forget all others."""
        self._begun = {key: begun for key, begun in self._begun.items() if key in keys}


class RankDelay(Since):
    """Whether it is this member's turn to do something that each of them would do.

    Args:
        clock: seconds, only ever compared with each other.
        rank: this member's place among the members; the first acts at once.
        delay: seconds that each further member leaves to those before it.
    """

    def __init__(
        self, clock: Callable[[], float], rank: Callable[[str], int | None], delay: float
    ) -> None:
        super().__init__(clock)
        self._rank = rank
        self._delay = delay

    def due(self, key: str, *, needed: bool) -> bool:
        """Whether there is something to do, and it is this member's turn to do it."""
        if not needed:
            self.forget(key)
        return needed and self.mine(key)

    def mine(self, key: str) -> bool:
        """Whether it is; what there is to do begins when it is asked for first."""
        waited = self.seconds(key)
        rank = self._rank(key)
        return rank is not None and waited >= rank * self._delay


class ClusterList:
    """What the notifiers keep in the cluster's configuration, for the fence agent.

    That cannot ask Masakari and Nova in the middle of a fencing. Every member has the list, it
    outlives each of them, and all judge alike. While Masakari or Nova does not answer, the last
    word stands.

    Args:
        runner: runs Pacemaker's commands.
        configuration: returns the cluster's.
        rank: this member's place among the members; the first acts at once.
        clock: seconds, only ever compared with each other.
    """

    SET: str
    """Identifier of its set of properties."""

    def __init__(
        self,
        runner: Runner,
        configuration: Callable[[], ET.Element],
        rank: Callable[[str], int | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runner = runner
        self._configuration = configuration
        self._rank_delay = RankDelay(clock, rank, LIST_RANK_DELAY)

    def update(self, hosts: Iterable[Host]) -> bool:
        """Have the list say what is so now; see `properties.tell`.

        Args:
            hosts: those of all segments.

        Returns:
            whether it was changed.

        Raises:
            ApiError: Nova does not answer.
            PacemakerError: the cluster does not answer, or refused.
        """
        configuration = self._configuration()
        wanted = self._wanted(configuration, hosts)
        if not self._rank_delay.due("", needed=wanted != properties.told(configuration, self.SET)):
            return False
        return properties.tell(self._runner, configuration, self.SET, wanted)

    def _wanted(self, configuration: ET.Element, hosts: Iterable[Host]) -> dict[str, str]:
        """Return the values of the properties, by name."""
        raise NotImplementedError
