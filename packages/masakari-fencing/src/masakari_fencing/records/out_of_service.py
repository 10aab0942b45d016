"""The hypervisors that are out of service, kept in a small file for the charm's status.

A hook must not ask the APIs for them: it would wait for Keystone, Masakari and Nova each time, and
loading the client library alone takes longer than a whole hook. The notifier is there anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from masakari_fencing import files

RECORD = Path("/run/masakari-fencing/out-of-service.json")
"""In a directory that goes with the notifier: nobody reads what nobody keeps up to date."""

DRAINED = "masakari: emptied for planned work"
"""Why Nova's compute service of a host is disabled that an action empties."""

MAX_AGE = 90.0
"""Seconds after which a record is no longer believed."""


@dataclass(frozen=True)
class OutOfService:
    """Hypervisors of failover segments on which no instance is placed or recovered.

    Attributes:
        maintenance: those that Masakari holds in maintenance.
        failed: those of them whose last recovery Masakari has given up.
        forced_down: others that Nova was told to hold for down, and still does.
        hosts: all hosts of the segments that are enabled.
        misnamed: hosts of segments that Nova knows by other names, and by which.
        drained: others that an action empties, and takes no further, because it was interrupted
            or some instance cannot be moved.
    """

    maintenance: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    forced_down: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    misnamed: tuple[str, ...] = ()
    drained: tuple[str, ...] = ()


def write(path: Path, found: OutOfService, now: float) -> None:
    """Keep what was seen at a time, in seconds since the epoch.

    Raises:
        OSError: it cannot be written.
    """
    files.save(path, {"time": now, **vars(found)}, mode=0o640)


def read(path: Path, now: float) -> OutOfService:
    """Return what the file says; nothing where it is missing, unreadable or out of date."""
    when, found = _load(path)
    return found if 0 <= now - when < MAX_AGE else OutOfService()


def seen(path: Path) -> float | None:
    """Return from when the file is, in seconds since the epoch; None where there is none."""
    return _load(path)[0] or None


def forget(path: Path, host: str) -> None:
    """Drop a host that was just taken back, ahead of the next look.

    Raises:
        OSError: the file cannot be written.
    """
    when, found = _load(path)
    others = {
        kind: [name for name in names if name != host or kind == "hosts"]
        for kind, names in vars(found).items()
    }
    left = _parse(others)
    if left != found:
        write(path, left, when)


def _load(path: Path) -> tuple[float, OutOfService]:
    """Return what the file says, and from when that is."""
    found = files.load(path, lambda data: (float(data["time"]), _parse(data)))
    return found or (0.0, OutOfService())


def _parse(data: Mapping[str, object]) -> OutOfService:
    return OutOfService(**{kind.name: _names(data[kind.name]) for kind in fields(OutOfService)})


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError("not a list of names")
    return tuple(str(name) for name in value)
