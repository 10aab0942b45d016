"""A rehearsed failure of a host, step by step."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from masakari_fencing import times
from masakari_fencing.openstack.rest import ApiError
from masakari_fencing.pacemaker.tools import PacemakerError

from planned import canaries, judging
from planned.canaries import Canaries
from planned.draining import Drain
from planned.drills import FULL, Drill
from segments.cloud import Cloud
from segments.lookup import ActionError, Lookup
from segments.returning import Returning

logger = logging.getLogger(__name__)

BOOTED = 180.0
"""Seconds in which all canaries have to run."""
FENCED = 180.0
"""Seconds in which Pacemaker has to confirm the fence, be it at the second attempt."""
RECOVERED = 600.0
"""Seconds after which a recovery is no longer followed."""
RETURNED = 900
"""Seconds that each wait for the host's return may take; servers need minutes to boot."""
DELETED = 60.0
"""Seconds in which the canaries have to be gone."""

_ALIVE = 5.0
"""Seconds within which a host was heard that is taken for on."""
_LOOK = 0.15
"""Seconds between two looks at the canaries: the report is as exact as that."""
_APART, _SELDOM = 1.0, 5.0
"""Seconds between two looks at the notification: when all canaries are back, and until then."""
_CLOCKS = 5.0
"""Seconds by which a notification may seem older than the cut that caused it."""

_STEPS: Mapping[str, str] = {
    "canaries": "draining",
    "draining": "cutting",
    "cutting": "recovering",
    "recovering": "returning",
    "returning": "cleaning",
    "cleaning": "done",
}
"""What follows when a step has ended well."""
_BEFORE = ("canaries", "draining", "cutting")
"""Steps after whose failure the host has not failed, and is opened again."""

_BEGUN = 2.0
"""Seconds from the whole one in which an instance is started to what it does first, at most."""

Fence = Callable[[str, float], None]
Silence = Callable[[str], Callable[[], float]]


