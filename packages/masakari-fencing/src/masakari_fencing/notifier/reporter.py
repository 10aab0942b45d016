"""Works on every fencing in the spool until it is dealt with.

`ranking` says when this member's turn is, `delivery` makes one attempt. Here is what follows from
a failed one: when the next is due, and what the status says, as of a host that is in no segment.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from masakari_fencing.notifier.delivery import Delivery, Expired, Outcome
from masakari_fencing.notifier.settings import Settings
from masakari_fencing.openstack import masakari_api, rest
from masakari_fencing.records.spool import NO_SEGMENT, Event, Spool

LOG = logging.getLogger(__name__)

IDLE = 1.0
"""Seconds after which the spool is looked at although nobody poked."""

FIRST_RETRY = 1.0
"""Seconds before the first retry; each further one waits twice as long."""

EXPLAIN_AFTER = 3
"""Failures in a row after which the charm's status says why; many are over by then."""


@dataclass
class Progress:
    """What is remembered about an event between two attempts.

    Attributes:
        due: when the next attempt is due, by the notifier's timer.
        first: this member is first in rank and has not tried yet.
        failures: attempts that failed in a row.
        told: why the last one failed, as it is in the log.
    """

    due: float
    first: bool
    failures: int = 0
    told: str = ""


@dataclass
class Reporter:
    """The loop's body: one look at the spool.

    Attributes:
        spool: the events.
        delivery: reports one event.
        settings: the operator's choices.
        rank: returns which place this member has among those that report, 0 being the first,
            and whether a node is one to report about.
        back: whether the cluster talks to a node.
        clock: seconds since the epoch.
        timer: seconds, only ever compared with each other.
    """

    spool: Spool
    delivery: Delivery
    settings: Settings
    rank: Callable[[str], int | None]
    back: Callable[[str], bool]
    clock: Callable[[], float] = time.time
    timer: Callable[[], float] = time.monotonic
    _progress: dict[str, Progress] = field(default_factory=dict)

    def check(self) -> float:
        """Work on every event that is due.

        Returns:
            seconds until the next attempt is due, at most `IDLE`.
        """
        events = self.spool.events()
        self._progress = {
            event.id: self._progress[event.id] for event in events if event.id in self._progress
        }
        for event in events:
            self._work_on(event)
        dues = [progress.due for progress in self._progress.values()]
        return max(0.0, min([IDLE, *(due - self.timer() for due in dues)]))

    def _work_on(self, event: Event) -> None:
        progress = self._progress.get(event.id) or self._begin(event)
        if progress is not None and self.timer() >= progress.due:
            self._attempt(event, progress)

    def _begin(self, event: Event) -> Progress | None:
        rank = self.rank(event.node)
        if rank is None:
            LOG.info("Fenced node %s is not a hypervisor", event.node)
            self._done(event)
            return None
        LOG.info("%s was fenced (%s); this member is number %d", event.node, event.id, rank + 1)
        progress = Progress(self.timer() + rank * self.settings.rank_delay, first=rank == 0)
        self._progress[event.id] = progress
        return progress

    def _attempt(self, event: Event, progress: Progress) -> None:
        first, progress.first = progress.first, False
        try:
            outcome = self._deliver(event, first)
        except Exception as error:  # whatever it is: an event must not be lost, nor stop others
            wait = self._failed(event, progress, error)
        else:
            if outcome is Outcome.DONE:
                self._done(event)
                return
            progress.failures, progress.told, wait = 0, "", 2 * FIRST_RETRY
            self._explain(event, "")
        progress.due = self.timer() + wait

    def _deliver(self, event: Event, first: bool) -> Outcome:
        if event.age(self.clock()) > self.settings.expiry:
            return self.delivery.settle(event)
        if event.reason == NO_SEGMENT and self.back(event.node):
            self.delivery.adopt(event)
            return Outcome.DONE
        return self.delivery.deliver(event, first=first)

    def _failed(self, event: Event, progress: Progress, error: Exception) -> float:
        """Say why an attempt failed, once; return in how many seconds the next one is due."""
        progress.failures += 1
        unknown = isinstance(error, masakari_api.UnknownHost)
        final = unknown or isinstance(error, Expired)
        reason = NO_SEGMENT if unknown else str(error) or type(error).__name__
        if reason != progress.told:
            unexpected = None if isinstance(error, rest.ApiError) else error
            LOG.warning("%s is not reported yet: %s", event.node, reason, exc_info=unexpected)
            progress.told = reason
        if final or progress.failures >= EXPLAIN_AFTER:
            self._explain(event, reason)
        return min(self.settings.retry_max, FIRST_RETRY * 2 ** min(progress.failures - 1, 16))

    def _explain(self, event: Event, reason: str) -> None:
        try:
            self.spool.explain(event, reason)
        except OSError as error:
            LOG.error("The status will not say that %s is not reported: %s", event.node, error)

    def _done(self, event: Event) -> None:
        self._progress.pop(event.id, None)
        self.spool.remove(event)
