"""That fencing has stopped on this member, so that the charm's status can say it."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

STATE = Path("/var/lib/masakari-fencing/guard/refused.json")


@dataclass(frozen=True)
class Refusal:
    """The guard has stopped fencing on this member.

    Attributes:
        node: the hypervisor that was to be fenced.
        text: why it was not.
        time: when, in seconds since the epoch.
    """

    node: str
    text: str
    time: float


def remember(refusal: Refusal | None, path: Path = STATE) -> None:
    """Keep the refusal for this member's status, or forget the last one."""
    if refusal is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(vars(refusal)), encoding="utf-8")
    temporary.replace(path)


def refusal(path: Path = STATE, *, clock: Callable[[], float] = time.time) -> Refusal | None:
    """Return the refusal of the last minute on this member: Pacemaker asks every few seconds."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        data = json.loads(path.read_text(encoding="utf-8"))
        if clock() - float(data["time"]) < 60:
            return Refusal(str(data["node"]), str(data["text"]), float(data["time"]))
    return None
