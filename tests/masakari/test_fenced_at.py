"""When a host was fenced, as it is asked once an instance may run there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from conftest import HOST, World
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records.recoveries import Records
from masakari_fencing.records.recovery import Proof, Record
from masakari_fencing.workflow import attempt


def test_a_cluster_that_does_not_answer_does_not_say_that_nobody_knows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what is held for down would count as dead, be it back or not."""
    assert attempt.Attempt(world.context, HOST, "n1").fenced_at(HOST) == 0

    def away(argv: list[str]) -> int:
        return 1

    monkeypatch.setattr(world.cib, "others", away)
    with pytest.raises(PacemakerError):
        attempt.Attempt(world.context, HOST, "n1").fenced_at(HOST)
    attempt.CONF.set_override("allow_unfenced_recovery", True, group="fencing")
    try:
        assert attempt.Attempt(world.context, HOST, "n1").fenced_at(HOST) == 0
    finally:
        attempt.CONF.clear_override("allow_unfenced_recovery", group="fencing")


def test_where_the_history_has_no_times_the_cluster_has_them_elsewhere(world: World) -> None:
    moment = world.power_cut()

    def fenced_at() -> float:
        return attempt.Attempt(world.context, HOST, "n1").fenced_at(HOST)

    assert fenced_at() == moment
    proof = Proof(moment - 500, "fenced", HOST)
    Records(world.cib).create(Record(HOST, "n0", "", proof=proof))
    assert fenced_at() == moment
    world.cib.fenced(HOST, 0.0)
    assert fenced_at() == moment - 500, "it is back, and its own recovery knows of it"
    record = world.record()
    cut = Proof(moment, "cut off from its storage", HOST, storage=True)
    Records(world.cib).write(record, replace(record, proof=cut))
    assert fenced_at() == 0
