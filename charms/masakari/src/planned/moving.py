"""Moving instances while they run (live migration), a few at a time."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence

from masakari_fencing.openstack.rest import ApiError

from segments import servers
from segments.cloud import Cloud
from segments.lookup import Lookup
from segments.servers import Server

AT_ONCE = 2
"""Live migrations that are asked for at a time. Nova carries out one after the other
(`max_concurrent_live_migrations`), and what was asked for is not taken back by an interruption."""

_POLL = 1.0  # seconds


@dataclasses.dataclass(frozen=True)
class Moved:
    """What has become of it.

    Attributes:
        uuids: of those that are gone, in the order in which they were asked to move.
        left: those that run where they were.
        failed: why each was not moved that Nova did not move, by UUID.
        interrupted: the time was over.
    """

    uuids: Sequence[str]
    left: Sequence[Server]
    failed: Mapping[str, str]
    interrupted: bool = False

    @property
    def reasons(self) -> list[str]:
        """Those that are left, each with why."""
        return [f"{s}: {self.failed.get(s.uuid) or 'Nova cannot move it'}" for s in self.left]


class Mover:
    """Moves instances that run.

    Args:
        cloud: access to the APIs.
        sleep: waits for so many seconds.
        clock: seconds, only ever compared with each other.
    """

    def __init__(
        self,
        cloud: Cloud,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cloud = cloud
        self._lookup = Lookup(cloud)
        self._sleep = sleep
        self._clock = clock

    def _move(
        self, there: Callable[[], Sequence[Server]], end: float, to: str | None = None
    ) -> Moved:
        """Move instances, each once, and wait until they are gone.

        Args:
            there: says which have not gone yet; those of which nothing runs stay.
            end: when to give up, by the clock.
            to: the host that they are moved to; None: Nova picks.

        Raises:
            ApiError: Nova does not answer.
        """
        asked: dict[str, Server] = {}
        failed: dict[str, str] = {}
        while True:
            found = there()
            gone = asked.keys() - {one.uuid for one in found}
            left = [one for one in found if not one.rests]
            for one in left:
                if one.uuid in asked and not one.task and one.uuid not in failed:
                    failed[one.uuid] = servers.why_not_moved(self._cloud, one) or "Nova gave up"
            waits = [s for s in left if s.uuid not in failed and (s.movable or s.task)]
            late = self._clock() >= end
            if not waits or late:
                uuids = [uuid for uuid in asked if uuid in gone]
                return Moved(uuids, left, failed, interrupted=bool(waits))
            moving = sum(1 for one in waits if one.task)
            ready = [s for s in waits if not s.task and s.uuid not in asked]
            for one in ready[: max(0, AT_ONCE - moving)]:
                asked[one.uuid] = one
                try:
                    servers.migrate_live(self._cloud, one, to)
                except ApiError as error:
                    failed[one.uuid] = str(error)
            self._sleep(_POLL)
