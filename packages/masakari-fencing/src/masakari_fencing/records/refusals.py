"""The recoveries that were refused on this unit, so that the charm's status can name them."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from masakari_fencing import files
from masakari_fencing.pacemaker import tools

DIRECTORY = Path("/var/lib/masakari-fencing/refusals")


@dataclass(frozen=True)
class Refusal:
    """A recovery that was not carried out.

    Attributes:
        host: the host whose instances were not recovered.
        reason: why, in words.
        time: when, in seconds since the epoch.
    """

    host: str
    reason: str
    time: float


def record(directory: Path, host: str, reason: str) -> None:
    """Remember a refusal; a later one for the same host replaces it.

    Raises:
        OSError: it cannot be written.
        ValueError: `host` cannot be the name of a host.
    """
    refusal = Refusal(host, reason, time.time())
    files.save(_path(directory, host), asdict(refusal), mode=0o644)


def forget(directory: Path, host: str) -> bool:
    """Drop the refusal of a host.

    Returns:
        whether there was one.

    Raises:
        ValueError: `host` cannot be the name of a host.
    """
    try:
        _path(directory, host).unlink()
    except FileNotFoundError:
        return False
    return True


def read(directory: Path) -> list[Refusal]:
    """Return all refusals, by host. What cannot be read is left out."""
    found = (files.load(path, _parse) for path in sorted(directory.glob("*.json")))
    return [refusal for refusal in found if refusal is not None]


def _parse(data: Any) -> Refusal:
    return Refusal(str(data["host"]), str(data["reason"]), float(data["time"]))


def _path(directory: Path, host: str) -> Path:
    tools.check_name(host)
    return directory / f"{host.lower()}.json"
