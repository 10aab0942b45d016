"""The command line of the unit tests."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[1] / "run_unit.py"


@pytest.mark.parametrize(
    ("line", "wanted", "extra"),
    [
        ("", [], []),
        ("charms/masakari --coverage", ["charms/masakari"], []),
        ("charms/masakari lab -k lab -x", ["charms/masakari", "lab"], ["-k", "lab", "-x"]),
    ],
)
def test_what_is_pytests_begins_with_an_option(
    line: str, wanted: list[str], extra: list[str]
) -> None:
    spec = importlib.util.spec_from_file_location("run_unit", PROGRAM)
    assert spec is not None and spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    assert program.divided(line.split()) == (wanted, extra)
