"""One instance of a host that is back in service, where it is."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from fencing_nova import OWN, FakeNova, Server
from masakari_fencing.openstack import evacuations
from masakari_fencing.records.recovery import Instance
from masakari_fencing.workflow.instances import selection
from masakari_fencing.workflow.instances.requests import Failed, Limits
from masakari_fencing.workflow.instances.restart import Restart

HOST = "node1.maas"
FENCED = 1_795_233_223.0


class World:
    """A Nova with one instance that could not be evacuated, and whose host has been returned."""

    def __init__(self, before: Instance | None = None, **state: Any) -> None:
        self.time = FENCED + 900
        self.nova = FakeNova(Server("g1", **state), clock=lambda: self.time)
        self.before = before or Instance("g1", "active", power_state=1)

    @property
    def guest(self) -> Server:
        return self.nova.instances["g1"]

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def acted(self, *actions: tuple[str, str | None]) -> None:
        """Have actions, each with its user, in the minutes since the fence."""
        self.nova.actions["g1"] = [
            SimpleNamespace(action=name, user_id=user, start_time=stamp(FENCED + 60 * number))
            for number, (name, user) in enumerate(actions, 1)
        ]

    def run(self, fenced: float = FENCED) -> str:
        task = Restart(
            lambda: self.nova,
            HOST,
            self.before,
            target=None,
            check=lambda: None,
            limits=Limits(),
            sleep=self.sleep,
            clock=lambda: self.time,
            now=lambda: self.time,
        )
        return task.run_here(FENCED, fenced, OWN)


def stamp(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).isoformat()


@pytest.mark.parametrize(
    ("state", "requests"),
    [
        ({"vm": "active"}, ["reboot g1"]),
        ({"vm": "stopped", "power": 4}, ["reboot g1"]),
        ({"vm": "error"}, ["reset_state g1", "reboot g1"]),
        ({"vm": "error", "locked": True}, ["reset_state g1", "unlock g1", "reboot g1"]),
        ({"vm": "active", "task": "powering-on"}, ["reset_state g1", "reboot g1"]),
    ],
    ids=["not looked at yet", "stopped by Nova", "ERROR", "locked", "with a task"],
)
def test_what_found_no_room_runs_again_however_nova_shows_it(
    state: dict[str, Any], requests: list[str]
) -> None:
    """Evacuations in vain are actions, too, but nobody else's."""
    world = World(**state)
    world.acted(("lock", OWN), ("evacuate", OWN), ("unlock", OWN), ("stop", None))
    assert world.run() == HOST
    assert world.nova.requests == requests
    assert (world.guest.vm, world.guest.locked) == ("active", False)


@pytest.mark.parametrize("action", ["lock", "unlock"])
def test_who_only_locks_it_has_not_seen_to_it(action: str) -> None:
    """As the status asks for, once what may go on of its evacuation has ended."""
    world = World(vm="stopped", power=4)
    world.acted(("evacuate", OWN), ("stop", None), (action, "operator"))
    assert world.run() == HOST
    assert world.nova.requests == ["reboot g1"]


def test_what_nova_is_about_to_stop_is_started_after_that() -> None:
    world = World(host=HOST, vm="active", task="powering-off")
    slept = world.sleep

    def sleep(seconds: float) -> None:
        slept(seconds)
        world.guest.vm, world.guest.task, world.guest.power = "stopped", None, 4

    world.sleep = sleep  # type: ignore[method-assign]
    assert world.run() == HOST
    assert world.nova.requests == ["reboot g1"]


@pytest.mark.parametrize("action", ["stop", "reboot", "start", "rebuild"])
def test_what_somebody_has_seen_to_since_is_his(action: str) -> None:
    world = World(vm="stopped", power=4)
    world.acted(("evacuate", OWN), (action, "owner"), ("stop", None))
    assert world.run() == HOST
    assert world.nova.requests == []


def test_what_an_owner_did_before_the_failure_is_no_matter() -> None:
    world = World(vm="stopped", power=4)
    old = SimpleNamespace(action="start", user_id="owner", start_time=stamp(FENCED - 60))
    world.nova.actions["g1"] = [old]
    world.run()
    assert world.nova.requests == ["reboot g1"]


@pytest.mark.parametrize("vm", ["stopped", "paused"])
def test_what_did_not_run_is_not_started_only_unlocked(vm: str) -> None:
    world = World(Instance("g1", vm), vm="stopped", power=4, locked=True)
    assert world.run() == HOST
    assert world.nova.requests == ["unlock g1"]


@pytest.mark.parametrize(
    ("before", "vm", "task", "end"),
    [
        ("stopped", "stopped", "rebuilding", "stopped"),
        ("error", "error", "rebuilding", "error"),
        ("paused", "paused", "powering-off", "stopped"),
        ("paused", "paused", None, "stopped"),
    ],
    ids=["a lost evacuation", "a lost evacuation of one in ERROR", "a lost stop", "no stop yet"],
)
def test_what_did_not_run_is_not_left_with_a_task_that_nobody_carries_out(
    before: str, vm: str, task: str | None, end: str
) -> None:
    world = World(Instance("g1", before), host=HOST, vm=vm, task=task, power=4)
    assert world.run() == HOST
    assert (world.guest.vm, world.guest.task) == (end, None)


@pytest.mark.parametrize("since", [-60.0, 60.0])
def test_what_its_owner_told_to_stop_is_stopped_and_not_left_in_error(since: float) -> None:
    """Nova evacuates none that has a task, so it was reset; whether the stop was heard or not."""
    world = World(Instance("g1", "active", "powering-off"), vm="error")
    stop = SimpleNamespace(action="stop", user_id="owner", start_time=stamp(FENCED + since))
    world.nova.actions["g1"] = [stop]
    assert world.run() == HOST
    assert world.nova.requests == ["stop g1"]
    assert world.guest.vm == "stopped"


