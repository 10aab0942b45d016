"""The completed fencings that the alert agent left and that Masakari has not been told yet.

For how long they are told is a setting of the notifier: `notifier.settings.Settings.expiry`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from masakari_fencing import alert, files, times
from masakari_fencing.pacemaker import tools

LOG = logging.getLogger(__name__)

ABANDONED = 60.0
"""Seconds after which a file that was never finished is removed."""


NO_SEGMENT = "it is in no failover segment"
"""Why a fencing is not reported that Masakari has no host for. It stays, for the status, and in
case the host is put into a segment while it is dead."""


EXPIRED = "Masakari could not be told in time"
"""Why a fencing is not reported that Masakari would not act upon any more. It stays for the
status, until somebody has seen to its host."""


@dataclass(frozen=True)
class Event:
    """A node was fenced.

    Attributes:
        id: Pacemaker's identifier of the fencing, the same on all members.
        node: the node that was fenced.
        time: when the fencing was completed, in seconds since the epoch.
        boot: during which boot of this machine that was; see `alert.boot`.
        uptime: how many seconds that machine had been up then; 0 where that is not known.
        reason: why Masakari has not been told yet; empty as long as nothing is wrong.
    """

    id: str
    node: str
    time: float
    boot: str = ""
    uptime: float = 0.0
    reason: str = ""

    def age(self, now: float) -> float:
        """Return for how many seconds this has been so, 0 for what is to come.

        By the clock of the day only where the machine has been restarted since: that clock may be
        set, by hours where it was wrong when the machine started.

        Args:
            now: seconds since the epoch.
        """
        if self.uptime and self.boot and self.boot == alert.boot():
            return max(0.0, times.uptime() - self.uptime)
        return max(0.0, now - self.time)


class Spool:
    """A directory with one file for each event; the file's name is the event's id."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def events(self) -> list[Event]:
        """Return the events, the oldest first. Unreadable files are removed, with a log line.

        Raises:
            OSError: the directory cannot be read.
        """
        found = []
        for path in self._directory.iterdir():
            if path.suffix == ".json":
                event = self._read(path)
                if event is not None:
                    found.append(event)
            elif path.suffix == ".new":
                _remove_abandoned(path)
        return sorted(found, key=lambda event: (event.time, event.id))

    def explain(self, event: Event, reason: str) -> None:
        """Keep with an event why Masakari has not been told; the charm's status reads it.

        Raises:
            OSError: it cannot be written; what was there stays.
        """
        path = self._directory / f"{event.id}.json"
        if reason != event.reason and path.exists():  # Or an operator has seen to it.
            text = json.dumps({**asdict(event), "reason": reason})
            files.replace(path, text, mode=0o640)

    def remove(self, event: Event) -> None:
        """Drop an event that has been dealt with."""
        (self._directory / f"{event.id}.json").unlink(missing_ok=True)

    def _read(self, path: Path) -> Event | None:
        try:
            return _parse(path)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            LOG.error("Dropping %s, which is not a fencing event: %s", path.name, error)
            path.unlink(missing_ok=True)
            return None


def undelivered(directory: Path) -> list[Event]:
    """Return the events that Masakari could not be told, by the node; for the charm's status."""
    found = []
    for path in directory.glob("*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            found.append(_parse(path))
    return sorted((e for e in found if e.reason), key=lambda event: (event.node, event.time))


def forget(directory: Path, node: str) -> None:
    """Drop what was too old to be reported of a node: an operator has taken it back."""
    for event in undelivered(directory):
        if event.reason == EXPIRED and event.node.lower() == node.lower():
            Spool(directory).remove(event)


def _parse(path: Path) -> Event:
    data = json.loads(path.read_text(encoding="utf-8"))
    event = Event(
        id=path.stem,
        node=str(data["node"]),
        time=float(data["time"]),
        boot=str(data.get("boot", "")),
        uptime=float(data.get("uptime", 0)),
        reason=str(data.get("reason", "")),
    )
    tools.check_name(event.node)
    if not (math.isfinite(event.time) and math.isfinite(event.uptime)):
        raise ValueError("its time is no number")
    return event


def _remove_abandoned(path: Path) -> None:
    try:
        if time.time() - path.stat().st_mtime > ABANDONED:
            path.unlink()
    except FileNotFoundError:
        pass
