"""That fencing has stopped on this member, so that the charm's status can say it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from masakari_fencing import files

STATE = Path("/var/lib/masakari-fencing/guard/refused.json")

RECENT = 60.0
"""Seconds for which it counts: Pacemaker asks every few seconds."""


@dataclass(frozen=True)
class StoppedFencing:
    """The guard has stopped fencing on this member.

    Attributes:
        node: the hypervisor that was to be fenced.
        text: why it was not.
        time: when, in seconds since the epoch.
    """

    node: str
    text: str
    time: float


def forget(node: str, path: Path = STATE) -> None:
    """Forget the last one, if it was about this hypervisor: others may be fenced beside it.

    No fence waits for a disk: what cannot be taken away is too old soon.
    """
    found = files.load(path, _parse)
    if found is not None and found.node == node:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def remember(stopped: StoppedFencing, path: Path = STATE) -> None:
    """Keep it for this member's status; a disk that cannot be written does without."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        files.save(path, asdict(stopped), mode=0o644)


def read(path: Path = STATE, *, clock: Callable[[], float] = time.time) -> StoppedFencing | None:
    """Return that of the last minute on this member."""
    found = files.load(path, _parse)
    return found if found is not None and abs(clock() - found.time) < RECENT else None


def _parse(data: Any) -> StoppedFencing:
    return StoppedFencing(str(data["node"]), str(data["text"]), float(data["time"]))
