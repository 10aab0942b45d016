"""One instance whose evacuation was asked for twice, and one that gets there when nobody tries."""

from __future__ import annotations

import pytest
from fencing_evacuation import HOST, World
from fencing_nova import HttpError
from masakari_fencing.openstack import evacuations
from masakari_fencing.records.recoveries import Superseded
from masakari_fencing.records.recovery import Instance
from masakari_fencing.workflow.instances.requests import Failed
from masakari_fencing.workflow.recovery_lock import ProofLost


class Twice(World):
    """It is up on its new host by the first of two requests; Nova works on the second."""

    def __init__(self, vm: str = "active") -> None:
        super().__init__(vm=vm)
        self.nova.servers.lock("g1")
        self.nova.servers.evacuate("g1", host="node2.maas")
        self.time += self.nova.rebuild + 1
        self.nova.servers.get("g1")
        assert self.guest.host == "node2.maas"
        self.nova.rebuild = 1e9
        self.guest.host = HOST
        self.nova.servers.evacuate("g1", host="node3.maas")
        self.guest.host, self.guest.task = "node2.maas", None
        self.second = self.nova.migrations_made[1]
        self.nova.requests.clear()
        self.fails_at = self.time + 20

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.time >= self.fails_at and self.second.status != "failed":
            self.second.status = "failed"
            self.guest.vm, self.guest.task = "error", "rebuilding"


def test_what_the_other_request_has_called_an_error_is_called_active_again() -> None:
    world = Twice()
    begun = world.time
    assert world.run(fresh=False) == "node2.maas"
    assert 20 <= world.time - begun < 25
    assert (world.guest.vm, world.guest.task, world.guest.locked) == ("active", None, False)


def test_one_that_is_never_heard_of_again_is_not_waited_for_for_long() -> None:
    world = Twice()
    world.fails_at = float("inf")
    begun = world.time
    assert world.run(fresh=False) == "node2.maas"
    assert world.time - begun <= evacuations.GATED_LIMIT + 1
    assert not world.guest.locked


def test_one_that_was_an_error_when_it_was_seen_there_is_left_to_its_operator() -> None:
    world = Twice()
    world.guest.vm = "error"
    with pytest.raises(Exception, match=r"but error: .*server set --state active g1"):
        world.run(fresh=False)
    assert not any(request.startswith("reset_state") for request in world.nova.requests)
    world.guest.vm = "active"
    assert world.run(fresh=False) == "node2.maas"
    assert not world.guest.locked


@pytest.mark.parametrize("seen", ["active", "error"])
def test_one_that_was_in_error_is_not_left_running_by_the_other_requests_failure(
    seen: str,
) -> None:
    """That calls it an error as well, with the process of the first request."""
    world = Twice("error")
    world.fails_at = world.time if seen == "error" else world.fails_at
    world.sleep(0)
    assert world.guest.vm == seen
    assert world.run(fresh=False) == "node2.maas"
    assert "stop g1" in world.nova.requests
    guest = world.guest
    assert (guest.vm, guest.power, guest.task, guest.locked) == ("error", 4, None, False)
    world.guest.locked = True
    world.nova.requests.clear()
    assert world.run(fresh=False) == "node2.maas"
    assert world.nova.requests == ["unlock g1"], "it is settled"


def test_what_its_owner_has_again_is_not_waited_for() -> None:
    world = Twice()
    world.guest.locked = False
    begun = world.time
    assert world.run(fresh=False) == "node2.maas"
    assert world.time == begun


def going(vm: str = "active") -> World:
    """It is on its way, and its recovery is refused."""
    world = World(vm=vm)
    world.nova.rebuild = 30.0
    world.nova.servers.lock("g1")
    world.nova.servers.reset_state("g1", "error")
    world.nova.servers.evacuate("g1", host="node2.maas")
    world.nova.requests.clear()
    return world


def lost() -> None:
    raise ProofLost("it is back")


def test_what_gets_there_after_all_is_not_left_locked() -> None:
    world = going()
    world.evacuation(check=lost).release(patience=evacuations.SPAWN_LIMIT)
    assert (world.guest.host, world.guest.locked) == ("node2.maas", False)


def test_without_patience_the_next_attempt_sees_to_it() -> None:
    world = going()
    begun = world.time
    world.evacuation().release()
    assert (world.time, world.guest.host) == (begun, HOST)


