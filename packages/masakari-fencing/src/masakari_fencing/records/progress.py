"""What a recovery tells while it goes on, and how that is read again.

An engine tells it into Masakari's own details of a notification, which stay in Masakari's database
with the time of each (`GET /notifications/UUID`, microversion 1.1): whichever engine it was, every
unit finds it there, and so does `openstack notification show`. So it is in words, and what is to
be counted stands in these words always in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from masakari_fencing.openstack import restart_order
from masakari_fencing.records.recovery import Instance
from masakari_fencing.times import day_time

_LOST = re.compile(r"Host '\S+' was lost at (\S+ \S+)")
_PROVEN = re.compile(r"Host '\S+': (.*)", re.DOTALL)
_EVACUATING = re.compile(r"Evacuating (\d+) instances? from host ")
_UP = re.compile(r"Instance (\S+) is (\S+) on (\S+) after ([0-9.]+) s, it was (\S+)")
_GONE = re.compile(r"Instance (\S+) was deleted, it was (\S+)")
_LEFT_ALONE = re.compile(r"Instance (\S+) is left alone: (.*)", re.DOTALL)
_FAILED = re.compile(
    r"Instance (\S+) is not recovered after ([0-9.]+) s, it was (\S+): (.*)", re.DOTALL
)


NAMED = 10
"""Instances that are named before anything is known of them: all that is told of a recovery has to
fit into 64 KiB (`atomdetails.meta` of TaskFlow's persistence in MySQL)."""


@dataclass(frozen=True)
class Moved:
    """What became of one instance in one attempt.

    Attributes:
        uuid: its identifier.
        before: Nova's `vm_state` when its host failed.
        after: the one in which it was left; empty where it is not recovered.
        host: where it is now; empty where it is not recovered, or deleted.
        seconds: that it took.
        problem: why it is not recovered; empty where it is.
    """

    uuid: str
    before: str
    after: str = ""
    host: str = ""
    seconds: float = 0.0
    problem: str = ""


def lost(host: str, moment: float) -> str:
    """Say when a host was lost, in seconds since the epoch."""
    return f"Host '{host}' was lost at {day_time(moment)}"


def proven(host: str, how: str) -> str:
    """Say what proves that a host is dead."""
    return f"Host '{host}': {how}"


def evacuating(host: str, left: list[Instance]) -> str:
    """Say that the evacuation of instances begins."""
    uuids = ", ".join(item.uuid for item in left[:NAMED])
    uuids += f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
    what = "instance" if len(left) == 1 else "instances"
    return f"Evacuating {len(left)} {what} from host '{host}': {uuids}"


def ordered(host: str, phases: Sequence[Sequence[Instance]], patience: float) -> str:
    """Say which groups of instances wait for which, and for how many seconds at most."""
    text = f"Order of host '{host}': {restart_order.described(phases)}"
    return f"{text}; each begins when those before it are up, or after {patience:g} s"


def unheeded(uuid: str, note: str) -> str:
    """Say what was said about an instance that makes no sense."""
    return f"Instance {uuid}: {note}; it is not heeded"


def left_alone(uuid: str, reason: str) -> str:
    """Say that an instance is not to be recovered."""
    return f"Instance {uuid} is left alone: {reason}"


def read_left_alone(text: str) -> tuple[str, str] | None:
    """Return what `left_alone` has told; None where it has not told this."""
    match = _LEFT_ALONE.fullmatch(text)
    return (match[1], match[2]) if match else None


def moved(found: Moved) -> str:
    """Say what became of an instance."""
    if found.problem:
        text = f"Instance {found.uuid} is not recovered after {found.seconds:.1f} s"
        return f"{text}, it was {found.before}: {found.problem}"
    if not found.host:
        return f"Instance {found.uuid} was deleted, it was {found.before}"
    text = f"Instance {found.uuid} is {found.after} on {found.host}"
    return f"{text} after {found.seconds:.1f} s, it was {found.before}"


def read_lost(text: str) -> str | None:
    """Return the time that `lost` has told; None where it has not told this."""
    match = _LOST.fullmatch(text)
    return match[1] if match else None


def read_proven(text: str) -> str | None:
    """Return what proves it, as `proven` has told; None where it has not told this."""
    match = _PROVEN.fullmatch(text)
    return match[1] if match else None


def begins(text: str) -> bool:
    """Whether `evacuating` has told this."""
    return _EVACUATING.match(text) is not None


def read_moved(text: str) -> Moved | None:
    """Return what `moved` has told; None where it has not told this."""
    if match := _UP.fullmatch(text):
        return Moved(match[1], match[5], match[2], match[3], float(match[4]))
    if match := _GONE.fullmatch(text):
        return Moved(match[1], match[2], "deleted")
    if match := _FAILED.fullmatch(text):
        return Moved(match[1], match[3], seconds=float(match[2]), problem=match[4])
    return None
