"""One instance: whatever it was, and however far an earlier attempt has come."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from fencing_evacuation import HOST, World
from fencing_nova import HttpError
from masakari_fencing.openstack import evacuations, instances
from masakari_fencing.records.recoveries import Superseded
from masakari_fencing.records.recovery import Instance
from masakari_fencing.workflow.instances import requests
from masakari_fencing.workflow.instances.evacuation import wanted
from masakari_fencing.workflow.instances.requests import Failed
from masakari_fencing.workflow.recovery_lock import ProofLost

STATES = [
    ("active", None, "active"),
    ("active", "image_uploading", "active"),
    ("active", "migrating", "active"),
    ("resized", None, "active"),
    ("paused", None, "stopped"),
    ("rescued", None, "stopped"),
    ("suspended", None, "stopped"),
    ("stopped", None, "stopped"),
    ("active", "powering-off", "stopped"),
    ("error", None, "error"),
]
"""State, task, and the state after an evacuation by Masakari's own task where all goes well (seen
with Masakari 17); for what was to be stopped or started, what its owner has asked for."""


@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("failure", ["none", "refused", "full", "answer lost", "unlock lost"])
@pytest.mark.parametrize(("vm", "task", "end"), STATES)
def test_it_ends_in_the_state_that_it_had_after_a_failure_too(
    vm: str, task: str | None, end: str, failure: str, locked: bool
) -> None:
    world = World(vm=vm, task=task, locked=locked)
    once = [failure]

    def fail(name: str, uuid: str) -> None:
        if once == ["refused"] and name == "evacuate":
            once.clear()
            raise HttpError(400, "not now")
        if once == ["unlock lost"] and name == "unlock":
            world.time += 20

            raise HttpError(503, "away")

    def after(name: str, uuid: str) -> None:
        if once == ["answer lost"] and name == "evacuate":
            once.clear()
            raise HttpError(503, "proxy")

    world.nova.fail, world.nova.after = fail, after
    if failure == "full":
        world.nova.full = {"*"}
    for attempt in range(2):
        try:
            where = world.run(fresh=attempt == 0)
        except Failed:
            world.evacuation().release() if failure == "full" else None
        once.clear()
        world.nova.full = set()
        world.time += 10
    assert where == world.guest.host == "node9.maas"
    assert (world.guest.vm, world.guest.task, world.guest.locked) == (end, None, locked)
    assert len([m for m in world.nova.migrations_made if m.status == "done"]) == 1


def test_an_engine_that_dies_at_any_request_leaves_nothing_that_the_next_does_not_mend() -> None:
    """The whole sequence, cut off before and after each request that changes something."""

    class Dead(BaseException):
        pass

    for state, task, end in STATES:
        for cut in range(12):
            for late in (False, True):
                world = World(vm=state, task=task)
                left = [cut]

                def count(name: str, uuid: str, left: list[int] = left) -> None:
                    if name not in ("get", "migrations", "services", "list"):
                        left[0] -= 1
                        if left[0] < 0:
                            raise Dead

                setattr(world.nova, "after" if late else "fail", count)
                try:
                    world.run()
                except Dead:
                    setattr(world.nova, "after" if late else "fail", lambda name, uuid: None)
                    world.time += 6
                    world.run(fresh=False)
                seen = (world.guest.host, world.guest.vm, world.guest.locked)
                assert seen == ("node9.maas", end, False), (state, cut, late)
                done = [m for m in world.nova.migrations_made if m.status == "done"]
                assert len(done) == 1, "evacuated once"


def test_a_rebuild_that_goes_on_is_waited_for_and_never_asked_for_again() -> None:
    world = World()
    world.nova.servers.lock("g1")
    world.nova.servers.evacuate("g1")
    world.nova.requests.clear()
    assert world.run(fresh=False) == "node9.maas"
    assert world.nova.requests == ["unlock g1"]
    assert world.checks, "whose recovery it is was asked meanwhile"


def test_a_request_that_was_lost_with_the_broker_is_made_again() -> None:
    world = World()
    world.nova.rebuild = 1e9
    world.nova.servers.evacuate("g1")
    world.nova.rebuild = 3.0
    begun = world.time
    assert world.run(fresh=False) == "node9.maas"
    assert 60 <= world.time - begun < 80


def test_one_that_may_still_be_in_a_queue_is_not() -> None:
    """Nova's conductor is away: it will take the request when it is back."""
    world = World()
    world.nova.rebuild = 120.0
    world.nova.servers.evacuate("g1")
    world.nova.conductor = "down"
    assert world.run(fresh=False) == "node9.maas"
    assert len(world.nova.migrations_made) == 1


