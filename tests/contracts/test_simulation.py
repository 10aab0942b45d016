"""The simulation's lists are whole: what can be run is what is run."""

from __future__ import annotations

import ast
import importlib
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from charm_sources import REPOSITORY

SIMULATION = REPOSITORY / "tests" / "simulation"


def _module(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import a module of the simulation that needs no Masakari."""
    monkeypatch.syspath_prepend(str(SIMULATION.parent))
    return importlib.import_module(f"simulation.{name}")


def _first_arguments(path: Path, function: str) -> list[str]:
    """Return the texts that calls of a function in a file begin with."""
    calls = [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call)]
    named = [n for n in calls if isinstance(n.func, ast.Name) and n.func.id == function]
    return [n.args[0].value for n in named if isinstance(n.args[0], ast.Constant)]


def test_every_situation_is_known_to_whoever_simulates_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = _module("scenarios.names", monkeypatch)
    situations = _first_arguments(SIMULATION / "scenarios" / "situations.py", "_situation")
    assert list(names.DIRECTED) == situations
    assert len(set(situations)) == len(situations) > 90
    assert set(names.FAILS) < set(situations)


def test_what_finds_a_mutant_is_a_situation(monkeypatch: pytest.MonkeyPatch) -> None:
    names = _module("scenarios.names", monkeypatch)
    mutants = _module("mutation.mutants", monkeypatch).MUTANTS
    assert {mutant.seen for mutant in mutants} <= {*names.DIRECTED, names.MIXED, names.CONVERGED}


def test_what_once_failed_is_a_situation(monkeypatch: pytest.MonkeyPatch) -> None:
    names = _module("scenarios.names", monkeypatch)
    jobs = _module("runner", monkeypatch).regressions()
    assert {job.situation for job in jobs} <= {*names.DIRECTED, names.MIXED, names.CONVERGED}


def test_what_each_commit_runs_has_every_situation(monkeypatch: pytest.MonkeyPatch) -> None:
    names = _module("scenarios.names", monkeypatch)
    runner = _module("runner", monkeypatch)
    jobs = runner.short()
    assert {job.situation for job in jobs} >= set(names.STANDS)
    assert jobs[: len(runner.regressions())] == runner.regressions()
    assert len(set(jobs)) == len(jobs)


class Tree:
    """Runs that make the same calls, but that more faults make more of them.

    Args:
        runner: the module.
        alike: runs with one fault go through the same states.
    """

    def __init__(self, runner: ModuleType, *, alike: bool) -> None:
        self.runner, self.alike = runner, alike
        self.ran: list[Any] = []
        self.added: list[Any] = []

    def run(self, jobs: list[Any], *, logging: bool) -> Iterator[Any]:
        assert logging
        for job in jobs:
            self.ran.append(job)
            calls = [
                ("engine unit0", "nova", "servers.list", 1),
                ("engine unit0", "nova", "servers.list", 1),
                ("notifier unit0", "pacemaker", "crm_mon", 1),
                ("engine unit0", "socket", "connect", 1),
                ("engine unit0", "nova", "servers.list", 2),
            ]
            struck = len(job.strikes)
            states = [struck] if self.alike else [hash(job.strikes)]
            calls += [("api unit0", "db", "host_get_by_name", 1)] if struck else []
            yield self.runner.Result(job, [], states, hash(job), 0.0, calls)

    def add(self, result: Any) -> None:
        self.added.append(result)


@pytest.mark.parametrize("alike", [False, True])
def test_exploring_goes_level_by_level(monkeypatch: pytest.MonkeyPatch, alike: bool) -> None:
    explore, runner = _module("explore", monkeypatch), _module("runner", monkeypatch)
    faults = len(explore.FAULTS)
    root = runner.Job("host dies", 3)
    tree = Tree(runner, alike=alike)
    text = explore.Exploration(tree, tree, root, (100 if alike else 5) * faults).run()
    depths = [len(job.strikes) for job in tree.ran]
    assert depths == sorted(depths)
    assert [result.job for result in tree.added] == tree.ran
    assert len(set(tree.ran)) == len(tree.ran)
    # The first and the last of the engine's calls are not alike; the second is.
    singles = [job.strikes[0] for job in tree.ran if len(job.strikes) == 1]
    assert singles == [(call, *fault) for call in (0, 4) for fault in explore.FAULTS]
    doubles = [job.strikes for job in tree.ran if len(job.strikes) == 2]
    assert all(first[0] < second[0] for first, second in doubles)
    if alike:
        # The first of each level is followed alone, to its last call.
        assert {first for first, _ in doubles} == {(0, *explore.FAULTS[0])}
        assert [depths.count(depth) for depth in range(6)] == [
            number * faults or 1 for number in (0, 2, 3, 2, 1)
        ] + [0]
        assert text.startswith(f"4 faults deep, {1 + 8 * faults} runs (1 of 1, ")
        assert "), 5 states, 5 courses" in text
        assert text.endswith("0 runs left")
    else:
        assert len(tree.ran) == 5 * faults
        unmade = faults * (3 + 1) * faults - len(doubles)
        next_level = sum({1: 2, 4: 1, 5: 0}[last[0]] for _, last in doubles) * faults
        assert f", {len(doubles)} of {len(doubles) + unmade})" in text
        assert text.endswith(f"; {unmade + next_level} runs left")


def test_a_run_that_is_told_has_the_same_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = _module("runner", monkeypatch)
    job = runner.Job("early boot", 3, ((4, "crash after", 5.0), (9, "error", 0.0)))
    parts = shlex.split(str(job))
    assert parts[:2] == ["early boot", "3"]
    told: list[Any] = []
    monkeypatch.setattr(runner, "tell", lambda one: told.append(one) or 0)
    monkeypatch.setattr(sys, "argv", ["simulation", "--trace", *parts])
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    assert _module("__main__", monkeypatch).main() == 0
    assert told == [job]


def test_the_first_run_that_fails_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runner = _module("runner", monkeypatch)
    commands = []

    def run(command: list[str], **_options: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        text = "".join(f"line {number}\n" for number in range(400))
        return subprocess.CompletedProcess(command, 1, text, "")

    monkeypatch.setattr(runner.subprocess, "run", run)
    report = runner.Report()
    for seed, violations in ((1, []), (2, [("a kind", "a text")]), (3, [("a kind", "another")])):
        report.add(runner.Result(runner.Job("guest's start", seed), violations, [], seed, 0.0))
    assert commands == [[sys.executable, "-m", "simulation", "--trace", "guest's start", "2"]]
    told = capsys.readouterr().out
    assert 'FAILED "guest\'s start" 3: another' in told
    assert "line 249\n" not in told
    assert "line 250\n" in told
    assert "line 399\n  the last 150 of 400 lines" in told
    assert "\nguest's start\t2\n" in told
    (command,) = [line for line in told.splitlines() if "--trace" in line]
    assert shlex.split(command)[1:] == commands[0]


def test_a_run_with_more_faults_is_kept_with_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    runner = _module("runner", monkeypatch)
    job = runner.Job("host dies", 1, ((7, "error", 0.0), (9, "stall after", 60.0)))
    answer = subprocess.CompletedProcess([], 1, "VIOLATION\n", "")
    monkeypatch.setattr(runner.subprocess, "run", lambda *_command, **_options: answer)
    runner.show(job)
    kept = tmp_path / "regressions.txt"
    kept.write_text(capsys.readouterr().out.splitlines()[-1] + "\n")
    monkeypatch.setattr(runner, "REGRESSIONS", kept)
    assert runner.regressions() == [job]


@pytest.mark.parametrize(("left", "code"), [(15, 0), (16, 1)])
def test_a_protocol_that_leaves_too_much_to_operators_fails(
    monkeypatch: pytest.MonkeyPatch, left: int, code: int
) -> None:
    runner = _module("runner", monkeypatch)
    report = runner.Report()
    for seed in range(100):
        report.add(runner.Result(runner.Job("mixed", seed), [], [], seed, 0.0, left=seed < left))
    assert report.end(expected=False) == code
