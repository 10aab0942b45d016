"""The eight rows of the default matrix: exactly what each one says, and the way back."""

from __future__ import annotations

import itertools

import pytest
from matrix_lab import SPACES, UNDECIDED, Matrix

ROWS = [
    tuple(name for name, down in zip(SPACES, row, strict=True) if down)
    for row in itertools.product((False, True), repeat=3)
]
"""The networks that are down in each row."""

QUIET = [row for row in ROWS if "storage" not in row]
LOST = [row for row in ROWS if "storage" in row]


def name(row: tuple[str, ...]) -> str:
    return "+".join(row) or "none"


@pytest.mark.parametrize("row", QUIET, ids=name)
def test_without_a_reason_nothing_happens_at_all(matrix: Matrix, row: tuple[str, ...]) -> None:
    trial = matrix.trial
    host = trial.hypervisors()[1]
    trial.populate(host)
    with trial.watched(f"{name(row)} down: {host}"):
        if row:
            matrix.cut(host, *row)
        trial.await_nothing(UNDECIDED)
        assert not matrix.maintenance()
        matrix.mend(host)
        # It is taken back by itself, and not fenced in the end.
        trial.settle()
        trial.await_nothing()
    assert not matrix.maintenance()


@pytest.mark.parametrize("row", LOST, ids=name)
def test_with_storage_down_the_host_is_fenced_and_its_guests_recover(
    matrix: Matrix, row: tuple[str, ...]
) -> None:
    trial = matrix.trial
    host = trial.hypervisors()[1]
    trial.populate(host)
    with trial.watched(f"{name(row)} down: {host}"):
        matrix.cut(host, *row)
        trial.await_recovery(host)
    trial.verify(host)
    matrix.await_maintenance(host)
    matrix.return_to_duty(host)