def test_one_that_runs_elsewhere_and_is_unlocked_is_its_owners() -> None:
    world = World()
    world.guest.host, world.guest.vm = "node2.maas", "stopped"
    assert world.run(fresh=False) == "node2.maas"
    assert world.nova.requests == []


def test_one_that_nova_has_stopped_since_runs_again() -> None:
    world = World()
    world.guest.vm = "stopped"
    world.run(fresh=False)
    assert (world.guest.vm, world.guest.host) == ("active", "node9.maas")


def test_a_deleted_one_is_done() -> None:
    world = World()
    del world.nova.instances["g1"]
    assert world.run() == ""
    world.evacuation().release()


def test_nothing_is_asked_for_where_the_recovery_must_not_go_on() -> None:
    world = World()

    def lost() -> None:
        raise ProofLost("it is back")

    with pytest.raises(ProofLost):
        world.run(check=lost)
    assert [r for r in world.nova.requests if not r.startswith("lock")] == []


@pytest.mark.parametrize("fresh", [True, False])
def test_it_is_not_asked_for_while_the_host_answers(fresh: bool) -> None:
    world = World(vm="active", task="powering-off")

    def silent() -> None:
        raise ProofLost("it answers")

    with pytest.raises(ProofLost):
        world.run(fresh=fresh, silent=silent)
    assert not world.nova.migrations_made
    assert not [r for r in world.nova.requests if r.startswith("evacuate")]


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("task", sorted(instances.UNGATED))
def test_one_that_its_host_is_to_start_is_left_to_it(task: str, fresh: bool) -> None:
    """Its owner has asked for that a moment ago: nova-compute does it once it is back."""
    world = World(vm="stopped", power=4)
    world.nova.after = lambda name, uuid: setattr(world.guest, "task", task)
    assert world.run(fresh=fresh) == HOST
    assert not world.nova.migrations_made
    assert (world.guest.task, world.guest.locked) == (task, False)


def test_one_that_is_being_started_elsewhere_is_unlocked_once_it_runs() -> None:
    """An engine of an earlier release has started it there, and died."""
    world = World()
    guest, begun = world.guest, world.time
    guest.host, guest.vm, guest.task, guest.locked = "node2.maas", "stopped", "powering-on", True

    def starts(name: str, uuid: str) -> None:
        if world.time > begun + 10:
            guest.vm, guest.task = "active", None

    world.nova.after = starts
    assert world.run(fresh=False) == "node2.maas"
    assert (guest.vm, guest.locked) == ("active", False)


def test_one_that_was_in_error_and_is_only_stopped_yet_stays_locked() -> None:
    """Nova goes away after it was stopped elsewhere; its next attempt ends what this one began."""
    world = World(vm="error")

    def fail(name: str, uuid: str) -> None:
        if name == "reset_state" and world.guest.host != HOST:
            world.time += 20
            raise HttpError(503, "away")

    world.nova.fail = fail
    with pytest.raises(Failed):
        world.run()
    assert world.guest.vm == "stopped"
    world.nova.fail = lambda name, uuid: None
    world.evacuation().release()
    assert world.guest.locked
    world.run(fresh=False)
    assert (world.guest.vm, world.guest.locked) == ("error", False)


def test_where_it_is_refused_its_owner_can_use_it() -> None:
    world = World()
    world.nova.full = {"*"}
    with pytest.raises(Failed, match="No valid host"):
        world.run()
    assert world.guest.vm == "error" and world.guest.locked
    world.evacuation().release()
    assert (world.guest.vm, world.guest.locked) == ("active", False)


