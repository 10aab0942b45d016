"""Refused recoveries are left where the charm's status finds them."""

from __future__ import annotations

from pathlib import Path

import pytest
from masakari_fencing.records import refusals


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


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    for name, text in {"a": "", "b": "[]", "c": "{}", "d": '{"host": "d"}'}.items():
        (tmp_path / f"{name}.json").write_text(text)
    assert refusals.read(tmp_path) == []
    assert refusals.read(tmp_path / "none") == []


@pytest.mark.parametrize("host", ["../x", "a/b", ""])
def test_a_name_does_not_leave_the_directory(tmp_path: Path, host: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        refusals.record(tmp_path, host, "x")
    with pytest.raises(ValueError, match="cannot be the name"):
        refusals.forget(tmp_path, host)


def test_a_directory_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="none"):
        refusals.record(tmp_path / "none", "a", "x")
