"""What becomes of requests to Nova that wait, are lost, or are made again: next to the real one.

The story is that of `test_1_nova.py`, with other instances: a hypervisor is lost, is asked for
things that wait for it, its instances are evacuated, and it comes back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jujulab.trials.deployment import Deployment
from nova_lab import LabSide
from nova_model import ModelSide
from sides import ELSEWHERE, FIRST, HOME, SECOND, Both, Side
from simulation.models.nova.records import RPC_TIMEOUT

pytestmark = pytest.mark.lab

REBUILD = 120
"""Seconds in which a rebuild ends, on a machine that does much else."""

REPORTS = 15
"""Seconds within which a nova-compute that nothing is in the way of has reported."""

TWICE = (HOME, ELSEWHERE)
"""Where something runs that runs twice."""

NAMES = ("started", "rebooted", "halted", "twice", "left", "soon", "slow", "late", "queued")


@pytest.fixture(scope="module")
def whole(cloud: Deployment) -> Iterator[Both]:
    """Instances on a hypervisor that works, and whose QEMU asks nobody for locks."""
    assert "masakari" not in cloud.console.status()["applications"], (
        "these tests lose hypervisors in a cloud that nobody recovers: `make clean` first"
    )
    both = Both(LabSide(cloud), ModelSide())

    def begin(side: Side) -> None:
        side.boot(list(NAMES))
        side.half_boot("never")
        side.prepare("started", "stopped")
        side.ignore_locks(HOME)

    with both.lab.repairs:
        both.alike(begin)
        yield both


@pytest.fixture(scope="module")
def down(whole: Both) -> Both:
    """The hypervisor has lost its power, and is forced down."""

    def rule(side: Side) -> int:
        side.lose(HOME)
        return side.force_down(HOME, True)

    assert whole.alike(rule) == 0
    return whole


@pytest.fixture(scope="module")
def back(down: Both) -> Iterator[Both]:
    """The hypervisor has booted, and is still forced down."""
    down.alike(lambda side: side.power_on(HOME))
    yield down
    down.lab.end_behind("started")


def carried_out(side: Side, name: str) -> list[Any]:
    """Wait until an evacuation has ended, and return what is recorded of it."""
    side.wait(lambda: "done" in side.migrations(name) and not side.look(name).task, REBUILD)
    return [side.look(name), side.records(name)]


# -- what was never started -------------------------------------------------------------------
def test_what_was_never_started_is_not_stopped_nor_rebooted(whole: Both) -> None:
    def rule(side: Side) -> list[Any]:
        return [side.look("never")[:2], side.stop("never"), side.reboot("never")]

    assert whole.alike(rule)[1:] == [409, 409]


def test_what_was_never_started_is_not_evacuated(down: Both) -> None:
    assert down.alike(lambda side: side.evacuate("never")) == 409


# -- evacuations that are lost, and asked for again -------------------------------------------
def test_an_evacuation_goes_on_with_the_first_record_that_is_accepted(down: Both) -> None:
    def rule(side: Side) -> list[Any]:
        seen: list[Any] = [side.lose_request(lambda: side.evacuate("twice"))]
        side.sleep(5)
        seen += [side.records("twice"), side.evacuate("twice", FIRST)]
        return [*seen, *carried_out(side, "twice")]

    assert down.alike(rule)[-1] == [("done", HOME, FIRST), ("accepted", HOME, FIRST)]


def test_a_record_that_is_left_is_taken_for_an_evacuation_from_elsewhere(down: Both) -> None:
    def rule(side: Side) -> list[Any]:
        side.stop_compute(FIRST)
        side.crash("twice")
        seen: list[Any] = [side.force_down(FIRST, True), side.evacuate("twice", SECOND)]
        side.wait(lambda: side.look("twice").task is None, REBUILD)
        side.sleep(2)
        seen += [side.look("twice"), side.records("twice")]
        # Its own record is cleaned up, and is in nobody's way.
        side.start_compute(FIRST)
        return [*seen, side.records("twice"), side.force_down(FIRST, False)]

    seen = down.alike(rule)
    assert seen[3] == [("done", HOME, FIRST), ("done", HOME, SECOND), ("accepted", FIRST, SECOND)]


def test_several_evacuations_that_are_lost(down: Both) -> None:
    def rule(side: Side) -> list[Any]:
        for _ in range(2):
            side.lose_request(lambda: side.evacuate("left"))
            side.sleep(5)
        return [side.look("left"), side.records("left")]

    assert down.alike(rule)[1] == [("accepted", HOME, None)] * 2


# -- Nova's scheduler -------------------------------------------------------------------------
def test_an_evacuation_waits_for_the_scheduler_for_a_minute(down: Both) -> None:
    def rule(side: Side) -> list[Any]:
        # One that waited for the broker that was lost counts as down for a while.
        side.wait(lambda: max(map(side.reported, (FIRST, SECOND))) < REPORTS, 90)
        side.stop_scheduler(True)
        seen: list[Any] = [side.evacuate("soon", SECOND)]
        side.sleep(RPC_TIMEOUT / 2)
        seen.append(side.look("soon").task)
        side.stop_scheduler(False)
        return [*seen, *carried_out(side, "soon")]

    assert down.alike(rule)[-1] == [("done", HOME, SECOND)]


def test_an_evacuation_that_the_scheduler_works_on_waits_for_longer(down: Both) -> None:
    """It lets the conductor know that it does."""

    def rule(side: Side) -> list[Any]:
        side.slow_scheduler(True)
        seen: list[Any] = [side.evacuate("slow", SECOND)]
        side.sleep(RPC_TIMEOUT + 15)
        seen.append(side.look("slow").task)
        side.slow_scheduler(False)
        return [*seen, *carried_out(side, "slow")]

    assert down.alike(rule)[-1] == [("done", HOME, SECOND)]


def test_an_evacuation_is_lost_that_no_scheduler_takes_in_a_minute(down: Both) -> None:
    """Nobody writes down that it is; one more is carried out, with its record."""

    def rule(side: Side) -> list[Any]:
        side.stop_scheduler(True)
        seen: list[Any] = [side.evacuate("late", SECOND)]
        side.sleep(RPC_TIMEOUT + 15)
        side.stop_scheduler(False)
        side.sleep(20)
        seen += [side.look("late"), side.records("late"), side.evacuate("late", FIRST)]
        return [*seen, *carried_out(side, "late")]

    seen = down.alike(rule)
    assert seen[2] == [("accepted", HOME, SECOND)]
    assert seen[-1] == [("done", HOME, FIRST), ("accepted", HOME, FIRST)]


# -- what waits for a nova-compute ------------------------------------------------------------
def test_a_rebuild_that_waits_for_its_host_ends_in_an_error_when_that_is_back(down: Both) -> None:
    """It takes the record from the evacuation that came to an end meanwhile."""

    def rule(side: Side) -> list[Any]:
        side.wait(lambda: side.service(FIRST)[0] == "up", 120)
        side.stop_compute(FIRST)
        seen: list[Any] = [side.evacuate("queued", FIRST)]
        side.sleep(10)
        seen += [side.look("queued").task, side.records("queued"), side.force_down(FIRST, True)]
        seen += [side.evacuate("queued", SECOND), *carried_out(side, "queued")]
        side.start_compute(FIRST)
        side.wait(lambda: side.look("queued").vm_state == "error", 30)
        seen += [side.look("queued"), side.records("queued"), side.force_down(FIRST, False)]
        return seen

    seen = down.alike(rule)
    assert (seen[-3].vm_state, seen[-3].runs) == ("error", (ELSEWHERE,))


def test_what_is_asked_of_a_dead_host_does_not_follow_an_instance(down: Both) -> None:
    def rule(side: Side) -> list[Any]:
        seen: list[Any] = [side.start("started"), side.reboot("rebooted"), side.stop("halted")]
        for name in ("started", "rebooted", "halted"):
            seen += [side.look(name).task, side.evacuate(name, SECOND), *carried_out(side, name)]
        seen.append(side.start("started"))
        side.wait(lambda: side.look("started").task is None, 60)
        return [*seen, side.look("started")]

    assert down.alike(rule)[-1].runs == (ELSEWHERE,)


def test_what_was_to_be_started_runs_twice_once_the_host_is_back(back: Both) -> None:
    def rule(side: Side) -> list[Any]:
        side.wait(lambda: len(side.runs("started")) > 1, 60)
        return [side.look("started"), side.records("started")]

    assert back.alike(rule)[0].runs == TWICE


def test_what_was_to_be_rebooted_is_left_alone(back: Both) -> None:
    def rule(side: Side) -> list[Any]:
        return [side.look("rebooted"), side.records("rebooted")]

    assert back.alike(rule)[0].runs == (ELSEWHERE,)


def test_what_was_to_be_stopped_is_recorded_as_stopped(back: Both) -> None:
    """Nova stops it where it runs when it compares its instances, each ten minutes."""

    def rule(side: Side) -> list[Any]:
        side.wait(lambda: side.look("halted").vm_state == "stopped", 60)
        look = side.look("halted")
        return [look.vm_state, look.host, side.records("halted")]

    assert back.alike(rule)[:2] == ["stopped", ELSEWHERE]


# -- nova-compute starts, and starts again ----------------------------------------------------
def test_a_start_ends_the_last_of_several_evacuations(back: Both) -> None:
    def rule(side: Side) -> list[Any]:
        seen: list[Any] = [side.migrations(name) for name in ("twice", "late", "left")]
        return [*seen, side.look("left"), side.force_down(HOME, False)]

    seen = back.alike(rule)
    assert seen[1:3] == [["done", "completed"], ["accepted", "completed"]]
    assert seen[-1] == 400


def test_the_next_start_ends_what_runs_there_of_which_one_is_left(back: Both) -> None:
    def rule(side: Side) -> list[Any]:
        seen: list[Any] = [side.reset_state("left", "active"), side.reboot("left")]
        side.wait(lambda: side.look("left").task is None, 90)
        seen.append(side.look("left"))
        side.stop_compute(HOME)
        seen.append(side.runs("left"))
        side.start_compute(HOME)
        seen += [side.runs("left"), *(side.migrations(name) for name in ("twice", "late", "left"))]
        # What runs twice goes on to do so.
        return [*seen, side.runs("started"), side.force_down(HOME, False)]

    seen = back.alike(rule)
    assert seen[3:5] == [(HOME,), ()]
    assert seen[-2:] == [TWICE, 0]
