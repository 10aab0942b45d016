"""The simulation's lists are whole: what can be run is what is run."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from types import ModuleType

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
