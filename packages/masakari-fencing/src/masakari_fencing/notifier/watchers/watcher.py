"""What watchers have in common: whose turn it is, and since when something is so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import crm_node
from masakari_fencing.pacemaker.crm_mon import Status

RANK_DELAY = 6.0
"""Seconds that each further member leaves to those before it."""


@dataclass
class Watcher:
    """Looks after what one member of the cluster sees to for all.

    Attributes:
        runner: runs Pacemaker's commands.
    """

    runner: Runner
    _name: str = field(default="", init=False)

    def controls(self, status: Status) -> bool:
        """Whether this member is the designated controller, with quorum.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        self._name = self._name or crm_node.local_name(self.runner)
        return status.quorum and status.dc == self._name


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


class Turns(Since):
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