def test_names_that_differ_from_the_hypervisors_own_are_novas() -> None:
    """Clouds first installed before Stein: hypervisor_hostname has a domain, the host has none."""
    world = World(hypervisor="other.example")
    assert world.run() == "node9.maas"
    assert world.time - 1_795_233_223.0 >= world.nova.rebuild, "it is waited for"


def test_every_wait_has_a_bound() -> None:
    world = World()
    world.nova.rebuild = 1e9
    with pytest.raises(Failed, match="not up elsewhere after 90 s"):
        world.run()
    world.nova.fail = lambda name, uuid: _raise(HttpError(503, "away"))
    with pytest.raises(Failed, match="503"):
        world.run()
    assert world.time < 1_795_233_223.0 + 400


def _raise(error: Exception) -> None:
    raise error


def test_a_resized_one_that_was_off_stays_off() -> None:
    assert wanted(Instance("g1", "resized", power_state=4)) == "stopped"


def broken_off(task: str) -> World:
    """A rebuild that a restarted database has broken off, as Nova's records show it."""
    world = World()
    world.nova.servers.lock("g1")
    world.nova.servers.evacuate("g1", host="node2.maas")
    world.nova.migrations_made[0].status = "pre-migrating"
    world.guest.task = task
    world.nova.requests.clear()
    return world


@pytest.mark.parametrize("task", ["rebuilding", "rebuild_block_device_mapping"])
def test_a_rebuild_that_was_broken_off_early_is_soon_asked_for_again(task: str) -> None:
    world = broken_off(task)
    begun = world.time
    assert world.run(fresh=False) == "node9.maas"
    assert 120 <= world.time - begun < 150
    assert "reset_state g1" in world.nova.requests


def test_one_that_may_run_is_waited_for_longer_and_never_started_elsewhere() -> None:
    world = broken_off("rebuild_spawning")
    world.nova.full = {"node2.maas"}  # it is there already
    begun = world.time
    with pytest.raises(Failed, match=r"it may run on node2\.maas.*before it is started"):
        world.run(fresh=False)
    assert world.time - begun >= evacuations.SPAWN_LIMIT
    assert "evacuate g1 to node2.maas" in world.nova.requests
    world.evacuation().release()
    assert world.guest.locked, "started where Nova shows it, it would run twice"
    with pytest.raises(Failed, match=r"node2\.maas"):
        world.run(fresh=False)
    assert {r for r in world.nova.requests if r.startswith("evacuate")} == {
        "evacuate g1 to node2.maas"
    }
    world.nova.services_known["node2.maas"].forced_down = True
    assert world.run(fresh=False) == "node9.maas", "fenced, it runs there no more"


def test_one_that_goes_on_at_the_last_moment_is_left_alone() -> None:
    world = broken_off("rebuilding")

    def wake(name: str, uuid: str) -> None:
        if name == "migrations" and world.time >= world.begun + 120:
            world.guest.task = "rebuild_spawning"

    world.nova.after = wake
    with pytest.raises(Failed, match="gone on"):
        world.run(fresh=False)
    assert world.nova.requests == []


@pytest.mark.parametrize(
    ("before", "verb", "task", "end"),
    [("paused", "stop", "powering-off", "stopped"), ("active", "start", "powering-on", "active")],
)
def test_a_request_to_stop_or_start_that_nova_has_lost_is_made_once_more(
    before: str, verb: str, task: str, end: str
) -> None:
    world = World(vm=before)
    world.nova.servers.lock("g1")
    world.guest.host, world.guest.vm = "node9.maas", "active" if verb == "stop" else "stopped"
    real, lost = getattr(world.nova.servers, verb), [1]

    def lose(uuid: str) -> None:
        if lost:
            lost.clear()
            world.guest.task = task
        else:
            real(uuid)

    setattr(world.nova.servers, verb, lose)
    assert world.run(fresh=False) == "node9.maas"
    assert (world.guest.vm, world.guest.task, world.guest.locked) == (end, None, False)


