"""A host that is fenced once more before its recovery has ended."""

from __future__ import annotations

import datetime
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import HOST, World
from fencing_nova import OWN, HttpError, Server
from masakari_fencing.records.recoveries import Records
from masakari_fencing.records.recovery import FAILED, RECOVERED, End, Instance, Proof, Record

DEAD = "unit-7.12345678.17.900"


def action(name: str, moment: float, user: str | None = None) -> Any:
    stamp = datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).isoformat()
    return SimpleNamespace(action=name, start_time=stamp, user_id=user)


def test_what_ran_at_the_first_fence_runs_however_late_the_second_is(world: World) -> None:
    """An engine died with the proof of the first; Nova has stopped it when the host booted."""
    now = world.nova.clock()
    first = float(int(now) - 1800)
    proof = Proof(first, "fenced", HOST)
    Records(world.cib).create(Record(HOST, "a-notification", DEAD, proof=proof))
    world.alive[DEAD] = False
    world.add(Server("g1", vm="stopped", power=4), Server("g2", vm="stopped", power=4))
    world.nova.actions = {
        "g1": [action("stop", first + 60)],
        "g2": [action("stop", first + 60, "owner")],
    }
    second = world.power_cut()
    world.remote.events = [("reboot", "success", moment) for moment in (second, first)]
    assert world.process(world.notify()) == "finished"
    assert world.record().lost == first
    states = {s.id: (s.host, s.vm) for s in world.nova.instances.values()}
    assert states == {"g1": ("node9.maas", "active"), "g2": ("node9.maas", "stopped")}


@pytest.fixture
def partly(world: World) -> tuple[World, Any]:
    """A host in service again, on which one of two instances was started; and its notification."""
    world.add(Server("g1"), Server("g2"))
    first = float(int(world.nova.clock()) - 400)
    works(world, first)
    world.nova.fail = broken
    notification = world.notify(first)
    assert world.process(notification) == "error"
    assert [item.uuid for item in world.record().left] == ["g2"]
    world.nova.fail = lambda name, uuid: None
    world.nova.requests.clear()
    return world, notification


def broken(name: str, uuid: str) -> None:
    if uuid == "g2":
        raise HttpError(500, "broken")


def works(world: World, fenced: float) -> None:
    """The host was fenced, and is in service."""
    world.remote.online, world.remote.role, world.remote.fenced = True, "Started", 0
    world.cib.fenced(HOST, 0)
    world.service(HOST).state = "up"
    world.remote.events = [("reboot", "success", fenced), *world.remote.events]
    world.remote.connected = fenced + 10


def test_what_was_started_there_is_evacuated_with_the_rest(partly: tuple[World, Any]) -> None:
    world, _ = partly
    world.power_cut()
    notification = world.notify()
    assert world.process(notification) == "error", "by its segment's method, the next time"
    assert world.process(notification) == "finished"
    hosts = {s.id: (s.host, s.vm) for s in world.nova.instances.values()}
    assert hosts == {"g1": ("node9.maas", "active"), "g2": ("node9.maas", "active")}


@pytest.mark.parametrize("again", [False, True])
def test_or_started_once_more_where_the_host_is_back_once_more(
    partly: tuple[World, Any], again: bool
) -> None:
    """Nova takes it for running until it looks."""
    world, notification = partly
    now = world.nova.clock()
    world.nova.actions = {"g1": [action("reboot", now - 300, OWN)]}
    if again:
        works(world, float(int(now) - 120))
    assert world.process(notification) == "finished"
    assert sorted(world.nova.requests) == (["reboot g1"] if again else []) + ["reboot g2"]
    assert world.record().end.outcome == RECOVERED


def test_it_is_down_since_the_first_fence_whoever_tells_of_the_second(
    partly: tuple[World, Any],
) -> None:
    """What has failed on the host that worked counts no more."""
    world, _ = partly
    first = world.record().down
    Records(world.cib).write(world.record(), replace(world.record(), attempts=40, fruitless=2))
    world.power_cut()
    assert world.process(world.notify()) == "error"
    record = world.record()
    assert (record.lost, record.down, record.attempts, record.fruitless) == (first, 0, 1, 0)


@pytest.mark.parametrize("method", ["auto", "reserved_host"])
def test_a_host_that_never_failed_has_nothing_started_that_runs(world: World, method: str) -> None:
    """It was reported all the same, nobody could recover it, and its operator took it back."""
    world.add(Server("g1"), Server("g2"))
    world.segment.recovery_method = method
    world.segment.save()
    world.remote.online, world.remote.role = True, "Started"
    world.service(HOST).state = "up"
    record = Record(HOST, "a-notification", DEAD, end=End(FAILED, "", world.nova.clock() - 90))
    Records(world.cib).create(record.taken_back())
    Records(world.cib).write(world.record(), replace(world.record(), returned=False))
    assert world.process(world.notify()) == "finished"
    assert world.nova.requests == []
    assert world.record().end.outcome == RECOVERED


def test_one_that_dies_before_its_return_is_written_down_is_remembered(world: World) -> None:
    """Nova has stopped meanwhile what did not run there."""
    world.add(Server("g1", vm="stopped", power=4))
    first = float(int(world.nova.clock()) - 900)
    world.nova.actions = {"g1": [action("stop", first + 60)]}
    left = (Instance("g1", "active", outcome="no room: none"),)
    record = Record(HOST, "a-notification", DEAD, proof=Proof(first, "fenced", HOST))
    record = replace(record, instances=left, end=End(FAILED, "", first + 30))
    Records(world.cib).create(record.taken_back())
    world.power_cut()
    notification = world.notify()
    assert world.process(notification) == "error", "by its segment's method, the next time"
    assert world.process(notification) == "finished"
    hosts = {s.id: (s.host, s.vm) for s in world.nova.instances.values()}
    assert hosts == {"g1": ("node9.maas", "active")}


@pytest.mark.parametrize(("later", "fruitless"), [(1.0, 0), (90.0, 1)])
def test_two_who_fence_it_at_once_fence_it_once(
    world: World, later: float, fruitless: int
) -> None:
    """The cluster keeps the later time of the two; in between no host has booted."""
    world.add(Server("g2"))
    world.nova.fail = broken
    first = world.power_cut() - later
    record = Record(HOST, "a-notification", DEAD, proof=Proof(first, "fenced", HOST))
    Records(world.cib).create(replace(record, end=End(FAILED, "", first + 30), attempts=1))
    assert world.process(world.notify()) == "error"
    assert world.record().fruitless == fruitless
    assert world.record().lost == (first if fruitless else 0)
