"""Problems of a bundle, each with the place where it was written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jujulab.juju.errors import JujuError


@dataclass(frozen=True)
class Origin:
    """Where a value was written.

    Attributes:
        file: The bundle or overlay file; None for a value that comes from no file, such as the
            command line.
        key: Dotted path of the key below the document, `applications.keystone.options.region`;
            empty for the document itself.
        line: Line number in the file, from 1; None when it is not known.
    """

    file: Path | None = None
    key: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = str(self.file) if self.file is not None else ""
        if place and self.line is not None:
            place += f":{self.line}"
        return ": ".join(part for part in (place, self.key) if part)


NOWHERE = Origin()


@dataclass(frozen=True)
class Problem:
    """One broken rule."""

    rule: str
    origin: Origin = NOWHERE

    def __str__(self) -> str:
        place = str(self.origin)
        return f"{place}: {self.rule}" if place else self.rule


class BundleError(JujuError):
    """A bundle, an overlay or a machine mapping that cannot be deployed.

    The text has a line for each problem: the file and line, the key, and the rule that is broken,
    for an operator to read. Nothing has changed in the model when it is raised.

    Attributes:
        problems: All that is wrong, in the order of each file.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        found = list(problems)
        files = list(dict.fromkeys(problem.origin.file for problem in found))
        found.sort(key=lambda one: (files.index(one.origin.file), one.origin.line or 0))
        self.problems = tuple(found)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @classmethod
    def of(cls, rule: str, origin: Origin = NOWHERE) -> BundleError:
        """Return the error for one problem."""
        return cls([Problem(rule, origin)])
