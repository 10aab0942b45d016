"""What keeps a unit from being ready, and what ends it."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence


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
    """One reason why the unit is not ready.

    Attributes:
        severity: who has to act.
        text: the reason, in words, with the cure.
        until: what ends it, as `awaited.Watcher` takes it, where no event of Juju does.
    """

    severity: Severity
    text: str
    until: str = ""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a unit's status is made of.

    Attributes:
        problems: why it is not ready; empty when it is.
        note: what the operator should know in any case.
        until: what ends the note; see `Problem.until`.
    """

    problems: Sequence[Problem] = ()
    note: str = ""
    until: str = ""


def blocked(text: str, until: str = "") -> Problem:
    """A problem for the operator."""
    return Problem(Severity.BLOCKED, text, until)


def waiting(text: str, until: str = "") -> Problem:
    """A problem that another application or unit will solve."""
    return Problem(Severity.WAITING, text, until)


def maintenance(text: str, until: str = "") -> Problem:
    """A state that somebody wants."""
    return Problem(Severity.MAINTENANCE, text, until)


class Hindrance(Exception):  # noqa: N818 - a state of the deployment, not an error in it
    """A neighbour has to do its part first.

    Attributes:
        problem: what it is.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


def first_line(error: Exception) -> str:
    """What an error says, as far as it fits into a status."""
    return str(error).strip().splitlines()[0]
