"""What nova-computes report while a host's proof is waited for: its own, and those of others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from masakari_fencing.openstack.compute_service import ServiceState
from masakari_fencing.workflow.proof.decision import STARTING, Observation

INTERVAL = 5.0
"""Seconds between two questions about the others, which Nova answers with the services of all."""

SILENCE = 25.0
"""Seconds without any new report of another after which they are silent: each reports every 10 s
(`report_interval` of nova/conf/service.py). They do so through Nova's broker and conductor to its
database (`save` of nova/objects/service.py is remote); while one of these is away, none can."""


class ComputeReports:
    """Compares what Nova says with what it said before.

    Args:
        compute: returns what Nova says about the host's own service.
        newest: returns when any other host's service reported last, None where there is none.
        clock: seconds since the epoch. Nova's times are another clock's: of the others, they are
            only compared with each other.
    """

    def __init__(
        self,
        compute: Callable[[], ServiceState],
        newest: Callable[[], float | None],
        clock: Callable[[], float],
    ) -> None:
        self._compute = compute
        self._newest = newest
        self._clock = clock
        self._before: ServiceState | None = None
        self._reported = 0.0
        self._last: float | None = None
        self._looked = self._changed = float("-inf")
        self._heard: float | None = None

    def of_host(self, seen: Observation) -> Observation:
        """Add what is known of the host's own. Raises what `compute` raises."""
        state, before = self._compute(), self._before
        self._before = state
        changed = state.changed
        # Nobody else has touched it.
        alone = before is not None and state.settings == before.settings
        if alone and changed and before and changed > (before.changed or changed):
            self._reported = changed
        # Nova calls it up for so long after its last report.
        since = None if changed is None else max(self._reported, seen.now - STARTING)
        return replace(
            seen,
            compute_seen=since,
            compute_changed=changed,
            compute_last=state.last,
            in_service=state.in_service,
        )

    def of_others(self, seen: Observation) -> Observation:
        """Add since when the others are heard of: not before this is asked first.

        Raises what `newest` raises.
        """
        now = self._clock()
        if now - self._looked >= INTERVAL:
            newest = self._newest()
            self._looked = now
            silent = now - self._changed > SILENCE
            if newest is not None and newest != self._last:
                self._last, self._changed = newest, now
                self._heard = now if silent else self._heard
            elif silent:
                self._heard = None
        return replace(seen, others_heard=self._heard)
