"""Recoveries that failed although their host was fenced: they are started again at once.

Masakari tries such a recovery once more, within `process_unfinished_notifications_interval` or
later, and then never again. But what fails behind the fence is most often away for seconds only:
a database or a broker that fails over, perhaps because it was on the machine that has died.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from masakari_fencing import files, orphans, pacemaker
from masakari_fencing.api import Notification
from masakari_fencing.commands import Runner

LOG = logging.getLogger(__name__)

DIRECTORY = Path("/var/lib/masakari-fencing/setbacks")

PAUSES = (2.0, 20.0)
"""Seconds after a failure until the next attempt; after the last of them, Masakari goes on."""

EXPIRY = 3600.0
"""Seconds after which an attempt that has neither ended nor failed again is left to itself."""


def record(directory: Path, notification: str) -> None:
    """Remember that an attempt has failed; its notification still counts as running.

    Raises:
        OSError: it cannot be written.
        ValueError: `notification` cannot be the identifier of one.
    """
    pacemaker.check_name(notification)
    files.replace(directory / notification, "", mode=0o644)


class Masakari(Protocol):
    """What is used of `api.MasakariApi`."""

    def notification(self, uuid: str) -> Notification | None: ...  # noqa: D102


@dataclass
class Setbacks:
    """Looks for such recoveries of this unit's engine.

    Attributes:
        runner: runs commands.
        masakari: says what became of a notification.
        directory: where the engine leaves them.
        clock: seconds since the epoch.
    """

    runner: Runner
    masakari: Masakari
    directory: Path = DIRECTORY
    clock: Callable[[], float] = time.time
    _attempts: dict[str, int] = field(default_factory=dict)

    def look(self) -> list[str]:
        """Hand every one that is due back to Masakari.

        Returns:
            the notifications.

        Raises:
            PacemakerError: one could not be handed back.
            ApiError: Masakari does not answer.
            OSError: the directory cannot be read.
        """
        if not self.directory.is_dir():
            return []
        found = sorted(path for path in self.directory.iterdir() if path.name[0] != ".")
        return [path.name for path in found if self._attend(path)]

    def _attend(self, path: Path) -> bool:
        try:
            age = self.clock() - path.stat().st_mtime
        except FileNotFoundError:
            return False
        notification = self.masakari.notification(path.name)
        status = notification.status if notification else "unknown"
        if status == "running" and age < EXPIRY:
            # With the next reserved host, or it is about to be called an error.
            return False
        done = self._attempts.get(path.name, 0)
        if status == "error" and done < len(PAUSES):
            if age < PAUSES[done]:
                return False
            orphans.hand_back(self.runner, path.name, failed=True)
            LOG.info("Notification %s is started again after a failure", path.name)
            self._attempts[path.name] = done + 1
        elif status != "error":
            self._attempts.pop(path.name, None)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        return status == "error" and done < len(PAUSES)
