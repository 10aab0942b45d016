"""Reserved hosts that are not needed: no instance was recovered to them, or would be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import World
from fencing_nova import HttpError, Server

RESERVED = {"node3.maas", "node9.maas"}


def test_it_is_given_back_once_nova_answers_again(world: World) -> None:
    """Nobody would do that later: the recovery is over."""
    world.reserve(*RESERVED)
    world.add(Server("g1"))
    world.power_cut()
    refused: list[str] = []

    def fail(name: str, uuid: str) -> None:
        if name == "enable":
            # The first of them has no room.
            enabled = {one for one in RESERVED if world.service(one).status == "enabled"}
            world.nova.full = world.nova.full or enabled
        if name == "disable" and len(refused) < 2 and uuid != "s1":
            refused.append(name)
            raise HttpError(503, "busy for a moment")

    world.nova.fail = world.nova.after = fail
    assert world.process(world.notify()) == "finished"
    assert len(refused) == 2
    used = world.nova.instances["g1"].host
    assert {name: world.host(name).reserved for name in RESERVED} == {
        name: name != used for name in RESERVED
    }
    [unused] = RESERVED - {used}
    assert world.service(unused).status == "disabled"


def resized(world: World) -> None:
    world.nova.instances["g1"].task = "resize_migrating"


def refused(world: World) -> None:
    def fail(name: str, uuid: str) -> None:
        if name == "evacuate":
            raise HttpError(409, "not in this state")

    world.nova.fail = fail


@pytest.mark.parametrize("break_it", [resized, refused])
def test_what_fails_for_a_reason_of_its_own_takes_one_of_them(
    break_it: Callable[[World], None], world: World
) -> None:
    world.reserve(*RESERVED)
    world.add(Server("g1"))
    break_it(world)
    world.power_cut()
    notification = world.notify()
    for _ in range(3):
        assert world.process(notification) == "error"
    assert sum(world.host(name).reserved for name in RESERVED) == 1
    assert len(world.record().reserved) == 1


def test_what_fails_only_for_a_moment_goes_there_all_the_same(world: World) -> None:
    world.reserve(*RESERVED)
    world.add(Server("g1"))
    world.power_cut()
    asked: list[str] = []

    def fail(name: str, uuid: str) -> None:
        if name == "evacuate" and not asked:
            asked.append(name)
            raise HttpError(409, "passing")

    world.nova.fail = fail
    assert world.process(world.notify()) == "finished"
    used = world.nova.instances["g1"].host
    assert {name for name in RESERVED if world.host(name).reserved} == RESERVED - {used}


def test_the_one_that_was_taken_has_failed_itself_since(world: World) -> None:
    world.reserve(*RESERVED)
    world.add(Server("g1"))
    refused(world)
    world.power_cut()
    notification = world.notify()
    assert world.process(notification) == "error"
    [first] = world.record().reserved
    host = world.host(first)
    host.on_maintenance = True
    host.save()
    world.nova.fail = lambda name, uuid: None
    assert world.process(notification) == "finished"
    assert {world.nova.instances["g1"].host} == RESERVED - {first}
