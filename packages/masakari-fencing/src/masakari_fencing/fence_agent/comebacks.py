"""Since when lost hypervisors answer again, as far as this member's guard was asked about them.

After a switch has died, or the members were apart, hosts that were lost for minutes answer from a
moment on, and have been running all the time. To tell that, and to take them back, costs the
notifiers some time.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masakari_fencing import files

LOOKS_APART = 120.0
"""Seconds within which the guard is asked again about one that is to be fenced: the cluster looks
once in its `cluster-recheck-interval` at least. What is older is of another time."""


@dataclass(frozen=True)
class Comebacks:
    """Remembers it.

    Attributes:
        folder: where, with a file for each, since several are fenced at once.
    """

    folder: Path = Path("/var/lib/masakari-fencing/guard")

    def since(self, node: str, now: float) -> float:
        """Return since when a node answers that does now, in seconds since the epoch.

        Where that cannot be kept it is for ever: no fence waits for room on a disk.

        Args:
            node: its name in the cluster.
            now: seconds since the epoch.
        """
        begun, last = self._read(node) or (now, now)
        if not 0 <= now - last <= LOOKS_APART:
            begun = now
        try:
            self._write(node, begun, now)
        except OSError:
            return 0.0
        return begun

    def forget(self, node: str) -> None:
        """One does not answer."""
        with suppress(OSError):
            self._path(node).unlink(missing_ok=True)

    def _read(self, node: str) -> tuple[float, float] | None:
        return files.load(self._path(node), _parse)

    def _write(self, node: str, begun: float, last: float) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        files.save(self._path(node), [begun, last], mode=0o600)

    def _path(self, node: str) -> Path:
        return self.folder / f"answers-{node.replace('/', '_')}.json"


def _parse(data: Any) -> tuple[float, float]:
    begun, last = data
    return float(begun), float(last)
