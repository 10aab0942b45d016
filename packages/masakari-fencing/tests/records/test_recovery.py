"""What a record says after its host was fenced more than once."""

from __future__ import annotations

from dataclasses import replace

from masakari_fencing.records.recovery import FAILED, End, Proof, Record

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
