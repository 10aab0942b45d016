"""Whose turn it is: a group of instances begins when those before it are up, or after a time.

Nothing of it is kept but since when they wait (`Record.listed`): an engine that takes a recovery
over finds by itself which instances are up, and lets no group wait anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from masakari_fencing.openstack import restart_order
from masakari_fencing.records.recovery import Instance

INTERVAL = 0.2
"""Seconds between two looks at those before."""


class NotYet(Exception):  # noqa: N818 - a state, not an accident
    """It does not begin in this attempt."""


@dataclass
class RestartGroups:
    """The turns of the instances of one attempt.

    Attributes:
        every: all instances of the recovery, those that are up included.
        since: since when they wait, in seconds since the epoch.
        patience: seconds after which a group begins, whatever has become of the one before it.
        pause: seconds between the last of a group that is up and the next group.
        stagger: seconds between the beginnings of two instances.
        stopped: whether nothing is to begin any more.
        sleep: waits for so many seconds.
        now: seconds since the epoch.
    """

    every: Iterable[Instance]
    since: float
    patience: float
    pause: float = 0.0
    stagger: float = 0.0
    stopped: Callable[[], bool] = lambda: False
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time
    _phases: Sequence[Sequence[Instance]] = field(init=False)
    _ended: dict[str, tuple[bool, float]] = field(init=False)
    _next: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._phases = restart_order.phases(self.every)
        # When those came up that an earlier attempt has recovered is not known, but long ago.
        self._ended = {item.uuid: (True, 0.0) for item in self.every if item.done}

    def wait(self, item: Instance) -> None:
        """Wait until an instance may begin.

        Raises:
            NotYet: one before it was not recovered, and is tried again before this one.
        """
        self._wait_for_others(item)
        begin = max(self.now(), self._next)
        self._next = begin + self.stagger
        while self.now() < begin and not self.stopped():
            self.sleep(min(INTERVAL, max(0.0, begin - self.now())))

    def _wait_for_others(self, item: Instance) -> None:
        number = next(n for n, phase in enumerate(self._phases) if item in phase)
        latest = self.since + number * self.patience
        before = [one.uuid for phase in self._phases[:number] for one in phase]
        while before and self.now() < latest and not self.stopped():
            known = [self._ended[uuid] for uuid in before if uuid in self._ended]
            missing = len(known) < len(before)
            failed = not all(up for up, _ in known)
            if not missing and not failed:
                if self.now() >= max(when for _, when in known) + self.pause:
                    return
            elif not missing and latest - self.now() > self.now() - self.since:
                # The pauses between attempts grow with the time that they took so far.
                raise NotYet(f"waits for {self._name(number - 1)}")
            self.sleep(INTERVAL)

    def end(self, item: Instance) -> None:
        """Take note of what has become of an instance."""
        self._ended[item.uuid] = (item.done, self.now())

    def _name(self, number: int) -> str:
        group = self._phases[number][0].group
        return f"group {group}" if group else "those before it"
