"""What keeps a unit from being ready."""

from __future__ import annotations

import dataclasses
import enum


class Severity(enum.Enum):
    """Who has to act; the values are Juju's names of the statuses."""

    BLOCKED = "blocked"
    """The operator."""
    WAITING = "waiting"
    """Another application or unit."""
    MAINTENANCE = "maintenance"
    """Nobody: it is meant to be so, or is being worked on."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """One reason why the unit is not ready."""

    severity: Severity
    text: str


def blocked(text: str) -> Problem:
    """A problem for the operator."""
    return Problem(Severity.BLOCKED, text)


def waiting(text: str) -> Problem:
    """A problem that another application or unit will solve."""
    return Problem(Severity.WAITING, text)


def maintenance(text: str) -> Problem:
    """A state that somebody wants."""
    return Problem(Severity.MAINTENANCE, text)