def test_what_does_not_get_there_is_waited_for_no_longer_than_told() -> None:
    world = going()
    world.nova.rebuild, begun = 1e9, world.time
    world.nova.migrations_made[0].status = "pre-migrating"
    world.guest.task = evacuations.SPAWNING
    world.evacuation(check=lost).release(patience=100)
    assert 100 <= world.time - begun <= 101
    assert world.guest.locked, "it may run there: started here, it would run twice"


def test_one_that_stays_locked_is_told_where_nobody_tries_again() -> None:
    """Nova's scheduler is away; what it does once it is back ends in another state."""
    world = going("error")
    world.nova.migrations_made[0].due = float("inf")
    assert world.evacuation(steady=lambda nova: 0.0).release() == ""
    why = world.evacuation(check=lost, steady=lambda nova: 0.0).release(patience=100)
    assert "stays locked" in why
    assert world.guest.locked


def test_somebody_elses_recovery_is_let_be() -> None:
    world = going("paused")

    def check() -> None:
        raise Superseded("taken over")

    with pytest.raises(Superseded):
        world.evacuation(check=check).release(patience=evacuations.SPAWN_LIMIT)
    assert world.guest.locked


def test_what_nova_has_gone_on_with_is_not_broken_off() -> None:
    """A request that was taken for lost comes alive just before its task is reset."""
    world = World()
    world.nova.servers.lock("g1")
    world.nova.servers.evacuate("g1", host="node2.maas")
    first = world.nova.migrations_made[0]
    first.status, world.nova.rebuild = "pre-migrating", 1e9
    world.time += 2 * evacuations.SPAWN_LIMIT
    world.guest.task = evacuations.SPAWNING
    looks = 0

    def alive(name: str, uuid: str) -> None:
        nonlocal looks
        looks += name == "migrations"
        if looks == 2:
            # It was not under way, and has not ended; then its host takes it up once more.
            world.guest.task = "rebuilding"

    world.nova.fail = alive
    world.nova.requests.clear()
    with pytest.raises(Failed, match="Nova has gone on with it: rebuilding"):
        world.run(fresh=False)
    assert world.nova.requests == []


def test_an_old_request_that_begins_just_then_is_waited_for() -> None:
    """It waited for a host that is back now; Nova shows no task for it. Two would run it twice."""
    world = World()
    world.nova.rebuild = 1e9
    world.guest.host = "node2.maas"
    world.nova.services_known["node2.maas"].state = "down"
    world.nova.servers.evacuate("g1", host="node3.maas")
    (old,) = world.nova.migrations_made
    old.status, world.guest.host, world.guest.task = "pre-migrating", HOST, None
    world.nova.requests.clear()
    world.nova.rebuild = 3.0
    begun = world.time

    def sleep(seconds: float) -> None:
        world.time += seconds
        if world.time >= begun + 20 and old.status == "pre-migrating":
            # It has not found the task that it expects.
            old.status, world.guest.vm, world.guest.task = "failed", "error", "rebuilding"

    def after(name: str, uuid: str) -> None:
        assert name != "evacuate" or old.status == "failed", "two at once"

    world.nova.after = after
    assert world.run(sleep=sleep) == "node3.maas", "where the first may have left it"
    assert world.nova.requests.count("evacuate g1 to node3.maas") == 1


def test_an_error_of_before_is_no_answer_to_a_request_that_nova_has_not_answered() -> None:
    """Nova carries it out a moment later; another one beside it could run it twice."""
    world = World(vm="error")
    world.before = Instance("g1", "active")
    world.guest.fault = {"message": "No valid host was found.", "created": "2026-11-21T03:00:00"}
    late: list[float] = []
    real = world.nova.servers.evacuate

    def evacuate(uuid: str, host: str | None = None) -> None:
        late.append(world.time + 2)
        raise HttpError(504, "gateway")

    def sleep(seconds: float) -> None:
        world.time += seconds
        if late and world.time >= late[0]:
            late.clear()
            real("g1", host="node2.maas")

    world.nova.servers.evacuate = evacuate
    assert world.run(target="node2.maas", sleep=sleep) == "node2.maas"
    assert len(world.nova.migrations_made) == 1
