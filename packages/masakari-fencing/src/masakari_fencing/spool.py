"""The completed fencings that the alert agent left and that Masakari has not been told yet."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path

from masakari_fencing import pacemaker

LOG = logging.getLogger(__name__)

ABANDONED = 60.0
"""Seconds after which a file that was never finished is removed."""


@dataclass(frozen=True)
class Event:
    """A node was fenced.

    Attributes:
        id: Pacemaker's identifier of the fencing, the same on all members.
        node: the node that was fenced.
        time: when the fencing was completed, in seconds since the epoch.
    """

    id: str
    node: str
    time: float


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

    def remove(self, event: Event) -> None:
        """Drop an event that has been dealt with."""
        (self._directory / f"{event.id}.json").unlink(missing_ok=True)

    def _read(self, path: Path) -> Event | None:
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            node, moment = str(data["node"]), float(data["time"])
            pacemaker.check_name(node)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            LOG.error("Dropping %s, which is not a fencing event: %s", path.name, error)
            path.unlink(missing_ok=True)
            return None
        return Event(path.stem, node, moment)


def _remove_abandoned(path: Path) -> None:
    try:
        if time.time() - path.stat().st_mtime > ABANDONED:
            path.unlink()
    except FileNotFoundError:
        pass
