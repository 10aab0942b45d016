"""A host that is fenced once more before its recovery has ended."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import HOST, World
from fencing_nova import OWN, HttpError, Server
from masakari_fencing.records.recoveries import Records
from masakari_fencing.records.recovery import RECOVERED, Proof, Record

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