@pytest.mark.parametrize(("action", "end"), [("stop", "stopped"), ("reboot", "active")])
def test_what_was_left_in_error_is_as_its_owner_wanted_it_last(action: str, end: str) -> None:
    """A later attempt took their request back, which its dead host had not heard."""
    world = World(vm="error")
    world.acted(("evacuate", OWN), ("start", "owner"), (action, "owner"))
    assert world.run() == HOST
    assert world.guest.vm == end


def test_what_its_owner_had_locked_stays_locked() -> None:
    world = World(Instance("g1", "active", locked=True), vm="stopped", power=4, locked=True)
    assert world.run() == HOST
    assert world.nova.requests == ["reboot g1"]
    assert world.guest.locked


def migration(world: World, status: str, age: float) -> None:
    moment = stamp(world.time - age)
    world.nova.migrations_made = [
        SimpleNamespace(
            instance_uuid="g1",
            source_compute=HOST,
            dest_compute="node2.maas",
            migration_type="evacuation",
            status=status,
            created_at=moment,
            updated_at=moment,
            due=0,
        )
    ]


def test_one_whose_evacuation_goes_on_is_not_started_a_second_time() -> None:
    world = World(vm="active", task="rebuild_spawning")
    migration(world, "pre-migrating", 20)
    with pytest.raises(Failed, match="its evacuation goes on"):
        world.run()
    assert world.nova.requests == []


def test_nor_is_one_that_may_run_where_its_evacuation_broke_off() -> None:
    """It stays locked, and the status says where it has to be stopped first."""
    world = World(vm="error", locked=True)
    migration(world, "pre-migrating", 4000)
    with pytest.raises(Failed, match=r"may run on node2\.maas.*stop it there"):
        world.run()
    assert world.nova.requests == []
    assert world.guest.locked


def test_one_that_came_up_elsewhere_after_all_is_left_there() -> None:
    world = World(host="node2.maas", locked=True)
    assert world.run() == "node2.maas"
    assert world.nova.requests == ["unlock g1"]


def test_one_that_its_owner_has_deleted_is_gone() -> None:
    world = World(task="deleting")
    assert world.run() == ""
    assert world.nova.requests == []


def test_one_that_does_not_start_is_told() -> None:
    world = World(vm="stopped", power=4)
    world.nova.servers.reboot = lambda uuid, reboot_type: None
    with pytest.raises(Failed, match="not active after 180 s"):
        world.run()


@pytest.mark.parametrize(
    ("user", "moment", "touch"),
    [("owner", 1, "stop"), (OWN, 1, ""), (None, 1, ""), ("owner", -1, "")],
)
def test_a_touch_is_somebody_elses_and_since(user: str, moment: float, touch: str) -> None:
    action = SimpleNamespace(action="stop", user_id=user, start_time=stamp(FENCED + moment))
    assert selection.last_touch([action], FENCED, OWN)[1] == touch


@pytest.mark.parametrize(
    ("touch", "requests"),
    [("start", ["reboot g1"]), ("stop", []), ("rebuild", ["reboot g1"])],
)
def test_what_its_owner_did_between_two_fences_is_what_is_wanted(
    touch: str, requests: list[str]
) -> None:
    world = World(vm="stopped", power=4)
    world.acted((touch, "owner"))
    assert world.run(fenced=FENCED + 90) == HOST
    assert world.nova.requests == requests
    assert world.run(fenced=FENCED + 30) == HOST, "it is seen to since the last one"
    assert world.nova.requests == requests


def test_who_has_stopped_it_elsewhere_says_so_by_starting_it() -> None:
    """Nova's records stay as they are, and say for ever that it may run there."""
    world = World(vm="active", locked=True)
    world.nova.services_known[HOST].state = "down"
    world.nova.servers.evacuate("g1", host="node2.maas")
    world.nova.services_known[HOST].state = "up"
    [record] = world.nova.migrations_made
    record.status, record.created_at = "pre-migrating", stamp(FENCED - 9000)
    record.updated_at, world.guest.task = record.created_at, None
    with pytest.raises(Failed, match=r"may run on node2\.maas.*stop it there"):
        world.run()
    assert world.guest.locked
    world.acted(("lock", "operator"))
    with pytest.raises(Failed, match=r"may run on node2\.maas.*stop it there"):
        world.run()
    world.acted(("lock", "operator"), ("start", "operator"))
    assert world.run() == HOST
    assert not world.guest.locked


@pytest.mark.parametrize("status", sorted(evacuations.UNENDED))
def test_what_the_next_start_of_nova_compute_would_end_is_not_started(status: str) -> None:
    """A request was lost, and another one after it: a start ends the last one's record alone."""
    world = World(vm="stopped", power=4)
    world.nova.rebuild = 1e9
    world.nova.services_known[HOST].state = "down"
    world.nova.servers.evacuate("g1", host="node2.maas")
    world.nova.services_known[HOST].state = "up"
    [record] = world.nova.migrations_made
    record.status, record.created_at = status, stamp(FENCED - 9000)
    record.dest_compute, record.updated_at = None, record.created_at
    world.guest.vm, world.guest.task = "stopped", None
    world.nova.requests.clear()
    with pytest.raises(Failed, match=f"restart that on {HOST} before it is started"):
        world.run()
    assert world.nova.requests == []
    record.status = "completed"
    assert world.run() == HOST
    assert world.nova.requests == ["reboot g1"]
