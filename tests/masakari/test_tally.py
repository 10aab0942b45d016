"""What the real Masakari's recoveries leave for the metrics."""

from __future__ import annotations

from conftest import World
from fencing_nova import Server
from masakari_fencing.records import tally
from masakari_fencing.records.recovery import RECOVERED, REFUSED
from masakari_fencing.workflow import attempt


def test_a_recovery_is_counted_with_its_phases(world: World) -> None:
    world.add(Server("g1"))
    fenced = world.power_cut()
    assert world.process(world.notify()) == "finished"
    found = tally.read(tally.FILE)
    assert found.outcomes == {RECOVERED: 1}
    assert {name: sum(phase.buckets) for name, phase in found.phases.items()} == {
        tally.FENCED: 1,
        tally.EVACUATING: 1,
        tally.DONE: 1,
    }
    end = world.record().end
    assert found.phases[tally.DONE].sum == end.time - fenced


def test_a_refusal_is_counted_without_any(world: World) -> None:
    world.remote.online = True
    world.remote.role = "Stopped"
    assert world.process(world.notify()) == "error"
    assert tally.read(tally.FILE) == tally.Tally({REFUSED: 1})


def test_a_machine_on_which_nothing_can_be_counted_recovers_all_the_same(world: World) -> None:
    attempt.tally.FILE.parent.rmdir()
    world.add(Server("g1"))
    world.power_cut()
    assert world.process(world.notify()) == "finished"
