"""Finds recoveries whose engine died before it took its turn, or that take no turns.

Masakari calls a notification `running`, and never looks at it again, a moment before the recovery
begins and takes its turn (see `turn`), which is all that `orphans` knows of. An engine that dies
in between leaves the host's guests down, without a trace of who it was. Recoveries of a guest or
a process take no turns: what is known of one whose engine died is how long it takes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from masakari_fencing import pacemaker, turn
from masakari_fencing.api import Host, Notification
from masakari_fencing.commands import Runner
from masakari_fencing.orphans import hand_back

LOG = logging.getLogger(__name__)

INTERVAL = 5.0
"""Seconds between two looks."""

PATIENCE = 8.0
"""Seconds that an engine may need from the one to the other; it is less than one."""

OTHERS_PATIENCE = 360.0
"""Seconds that the recovery of a guest or a process may take. Masakari waits at most 180 s for a
guest to stop and 60 s for it to start, by default; to stop or start it once more does no harm."""


class Masakari(Protocol):
    """What is used of `api.MasakariApi`."""

    def running(self) -> list[Notification]: ...  # noqa: D102
    def hosts(self) -> Iterable[Host]: ...  # noqa: D102


@dataclass
class Strays:
    """Looks for such recoveries; only the cluster's controller does.

    Attributes:
        runner: runs commands.
        masakari: says which recoveries it takes for running.
        turns: whether recoveries of hosts take turns. Those of Masakari's own workflow do not, and
            wait for minutes: nothing tells one that goes on from one that was left alone.
        clock: seconds, only ever compared with each other.
    """

    runner: Runner
    masakari: Masakari
    turns: bool = True
    clock: Callable[[], float] = time.monotonic
    _name: str = ""
    _since: dict[tuple[str, float], float] = field(default_factory=dict)

    def look(self) -> list[str]:
        """Hand every such recovery back to Masakari.

        Returns:
            the notifications.

        Raises:
            PacemakerError: the cluster does not answer, or one could not be handed back.
            ApiError: Masakari does not answer.
        """
        self._name = self._name or pacemaker.local_name(self.runner)
        status = pacemaker.status(self.runner)
        if status.dc != self._name or not status.quorum:
            self._since.clear()
            return []
        found = self._found()
        now = self.clock()
        # One that was updated since has been taken up anew.
        self._since = {key: self._since.get(key, now) for key in found}
        due = [key for key, since in self._since.items() if now - since >= found[key]]
        for key in due:
            hand_back(self.runner, key[0])
            LOG.info("Notification %s had been taken up by nobody who is left", key[0])
            del self._since[key]
        return [uuid for uuid, _ in due]

    def _found(self) -> dict[tuple[str, float], float]:
        """Return for how many seconds each recovery that may have been left alone is let be."""
        running = self.masakari.running()
        hosts = [item for item in running if item.kind == "COMPUTE_HOST" and self.turns]
        others = [item for item in running if item.kind != "COMPUTE_HOST"]
        return {
            (item.uuid, item.updated): patience
            for items, patience in (
                (self._without_a_turn(hosts), PATIENCE),
                (others, OTHERS_PATIENCE),
            )
            for item in items
        }

    def _without_a_turn(self, recoveries: list[Notification]) -> list[Notification]:
        """Return the recoveries of hosts that nobody has begun, nor waits to begin."""
        running = {item.uuid: item for item in recoveries}
        if not running:
            return []
        configuration = pacemaker.configuration(self.runner)
        taken = {entry.holder: entry.host for entry in turn.taken(configuration)}
        lone = [item for uuid, item in running.items() if uuid not in taken]
        if not lone:
            return []
        busy = {host for holder, host in taken.items() if holder in running}
        names = {host.uuid: host.name.lower() for host in self.masakari.hosts()}
        # Whoever waits for another recovery of its host to end has no turn either.
        return [item for item in lone if names.get(item.host, "") not in busy]