class Drilling:
    """Carries a drill out, from wherever it stands.

    Args:
        cloud: access to the APIs.
        fence: has the cluster fence a host, within so many seconds.
        silence: begins to watch a host; what it returns says when it was heard last.
        returning: takes the host back.
        keep: writes down what is known; returns it.
        metadata: the key of instances that are recovered (first).
        sleep: waits for so many seconds.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        cloud: Cloud,
        *,
        fence: Fence,
        silence: Silence,
        returning: Returning,
        keep: Callable[[Drill], Drill],
        metadata: str,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._cloud = cloud
        self._fence = fence
        self._silence = silence
        self._returning = returning
        self._keep = keep
        self._metadata = metadata
        self._sleep = sleep
        self._clock = clock
        self._uuid = ""
        self._looked = 0.0

    def run(self, drill: Drill) -> Drill:
        """Carry it out to its end.

        What goes wrong is in its report. From wherever that was, the host is taken back and the
        canaries are deleted.

        Raises:
            OSError: what is known cannot be written down.
        """
        steps: Mapping[str, Callable[[Drill], Drill]] = {
            "canaries": self._boot,
            "draining": self._drain,
            "cutting": self._cut,
            "recovering": self._follow,
            "returning": self._return,
            "cleaning": self._clean,
        }
        while not drill.over:
            phase = drill.phase
            following = _STEPS[phase]
            if following == "cutting" and drill.mode != FULL:
                following = "returning"
            try:
                drill = steps[phase](drill)
            except (ActionError, ApiError, PacemakerError, ValueError) as error:
                logger.warning("%s: %s", phase, error)
                drill = drill.trouble(f"{phase}: {error}")
                if phase in _BEFORE:
                    following = "returning"
            if following == "done":
                drill = dataclasses.replace(drill, report=judging.report(self._cloud, drill))
            drill = self._keep(dataclasses.replace(drill, phase=following))
        return drill

    def _canaries(self, drill: Drill) -> Canaries:
        return Canaries(self._cloud, drill.id, self._sleep, self._clock)

    def _boot(self, drill: Drill) -> Drill:
        found = self._canaries(drill).boot(drill.kind, drill.host, self._metadata, BOOTED)
        known = {one.uuid: one.name for one in found}
        return dataclasses.replace(drill, sources=known).mark("canaries", self._clock())

    def _drain(self, drill: Drill) -> Drill:
        drain = Drain(self._cloud, self._sleep, self._clock)
        drain.close(Lookup(self._cloud).services()[drill.host])
        drain.empty(drill.host, self._clock() + drill.patience, drill.sources.keys())
        return drill.mark("drained", self._clock())

    def _cut(self, drill: Drill) -> Drill:
        if "cut" in drill.marks:
            # Interrupted while it was fenced: whether it was is what the notification tells.
            return drill
        drill = self._keep(drill.mark("cut", self._clock()))
        heard = self._silence(drill.host)
        try:
            self._fence(drill.host, FENCED)
        except (PacemakerError, ValueError) as error:
            if self._clock() - heard() < _ALIVE:
                raise
            drill = drill.trouble(f"cutting: {error}; it is silent all the same")
        else:
            drill = drill.mark("confirmed", self._clock())
        return drill.mark("silent", heard())

    def _follow(self, drill: Drill) -> Drill:
        """Look at the canaries until all are back, and at the notification until it has ended."""
        end = drill.marks["cut"] + RECOVERED
        looked, status = self._clock(), ""
        while True:
            now = self._clock()
            waits = len(drill.back) < len(drill.sources)
            if waits:
                drill = self._look(drill)
            # Meanwhile each request makes the report less exact.
            if now - looked >= (_SELDOM if waits else _APART):
                looked = now
                found = self._notification(drill)
                status = str(found.get("status") or "")
                uuid = str(found.get("notification_uuid") or "")
                drill = dataclasses.replace(drill, recovery=uuid)
            if status in ("finished", "failed", "ignored"):
                return self._look(drill).mark("recovered", self._clock())
            if now >= end:
                what = f"is {status}" if status else "was never reported to Masakari"
                raise ActionError(f"the recovery {what} {RECOVERED:.0f} s after the cut")
            self._sleep(_LOOK)

    def _look(self, drill: Drill) -> Drill:
        begun = self._clock()
        try:
            found = self._canaries(drill).servers()
        except ApiError:
            return drill  # Nova may not answer in the middle of a disaster
        # One that is back was so at some moment after the last look was begun, when it was not,
        # and before this one has ended.
        now, before = self._clock(), self._looked or drill.marks["cut"]
        self._looked = begun
        back: dict[str, tuple[float, str, float]] = {}
        for one in found:
            if one.uuid not in drill.back and canaries.back(one, drill.host):
                first, last = ran(before, now, one.launched, drill.marks["cut"])
                back[one.uuid] = ((first + last) / 2, one.host, (last - first) / 2)
        return dataclasses.replace(drill, back={**drill.back, **back})

    def _notification(self, drill: Drill) -> Mapping[str, Any]:
        """Masakari's notification of this failure; empty while there is none."""
        try:
            self._uuid = self._uuid or Lookup(self._cloud).find_host(drill.host).uuid
            for item in self._cloud.host_failures(20):
                begun = times.noticed(item.get("generated_time"), item.get("created_at"))
                mine = item.get("source_host_uuid") == self._uuid
                if mine and begun >= drill.marks["cut"] - _CLOCKS:
                    return item
        except ApiError:
            pass
        return {}

    def _return(self, drill: Drill) -> Drill:
        self._returning.run(drill.host, reserved=drill.reserved, timeout=RETURNED)
        return drill.mark("returned", self._clock())

    def _clean(self, drill: Drill) -> Drill:
        if drill.evacuations is None and "confirmed" in drill.marks:
            # Nova lists none of a deleted instance.
            try:
                found = judging.evacuations(self._cloud, drill)
                drill = self._keep(dataclasses.replace(drill, evacuations=found))
            except ApiError as error:
                drill = drill.trouble(f"how often each was started elsewhere: {error}")
        self._canaries(drill).delete(DELETED)
        return drill


def ran(first: float, last: float, launched: float, cut: float) -> tuple[float, float]:
    """Between when a canary has begun to run again.

    In the middle of a disaster Nova may take seconds to answer, and to show what it was told. The
    second in which a hypervisor has started an instance is in its own report, and what runs in it
    begins soon after: in the lab 0.1 to 1.7 s, while Nova showed it up to 6 s late.

    Args:
        first: when the last look began at which it was not back.
        last: when the one ended at which it was.
        launched: when its hypervisor has started it, in whole seconds; 0: Nova does not tell.
        cut: when the power was cut.
    """
    if not cut - 1.0 <= launched <= last:
        return first, last  # that of its first start, or the clocks differ
    begin, end = max(first, launched), min(last, launched + _BEGUN)
    return (begin, end) if begin < end else (launched, launched + _BEGUN)
