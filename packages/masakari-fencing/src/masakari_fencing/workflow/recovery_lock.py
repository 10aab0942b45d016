"""Who carries a host's recovery out: one engine at a time, over the engines of all units.

A recovery belongs to the engine that its record names (see `records.recovery`), from the moment at
which it takes it to the end that it writes, however many others want it, and whether they were
asked by the same notification or by another. It is free for others when it has ended, or when
that engine is known to be dead: its own machine knows that, and what looks after recoveries in
the notifiers (see `dead_engines`) tells the others by striking the engine out.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from masakari_fencing import processes
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records import storage_fences
from masakari_fencing.records.recoveries import Records, Superseded
from masakari_fencing.records.recovery import (
    NOTHING,
    RECOVERED,
    End,
    Proof,
    Record,
    same_fence,
)
from masakari_fencing.records.storage_fences import StorageFence

INTERVAL = 1.0
"""Seconds between two looks at a recovery that somebody else carries out."""

HELD_TIMEOUT = 15.0
"""Seconds for which the cluster may be without an answer before an owner gives its work up."""


class Busy(Exception):  # noqa: N818 - a state, not an accident
    """Somebody else's recovery of the host has not ended."""


class Ended(Exception):  # noqa: N818 - a state, not an accident
    """The recovery that the notification asks for has been carried out.

    Attributes:
        record: as it ended.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        reason = record.end.reason if record.end else ""
        super().__init__(reason)


class ProofLost(Exception):  # noqa: N818 - a state, not an accident
    """The host has come back since it was fenced, or an operator took it back."""


def regardless_of_proof(check: Callable[[], None]) -> None:
    """Check only whose recovery it is, be the host back or not.

    Args:
        check: raises where a recovery must not go on; see `RecoveryLock.check`.
    """
    with contextlib.suppress(ProofLost):
        check()


class RecoveryLock:
    """One notification's claim to the recovery of a host.

    Args:
        store: the records.
        host: the host.
        notification: Masakari's notification.
        engine: this process; see `processes.identity`.
        lives: whether a process lives; None where that cannot be told from here.
        sleep: waits for so many seconds.
        clock: seconds, only ever compared with each other.
        now: seconds since the epoch.
        doubt: why a storage fence proves nothing now; see `storage_fences.doubt`.
    """

    def __init__(
        self,
        store: Records,
        host: str,
        notification: str,
        engine: str,
        *,
        lives: Callable[[str], bool | None] = processes.lives,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        doubt: Callable[[StorageFence], str | None] = storage_fences.doubt,
    ) -> None:
        self._doubt = doubt
        self._store = store
        self._host = host.lower()
        self._notification = notification
        self._engine = engine
        self._lives = lives
        self._sleep = sleep
        self._clock = clock
        self._now = now

    def take(self, patience: float, *, waiting: Callable[[str], None]) -> Record:
        """Return the record, which is this claim's from now on.

        Args:
            patience: seconds to wait for another recovery to end, or for the cluster to answer.
            waiting: told whose end is awaited, once for each.

        Raises:
            Ended: it was carried out already.
            Busy: the other one has not ended.
            PacemakerError: the cluster does not answer.
            ValueError: one of the names cannot be in the cluster's configuration.
        """
        end = self._clock() + patience
        told = ""
        while True:
            try:
                found, mine = self._try()
            except Superseded:
                found, mine = None, None
            except PacemakerError:
                if self._clock() >= end:
                    raise
                found, mine = None, None
            if mine is not None:
                return mine
            if found is not None and found.engine + found.notification != told:
                told = found.engine + found.notification
                waiting(f"{found.notification}, by {found.engine or 'nobody yet'}")
            if self._clock() >= end:
                raise Busy(f"{found.notification}, by {found.engine}" if found else "another one")
            self._sleep(INTERVAL)

    def _try(self) -> tuple[Record | None, Record | None]:
        """Return the record that is in the way, or the one that was taken."""
        found = self._store.read(self._host)
        if found is None:
            new = Record(self._host, self._notification, self._engine)
            return None, new if self._store.create(new) else None
        if found.end is None and not self._free(found):
            return found, None
        over = found.end is not None and found.end.outcome in (RECOVERED, NOTHING)
        if (over or found.returned) and found.notification == self._notification:
            raise Ended(found)
        if over or (found.returned and not found.down):
            # A host that was taken back is not recovered for what it was fenced for before.
            used = max(found.used, found.proof.fenced if found.proof else 0.0)
            new = Record(
                self._host,
                self._notification,
                self._engine,
                used=used,
                recovered=found.recovered,
                held=found.held,
            )
        else:
            # What a release without tokens has done is not known.
            new = replace(
                found,
                notification=self._notification,
                engine=self._engine,
                end=None,
                returned=False,
                attempts=found.attempts if found.token else 1,
            )
        return None, self._store.write(found, new)

    def claim(self, reported: float) -> Record | None:
        """Take the recovery, where nobody has begun one since the failure was reported.

        Args:
            reported: when the failure was noticed, in seconds since the epoch.

        Returns:
            the record; None where somebody has begun one, or ended one.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        found = self._store.read(self._host)
        if found is not None and (found.end is None or found.end.time >= reported):
            return None
        with contextlib.suppress(Superseded, Ended):
            return self._try()[1]
        return None

    def _free(self, found: Record) -> bool:
        """Whether nobody works on it: not even this process, which takes one after the other."""
        if found.engine in ("", self._engine):
            return True
        return self._lives(found.engine) is False

    def current(self) -> Record:
        """Return the record as it is.

        Raises:
            Superseded: it is not this claim's, or not any more.
            PacemakerError: the cluster does not answer.
        """
        found = self._store.read(self._host)
        if found is None or not self._is_mine(found):
            raise Superseded(f"the recovery of {self._host} has been taken over")
        return found

    def update(self, record: Record, **changes: Any) -> Record:
        """Change the record; see `write`."""
        return self.write(record, replace(record, **changes))

    def write(self, record: Record, new: Record) -> Record:
        """Replace the record; see `Records.write`. The cluster may be away for some seconds."""
        end = self._clock() + HELD_TIMEOUT
        while True:
            try:
                return self._store.write(record, new)
            except PacemakerError:
                if self._clock() >= end:
                    raise
            self._sleep(INTERVAL)

    def check(self, record: Record) -> None:
        """Return where the recovery is still this claim's, and the host as dead as it was.

        Raises:
            Superseded: somebody else has taken the recovery.
            ProofLost: the cluster has connected to the host since it was fenced.
            PacemakerError: the cluster does not answer.
        """
        end = self._clock() + HELD_TIMEOUT
        while True:
            try:
                mine, fenced = self._store.held(record)
                break
            except PacemakerError:
                if self._clock() >= end:
                    raise
            self._sleep(INTERVAL)
        if not mine:
            raise Superseded(f"the recovery of {self._host} has been taken over")
        proof = record.proof
        if proof is not None and proof.storage:
            # Where the power is off, too, nothing else matters.
            if not fenced and (doubt := self._cut_off(proof)) is not None:
                raise ProofLost(f"host {self._host}: {doubt}")
        elif proof is not None and proof.fenced and not same_fence(fenced or 0.0, proof.fenced):
            raise ProofLost(f"host {self._host} has come back since it was fenced")

    def _cut_off(self, proof: Proof) -> str | None:
        """Return why the host is not known to be cut off from its storage as it was."""
        fence = self._store.storage_fence(proof.node or self._host)
        if fence is None or fence.time != proof.fenced:
            return "its storage was given back to it"
        return self._doubt(fence)

    def end(self, outcome: str, reason: str, **changes: Any) -> Record:
        """Write how it ended.

        Raises:
            Superseded: it is somebody else's, who will do that.
            PacemakerError: the cluster does not answer.
        """
        record = self.current()
        if record.end is not None and not changes:
            return record
        now = self._now()
        if outcome == RECOVERED:
            used = record.proof.fenced if record.proof else record.used
            changes = {"used": used, "recovered": now} | changes
        if outcome in (RECOVERED, NOTHING):
            changes |= {"reserved": (), "attempts": 0, "fruitless": 0}
        else:
            changes |= {"attempts": record.attempts + 1}
        return self.update(record, end=End(outcome, reason, now), **changes)

    def _is_mine(self, found: Record) -> bool:
        return (found.notification, found.engine) == (self._notification, self._engine)
