"""What a machine had sent as it stood still, and Nova does after another recovery's end."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fencing_evacuation import World
from masakari_fencing.records.recoveries import Superseded
from masakari_fencing.workflow.instances import requests
from masakari_fencing.workflow.recovery_lock import ProofLost


def run_frozen(
    monkeypatch: pytest.MonkeyPatch, world: World, request: str, meanwhile: Callable[[], None]
) -> None:
    """Have the machine stand still as it sends a request, and another take over in between."""
    monkeypatch.setattr(requests, "uptime", lambda: world.time)
    over: list[bool] = []

    def freeze(name: str, uuid: str) -> None:
        if name == request and not over:
            over.append(True)
            meanwhile()

    def check() -> None:
        if over:
            raise Superseded("it has been taken over")

    world.nova.fail = freeze
    with pytest.raises(Superseded):
        world.run(check=check)


@pytest.mark.parametrize(("vm", "end"), [("resized", "active"), ("suspended", "stopped")])
def test_calling_it_an_error_is_taken_back_where_that_came_too_late(
    monkeypatch: pytest.MonkeyPatch, vm: str, end: str
) -> None:
    """The machine stood still as it was sent; whoever took the recovery over has ended it."""
    world = World(vm=vm)

    def meanwhile() -> None:
        world.time += 150
        world.guest.host, world.guest.vm, world.guest.locked = "node9.maas", end, False

    run_frozen(monkeypatch, world, "reset_state", meanwhile)
    world.time += 10
    world.nova.servers.get("g1")
    assert (world.guest.host, world.guest.vm, world.guest.task) == ("node9.maas", end, None)


@pytest.mark.parametrize(
    ("before", "meanwhile", "locked"),
    [
        ([], ["unlock"], False),
        (["unlock"], [], True),
        (["unlock"], ["unlock", "lock"], True),
    ],
    ids=["the other has ended it", "the other goes on with it", "a third one does"],
)
@pytest.mark.parametrize("stood", [0.0, 390.0], ids=["in the same second", "much later"])
def test_a_lock_is_taken_back_where_that_came_after_the_end(
    monkeypatch: pytest.MonkeyPatch,
    before: list[str],
    meanwhile: list[str],
    locked: bool,
    stood: float,
) -> None:
    """The machine stood still as it was sent; whoever took over has ended it, or works on it."""
    world = World()
    for name in before:
        world.nova.act("g1", name)
    world.time += 2

    def others() -> None:
        world.time += 10
        for theirs in meanwhile:
            world.nova.act("g1", theirs)
        world.time += stood
        world.nova.act("g1", "lock")
        world.guest.host = "node9.maas"

    run_frozen(monkeypatch, world, "lock", others)
    assert world.guest.locked is locked


@pytest.mark.parametrize("state", ["active", "error"])
def test_what_another_recovery_has_locked_is_not_given_back(state: str) -> None:
    """The machine stands still as it gives up what it could not recover, and is given up."""
    world = World()
    world.nova.servers.lock("g1")
    world.guest.vm = state
    world.nova.requests.clear()

    def check() -> None:
        raise Superseded("it has been taken over")

    with pytest.raises(Superseded):
        world.evacuation(check=check).release()
    assert world.guest.locked and world.guest.vm == state
    assert world.nova.requests == []


def test_what_is_given_back_is_so_though_its_host_is_back() -> None:
    world = World()
    world.nova.servers.lock("g1")

    def check() -> None:
        raise ProofLost("it is back")

    world.evacuation(check=check).release()
    assert not world.guest.locked


@pytest.mark.parametrize(
    ("meanwhile", "locked"),
    [(["lock"], True), (["lock", "unlock"], False), ([], False)],
    ids=["the other works on it", "the other has ended it", "nobody has begun"],
)
def test_an_unlock_is_taken_back_where_another_one_has_locked_it(
    monkeypatch: pytest.MonkeyPatch, meanwhile: list[str], locked: bool
) -> None:
    """The machine stands still as it hands it back; whoever takes over works on it by then."""
    world = World()
    world.nova.servers.lock("g1")
    world.time += 20
    over: list[bool] = []
    monkeypatch.setattr(requests, "uptime", lambda: world.time)

    def freeze(name: str, uuid: str) -> None:
        if name == "unlock" and not over:
            over.append(True)
            world.time += 10
            for theirs in meanwhile:
                world.nova.act("g1", theirs)
                world.guest.locked = theirs == "lock"
            world.time += 30
            world.nova.act("g1", "unlock")

    def check() -> None:
        if over:
            raise Superseded("it has been taken over")

    world.nova.fail = freeze
    with pytest.raises(Superseded):
        world.evacuation(check=check).release()
    assert world.guest.locked is locked
