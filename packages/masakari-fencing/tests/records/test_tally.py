"""Recoveries are counted where their engine is, and stay counted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from masakari_fencing.records import tally
from masakari_fencing.records.recovery import FAILED, RECOVERED, REFUSED, End, Proof, Record

RECORD = Record("node1.maas", "n", "e", proof=Proof(1000.0, "it is"))


def ended(outcome: str, time: float = 1012.0) -> Record:
    return replace(RECORD, end=End(outcome, "because", time))


def test_outcomes_and_phases_add_up(tmp_path: Path) -> None:
    path = tmp_path / "recoveries.json"
    tally.begun(path, RECORD, 995.5, 1001.0)
    for record in (ended(FAILED), ended(RECOVERED), ended(RECOVERED, 99999.0)):
        tally.ended(path, record)
    found = tally.read(path)
    assert found.outcomes == {FAILED: 1, RECOVERED: 2}
    assert found.phases[tally.FENCED].sum == 4.5
    assert found.phases[tally.FENCED].buckets == [0, 0, 1, *[0] * 9], "at most 5"
    assert found.phases[tally.EVACUATING].buckets == [1, *[0] * 11], "a bound is within"
    assert found.phases[tally.DONE].buckets == [*[0] * 4, 1, *[0] * 6, 1], "the last is infinite"
    assert path.stat().st_mode & 0o777 == 0o644


def test_what_says_nothing_of_a_phase_is_no_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "recoveries.json"
    for record in (
        replace(RECORD, proof=None),
        replace(RECORD, proof=Proof(0.0, "the operator allows it")),
        replace(RECORD, attempts=1),
    ):
        tally.begun(path, record, 990.0, 1001.0)
    tally.ended(path, RECORD)
    assert not path.exists()
    tally.ended(path, ended(REFUSED))
    tally.ended(path, replace(ended(RECOVERED), proof=None))
    assert tally.read(path) == tally.Tally({REFUSED: 1, RECOVERED: 1})


def test_clocks_that_differ_make_no_phase_negative(tmp_path: Path) -> None:
    tally.begun(tmp_path / "x", RECORD, 1003.0, 999.0)
    assert tally.read(tmp_path / "x").phases[tally.FENCED].sum == 0


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"outcomes": {}, "phases": {"x": {"buckets": [1], "sum": 1}}}'],
)
def test_a_file_that_makes_no_sense_begins_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recoveries.json"
    path.write_text(text)
    tally.ended(path, ended(REFUSED))
    assert json.loads(path.read_text())["outcomes"] == {REFUSED: 1}
