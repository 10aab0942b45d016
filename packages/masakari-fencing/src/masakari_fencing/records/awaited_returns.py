"""Why hosts that were recovered are not back by themselves, for the charm's status."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from masakari_fencing import files

FILE = Path("/run/masakari-fencing/awaited-returns.json")
"""In a directory that goes with the notifier."""

MAX_AGE = 90.0
"""Seconds after which what is said is no longer believed."""


def write(path: Path, said: Mapping[str, str], now: float) -> None:
    """Keep what is said of each host at a time, in seconds since the epoch.

    Raises:
        OSError: it cannot be written.
    """
    files.save(path, {"time": now, "hosts": dict(said)}, mode=0o640)


def read(path: Path, now: float) -> dict[str, str]:
    """Return what is said; nothing where the file is missing, unreadable or out of date."""
    seen, said = files.load(path, _parse) or (0.0, {})
    return said if 0 <= now - seen < MAX_AGE else {}


def _parse(data: Any) -> tuple[float, dict[str, str]]:
    hosts = {str(name): str(text) for name, text in data["hosts"].items()}
    return float(data["time"]), hosts
