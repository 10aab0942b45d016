"""What was found: once as data, from which the table, the JSON and the status are made."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Iterable, Sequence

_NAMED = 5
"""Names in one line of the table; the JSON has more."""
_MOST = 500
"""Findings in the JSON: one argument of Juju's action-set holds 128 KiB."""
_LONGEST = 100_000
"""Characters of the JSON or the table, for the same reason."""


class Level(enum.Enum):
    """How bad it is; the order is that of the table."""

    BLOCKS = "blocks"
    """Instances would not be recovered."""
    WARNS = "warns"
    """Some may not be, or later than they could."""
    UNKNOWN = "unknown"
    """It cannot be told from here; somebody has to look."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        level: how bad it is.
        where: the host, segment or service that it is about.
        what: what is so.
        why: what it means on the day.
        cure: what to do now.
    """

    level: Level
    where: str
    what: str
    why: str
    cure: str

    def __str__(self) -> str:
        """In words for a status."""
        return f"{self.where}: {self.what} ({self.cure})"


def counted(count: int, one: str, many: str) -> str:
    """A number, and what there are so many of, in words: `1 instance is`, `2 instances are`."""
    return f"{count} {one if count == 1 else many}"


def outcome(findings: Iterable[Finding]) -> str:
    """`ready`, or the worst level that there is."""
    levels = {finding.level for finding in findings}
    return next((level.value for level in Level if level in levels), "ready")


def table(findings: Iterable[Finding]) -> str:
    """All findings to be read, those that are alike as one; the worst come first."""
    alike: dict[tuple[Level, str, str, str], list[str]] = {}
    for found in findings:
        where = alike.setdefault((found.level, found.what, found.why, found.cure), [])
        where.append(found.where)
    order = list(Level)
    blocks = [
        f"{level.value:8} {enumerated(where)}: {what}\n{'':8} why: {why}\n{'':8} do:  {cure}"
        for (level, what, why, cure), where in sorted(
            alike.items(), key=lambda item: order.index(item[0][0])
        )
    ]
    return shortened("\n".join(blocks)) or "nothing found"


def as_json(findings: Sequence[Finding]) -> str:
    """The same for programs: a list of objects with the attributes' names."""
    order = list(Level)
    worst = sorted(findings, key=lambda found: order.index(found.level))[:_MOST]
    while len(text := json.dumps([_plain(found) for found in worst])) > _LONGEST:
        worst = worst[: len(worst) // 2]
    return text


def _plain(finding: Finding) -> dict[str, str]:
    return {**dataclasses.asdict(finding), "level": finding.level.value}


def enumerated(names: Sequence[str], most: int = _NAMED) -> str:
    """Names for a line of text, as many as fit into it."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def shortened(text: str) -> str:
    """A text that Juju's tools take as one result."""
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "\n..."
