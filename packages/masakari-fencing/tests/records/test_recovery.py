"""What a record says after its host was fenced more than once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from masakari_fencing.records.recovery import FAILED, REFUSED, End, Instance, Proof, Record

FIRST = Record("node1", "n", "e", proof=Proof(1000.0, "fenced"), end=End(FAILED, "", 1100.0))


def test_its_instances_are_lost_since_the_first_fence_however_often_it_is_fenced() -> None:
    assert Record("node1", "n", "e").fenced_by(Proof(1000.0, "fenced")).lost == 0
    assert FIRST.fenced_by(Proof(1000.0, "and the power followed")).lost == 0
    again = FIRST.fenced_by(Proof(2500.0, "fenced on request"))
    assert (again.proof, again.lost) == (Proof(2500.0, "fenced on request"), 1000.0)
    assert again.fenced_by(Proof(4000.0, "fenced on request")).lost == 1000.0


def test_taken_back_they_are_down_since_then() -> None:
    again = FIRST.fenced_by(Proof(2500.0, "fenced on request"))
    taken = again.taken_back()
    assert (taken.down, taken.used, taken.lost) == (1000.0, 2500.0, 0.0)
    done = replace(again, instances=())
    assert done.taken_back() == replace(done, returned=True)


LEFT = Instance("g2", "active", outcome="broken")
ATTEMPTED = replace(
    FIRST,
    instances=(Instance("g1", "active", outcome="recovered"), LEFT),
    listed=1010.0,
    attempts=7,
    fruitless=2,
)


def test_where_it_fails_again_all_begins_anew_but_since_when_they_are_down() -> None:
    """It was in service again without a proof of its fence, which is used up."""
    known = replace(ATTEMPTED, proof=None, down=1000.0, used=1000.0)
    again = known.failed_again()
    assert (again.lost, again.down, again.instances) == (1000.0, 0.0, (LEFT,))
    assert (again.attempts, again.fruitless, again.listed) == (0, 0, 0.0)
    assert replace(known, instances=None).failed_again().lost == 1000.0
    assert again.fenced_by(Proof(9000.0, "fenced")).lost == 1000.0


def test_a_return_that_comes_to_nothing_forgets_nothing() -> None:
    again = ATTEMPTED.fenced_by(Proof(2500.0, "fenced on request"))
    assert again.taken_back().not_taken_back().taken_back().down == 1000.0
    down = replace(ATTEMPTED, proof=None, down=1000.0, used=1000.0)
    assert down.taken_back().not_taken_back().taken_back().down == 1000.0


def test_who_returns_it_sees_only_to_what_somebody_has_named() -> None:
    """It was in service by itself, and nobody could list its instances yet."""
    down = replace(FIRST, proof=None, down=1000.0, used=1000.0)
    assert down.taken_back() == replace(down, returned=True)
    assert replace(down, instances=(LEFT,)).taken_back().down == 0


@pytest.mark.parametrize(
    ("used", "last"), [(2500.0, 2500.0), (1000.0, 1000.0), (500.0, 0.0), (0.0, 0.0)]
)
def test_what_was_never_fenced_since_is_known_for_that(used: float, last: float) -> None:
    assert replace(FIRST, down=1000.0, used=used).fenced_last == last


@pytest.mark.parametrize("outcome", [FAILED, REFUSED])
def test_a_fenced_host_owes_what_nobody_has_listed(outcome: str) -> None:
    end = End(outcome, "", 1100.0)
    assert replace(FIRST, end=end).owes
    assert replace(FIRST, end=end, proof=None).owes is (outcome == FAILED), "it may work"
    assert not replace(FIRST, end=end, instances=()).owes
