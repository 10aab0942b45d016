"""Texts of unit statuses, in the words that OpenStack operators and tools know."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

READY = "Unit is ready"
PAUSED = "Paused. Use 'resume' action to resume normal service."
UPGRADING = "Ready for do-release-upgrade and reboot. Set complete when finished."
"""Blocked: `juju upgrade-machine ... prepare` was run; `... complete` ends it."""

_LONGEST = 100_000
"""Bytes of a status: one argument of Juju's status-set holds 128 KiB."""
_END = 200
"""Bytes of them for the words about what is left out."""


def told(texts: Sequence[str], note: str = "", more: str = "") -> str:
    """Problems and a note as one text, as much of them as Juju takes.

    Args:
        texts: the problems; what does not fit is counted.
        note: what comes after them.
        more: where all of them are told, in brackets.
    """
    note = _cut(note, _LONGEST // 2)
    room = _LONGEST - _size(note)
    whole = "; ".join(texts)
    if _size(whole) <= room:
        return whole + note
    room -= _END
    lengths = itertools.accumulate(_size(f"{text}; ") for text in texts)
    fit = sum(length <= room for length in lengths)
    kept = texts[:fit] or [_cut(texts[0], room)]
    rest = len(texts) - len(kept)
    return "; ".join(kept) + (f"; ... and {rest} more{more}" if rest else "") + note


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))


def _cut(text: str, most: int) -> str:
    if _size(text) <= most:
        return text
    return text.encode(errors="replace")[:most].decode(errors="ignore") + "..."


def missing_relations(names: Iterable[str]) -> str:
    """Blocked: the operator has to add these relations."""
    return f"Missing relations: {', '.join(sorted(names))}"


def incomplete_relations(names: Iterable[str]) -> str:
    """Waiting: the other side of these relations has not answered yet."""
    return f"Incomplete relations: {', '.join(sorted(names))}"


def no_address(application: str, endpoint: str) -> str:
    """Blocked: the machine has no address in the space of an endpoint."""
    return (
        f"This machine has no address in the space of {endpoint}: bind it to one of its own"
        f" (juju bind {application} {endpoint}=SPACE)"
    )


def services_not_running(names: Iterable[str]) -> str:
    """Blocked: these services ought to run."""
    return f"Services not running that should be: {', '.join(sorted(names))}"


def services_running_while_paused(names: Iterable[str]) -> str:
    """Blocked: these services run although the unit is paused."""
    return f"Services should be paused but these services running: {', '.join(sorted(names))}"


def ports_not_open(ports: Iterable[int]) -> str:
    """Blocked: nothing listens on these ports."""
    return "Ports which should be open, but are not: " + ", ".join(str(p) for p in sorted(ports))