def test_one_that_is_not_stopped_yet_stays_locked_for_the_next_attempt() -> None:
    world = World(vm="paused")
    world.nova.servers.lock("g1")
    world.guest.host, world.guest.vm, world.guest.task = "node9.maas", "active", "powering-off"
    world.evacuation().release()
    assert world.guest.locked
    assert world.run(fresh=False) == "node9.maas"
    assert (world.guest.vm, world.guest.locked) == ("stopped", False)


def test_a_machine_that_stood_still_since_its_look_looks_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(vm="resized")
    monkeypatch.setattr(requests, "uptime", lambda: world.time)

    def freeze() -> None:
        world.check()
        if world.checks == 2:
            world.time += 30
        if world.checks == 3:
            raise Superseded("it has been taken over")

    with pytest.raises(Superseded):
        world.run(check=freeze)
    assert world.checks == 3
    assert world.nova.requests == ["lock g1"], "and asks for nothing more"


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("task", ["deleting", "soft-deleting"])
def test_what_its_owner_has_deleted_is_not_brought_back(task: str, fresh: bool) -> None:
    """After it was listed: a host that is dead hears nothing of it, and the task stays."""
    world = World()
    world.guest.task = task
    assert world.run(fresh=fresh) == ""
    world.evacuation().release()
    assert world.nova.requests == []


@pytest.mark.parametrize("before", ["lock", "get"])
@pytest.mark.parametrize("task", ["deleting", "soft-deleting"])
def test_what_its_owner_deletes_at_the_last_moment_is_not_brought_back(
    task: str, before: str
) -> None:
    """Called an error, or evacuated, it would not be deleted any more."""
    world = World(vm="resized", locked=before == "get")
    looks: list[str] = []

    def delete(name: str, uuid: str) -> None:
        looks.append(name)
        if name == before and (before == "lock" or looks.count("get") == 2):
            world.guest.task = task

    world.nova.fail = delete
    assert world.run() == ""
    assert [r for r in world.nova.requests if not r.startswith("lock")] == []


def test_what_its_owner_deletes_as_soon_as_it_is_elsewhere_is_done() -> None:
    """Nova shows it as deleted for a moment, before it knows no such instance."""
    world = World()
    world.guest.host, world.guest.vm = "node9.maas", "deleted"
    assert world.run(fresh=False) == ""
    assert world.nova.requests == []


@pytest.mark.parametrize("fresh", [True, False])
def test_one_whose_disks_are_on_their_way_is_left_to_nova(fresh: bool) -> None:
    """Evacuated, it would get new ones."""
    world = World(task="resize_migrating")
    with pytest.raises(Failed, match="being resized"):
        world.run(fresh=fresh)
    assert world.nova.requests == []


@pytest.mark.parametrize(("status", "target"), [("running", " to node2.maas"), ("error", "")])
def test_one_at_the_end_of_its_migration_is_evacuated_to_where_it_may_run(
    status: str, target: str
) -> None:
    """Nova refuses to where it runs, and starts it anywhere else."""
    world = World(task="migrating")
    record = SimpleNamespace(
        instance_uuid="g1",
        source_compute=HOST,
        dest_compute="node2.maas",
        migration_type="live-migration",
        status=status,
        created_at="2026-11-21T07:00:00.000000",
        updated_at=None,
    )
    world.nova.migrations_made.append(record)
    world.run()
    assert f"evacuate g1{target}" in world.nova.requests


def test_what_is_elsewhere_is_settled_although_its_host_is_back() -> None:
    """Else it would stay locked, and running, and nobody would look at it again."""
    world = World(task="powering-off")

    def check(error: Exception) -> None:
        if world.guest.host != HOST:
            raise error

    with pytest.raises(Superseded):
        world.run(check=lambda: check(Superseded("taken over")))
    assert (world.guest.vm, world.guest.locked) == ("active", True)
    world.run(fresh=False, check=lambda: check(ProofLost("it is back")))
    assert (world.guest.vm, world.guest.locked) == ("stopped", False)
