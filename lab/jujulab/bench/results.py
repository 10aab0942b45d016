"""What the benchmark measured: its runs, kept in a file, and the medians of them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from jujulab.bench.scenarios import FLOOR, OURS, POWER_ONLY, UPSTREAM, Scenario
from jujulab.files import replace_text
from jujulab.tables import framed

COLUMNS = ("detected", "fenced", "notified", "evacuating", "active", "outage")
"""The phases: seconds since the fault, in the order in which they come; `active` is the last
guest's. `outage` is the longest pause in a guest's heartbeat."""


class ResultsError(Exception):
    """The file with the results cannot be read."""


@dataclass(frozen=True)
class Run:
    """One measured fault.

    Attributes:
        scenario: what was done; see `bench.SCENARIOS`.
        mode: `OURS`, `UPSTREAM`, `FLOOR` or `POWER_ONLY`.
        started: when, in seconds since the epoch.
        load: the machine's load average of the minute before.
        seconds: by the names of `COLUMNS`; what was not seen is missing.
        problems: what went wrong, each in a sentence.
        roles: what else the machine carried that died.
    """

    scenario: str
    mode: str
    started: float
    load: float
    seconds: dict[str, float]
    problems: list[str] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Spread:
    """The middle and the ends of some figures, in seconds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread | None:
        """Return the spread of some figures; None of none."""
        if not figures:
            return None
        return cls(statistics.median(figures), min(figures), max(figures))

    def __str__(self) -> str:
        return f"{self.median:.1f} ({self.least:.1f}-{self.most:.1f})"


class Results:
    """The runs so far, in a file that is written anew after each of them.

    Args:
        path: the file, JSON. What is in it already is kept.

    Raises:
        ResultsError: it is there and cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.runs: list[Run] = []
        if path.exists():
            try:
                self.runs = [Run(**entry) for entry in json.loads(path.read_text())["runs"]]
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise ResultsError(f"{path} holds no results: {error}") from error

    def add(self, run: Run) -> None:
        """Keep a run, or raise OSError."""
        self.runs.append(run)
        content = {"runs": [asdict(run) for run in self.runs]}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(self._path, json.dumps(content, indent=1) + "\n")

    def of(self, scenario: str, mode: str) -> list[Run]:
        """Return the runs of a scenario in a mode.

        Scenarios of a role are called like it: a machine that carried two counts for both.
        """
        runs = [run for run in self.runs if run.mode == mode]
        return [run for run in runs if scenario in (run.scenario, *run.roles)]

    def spread(self, scenario: str, mode: str, column: str) -> Spread | None:
        """Return the spread of one phase; None where it was never seen.

        Runs in which the guests did not recover have no end, and count only as problems.
        """
        runs = self.of(scenario, mode)
        return Spread.of([run.seconds[column] for run in runs if column in run.seconds])

    def times(self, column: str, long: tuple[str, str], short: tuple[str, str]) -> float | None:
        """Return how many times longer one median is than another, if both are known.

        Each is that of a scenario and a mode.
        """
        above, below = self.spread(*long, column), self.spread(*short, column)
        return above.median / below.median if above and below and below.median else None

    def problems(self) -> list[str]:
        """Return what must not have happened.

        That a guest did not come back, or came back before the fence, counts with our
        configuration only; with upstream's it is a finding. A guest that ran twice always counts.
        """
        return [
            f"{run.scenario}, {run.mode}: {problem}"
            for run in self.runs
            for problem in run.problems
            if run.mode in (OURS, POWER_ONLY) or "ran twice" in problem
        ]


def table(results: Results, scenarios: Mapping[str, Scenario]) -> str:
    """Return the table for people, and for a README: Markdown, a row after the other."""
    rows = [["fault", "configuration", "runs", *COLUMNS, "load"]]
    for scenario, about in scenarios.items():
        for mode in (OURS, POWER_ONLY, UPSTREAM, FLOOR):
            runs = results.of(scenario, mode)
            if runs:
                spreads = (results.spread(scenario, mode, column) for column in COLUMNS)
                cells = ["-" if spread is None else str(spread) for spread in spreads]
                rows.append([about.title, mode, str(len(runs)), *cells, _load(runs)])
        ours = (scenario, OURS)
        comparisons = [
            ("upstream / ours", (scenario, UPSTREAM), ours),
            ("power only / ours", (scenario, POWER_ONLY), ours),
            ("ours / floor", ours, (about.floor or scenario, FLOOR)),
        ]
        if about.plain:
            text = f"ours / {scenarios[about.plain].title}"
            comparisons.append((text, ours, (about.plain, OURS)))
        for what, long, short in comparisons:
            ratios = [results.times(column, long, short) for column in ("active", "outage")]
            if any(ratios):
                cells = ["-" if ratio is None else f"{ratio:.1f} times" for ratio in ratios]
                blank = [""] * (len(COLUMNS) - len(ratios))
                rows.append([about.title, what, "", *blank, *cells, ""])
    return "\n".join(framed(rows))


def _load(runs: Iterable[Run]) -> str:
    spread = Spread.of([run.load for run in runs])
    return "" if spread is None else str(spread)
