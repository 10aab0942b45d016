"""The recoveries that were refused on this unit, or failed, for the charm's status to name."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from masakari_fencing import files
from masakari_fencing.pacemaker import tools
from masakari_fencing.records.recovery import FAILED, NOTHING, RECOVERED, REFUSED, Record

DIRECTORY = Path("/var/lib/masakari-fencing/refusals")


@dataclass(frozen=True)
class Refusal:
    """A recovery that was not carried out.

    Attributes:
        host: the host whose instances were not recovered.
        reason: why, in words.
        time: when, in seconds since the epoch.
        outcome: `REFUSED`, or `FAILED`: the host is fenced, and it is tried again.
    """

    host: str
    reason: str
    time: float
    outcome: str = REFUSED


def record(directory: Path, host: str, reason: str, outcome: str = REFUSED) -> None:
    """Remember a refusal; a later one for the same host replaces it.

    Raises:
        OSError: it cannot be written.
        ValueError: `host` cannot be the name of a host.
    """
    refusal = Refusal(host, reason, time.time(), outcome)
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


def forget_settled(directory: Path, known: Callable[[], Iterable[Record]]) -> list[str]:
    """Drop what was refused on this unit, and settled since by another one.

    Args:
        directory: of the refusals.
        known: returns the records of the recoveries; not asked where nothing was refused.

    Returns:
        the hosts.

    Raises:
        PacemakerError: the cluster does not answer.
        OSError: a refusal cannot be removed.
    """
    found = read(directory)
    if not found:
        return []
    settled = {
        record.host: record.end.time
        for record in known()
        if record.end is not None and record.end.outcome in (RECOVERED, NOTHING)
    }
    over = [one.host for one in found if settled.get(one.host.lower(), 0.0) > one.time]
    for host in over:
        forget(directory, host)
    return over


def read(directory: Path) -> list[Refusal]:
    """Return all refusals, by host. What cannot be read is left out."""
    found = (files.load(path, _parse) for path in sorted(directory.glob("*.json")))
    return [refusal for refusal in found if refusal is not None]


def _parse(data: Any) -> Refusal:
    tools.check_name(str(data["host"]))
    outcome = FAILED if data.get("outcome") == FAILED else REFUSED  # older files have none
    return Refusal(str(data["host"]), str(data["reason"]), float(data["time"]), outcome)


def _path(directory: Path, host: str) -> Path:
    tools.check_name(host)
    return directory / f"{host.lower()}.json"
