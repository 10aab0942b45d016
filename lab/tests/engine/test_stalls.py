"""A deployment that stands still is noticed, and one that is busy or done is not."""

import pytest
from jujulab.engine.model import store
from jujulab.engine.model.state import Task
from jujulab.engine.stalls import PATIENCE, StallWatch

START = 1_000_000.0


@pytest.fixture
def world(bench):
    """A unit that waits, and the watch on it."""
    (unit,) = bench.deploy("principal")
    bench.settle()
    bench.model.set_status(unit.workload, "waiting", "Waiting for HAProxy")
    return bench.model, unit, StallWatch(bench.model, START)


def test_a_minute_of_nothing_is_recorded_with_the_units_own_words(world):
    model, unit, watch = world
    assert not watch.look(START + PATIENCE - 1)
    assert model.state.stalls == []
    assert watch.look(START + PATIENCE)
    watch.look(START + PATIENCE + 30)
    (stall,) = model.state.stalls
    assert (stall.since, stall.seconds) == (START, PATIENCE + 30)
    assert stall.units == {unit.name: "waiting: Waiting for HAProxy"}


def test_update_status_is_nothing_that_runs(world):
    model, unit, watch = world
    model.set_status(unit.agent, "executing", "running update-status hook")
    watch.look(START + PATIENCE)
    assert len(model.state.stalls) == 1


def test_a_hook_between_two_looks_counts(world):
    model, _unit, watch = world
    model.last_run = START + 50
    watch.look(START + PATIENCE)
    assert model.state.stalls == []
    watch.look(START + 50 + PATIENCE)
    assert [stall.since for stall in model.state.stalls] == [START + 50]


@pytest.mark.parametrize("what", ["hook", "action", "machine", "ready", "lost"])
def test_what_is_busy_done_or_lost_does_not_stand_still(world, what):
    model, unit, watch = world
    if what == "hook":
        model.set_status(unit.agent, "executing", "running config-changed hook")
    elif what == "action":
        model.state.tasks["1"] = Task("1", unit.name, "list-segments", status="running")
    elif what == "machine":
        model.machine(unit.machine).provisioned = False
    elif what == "ready":
        model.set_status(unit.workload, "active", "Unit is ready")
    else:
        model.lab_machine(unit.machine).power_off()
        model.boot(unit.machine, fresh=True)
    watch.look(START + 3 * PATIENCE)
    assert model.state.stalls == []


def test_one_stall_ends_with_a_hook_and_the_next_is_another(world):
    model, _unit, watch = world
    watch.look(START + PATIENCE)
    model.last_run = START + 100
    watch.look(START + 101)
    watch.look(START + 100 + PATIENCE)
    assert [(s.since, s.seconds) for s in model.state.stalls] == [
        (START, PATIENCE),
        (START + 100, PATIENCE),
    ]


def test_the_model_keeps_them(world):
    model, _unit, watch = world

    watch.look(START + PATIENCE)
    assert store.loads(model.snapshot()).stalls == model.state.stalls
