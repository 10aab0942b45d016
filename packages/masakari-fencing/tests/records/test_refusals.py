"""Refused recoveries are left where the charm's status finds them."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import pytest
from masakari_fencing.records import refusals
from masakari_fencing.records.recovery import FAILED, NOTHING, RECOVERED, End, Record


def test_a_refusal_is_kept_until_it_is_forgotten(tmp_path: Path) -> None:
    refusals.record(tmp_path, "node2.maas", "never fenced")
    refusals.record(tmp_path, "node1.maas", "old")
    refusals.record(tmp_path, "Node1.maas", "not fenced")
    found = refusals.read(tmp_path)
    assert [(item.host, item.reason) for item in found] == [
        ("Node1.maas", "not fenced"),
        ("node2.maas", "never fenced"),
    ]
    assert refusals.forget(tmp_path, "node1.maas") is True
    assert refusals.forget(tmp_path, "node1.maas") is False
    assert [item.host for item in refusals.read(tmp_path)] == ["node2.maas"]
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o644]


@pytest.mark.parametrize(
    ("outcome", "after", "kept"),
    [(RECOVERED, 5, False), (NOTHING, 5, False), (FAILED, 5, True), (RECOVERED, -5, True)],
)
def test_what_another_unit_has_settled_since_is_no_refusal(
    tmp_path: Path, outcome: str, after: float, kept: bool
) -> None:
    """It stayed in the status of the unit whose engine had refused it."""
    refusals.record(tmp_path, "Node1.maas", "cannot go on")
    refusals.record(tmp_path, "node2.maas", "never fenced")
    record = Record("node1.maas", "n", "", end=End(outcome, "", time.time() + after))
    over = refusals.forget_settled(tmp_path, lambda: [record, Record("node2.maas", "m", "e")])
    assert over == ([] if kept else ["Node1.maas"])
    assert ("Node1.maas" in [found.host for found in refusals.read(tmp_path)]) is kept
    goes_on = dataclasses.replace(record, end=None)
    assert refusals.forget_settled(tmp_path, lambda: [goes_on]) == []


def test_where_nothing_was_refused_the_cluster_is_not_asked(tmp_path: Path) -> None:
    assert refusals.forget_settled(tmp_path / "none", lambda: pytest.fail("asked")) == []


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    for name, text in {"a": "", "b": "[]", "c": "{}", "d": '{"host": "d"}'}.items():
        (tmp_path / f"{name}.json").write_text(text)
    assert refusals.read(tmp_path) == []
    assert refusals.read(tmp_path / "none") == []


def test_what_is_no_name_is_left_out_as_it_would_get_into_a_command(tmp_path: Path) -> None:
    data = {"host": "node1;reboot", "reason": "none", "time": 1.0}
    (tmp_path / "node1.json").write_text(json.dumps(data))
    assert refusals.read(tmp_path) == []


@pytest.mark.parametrize("host", ["../x", "a/b", ""])
def test_a_name_does_not_leave_the_directory(tmp_path: Path, host: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        refusals.record(tmp_path, host, "x")
    with pytest.raises(ValueError, match="cannot be the name"):
        refusals.forget(tmp_path, host)


def test_a_directory_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="none"):
        refusals.record(tmp_path / "none", "a", "x")
