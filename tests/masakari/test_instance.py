"""An instance whose QEMU died, recovered by the real Masakari."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import masakari.conf
import pytest
from conftest import HOST, World
from fencing_nova import Server
from masakari_fencing.workflow import instance_tasks

CONF = masakari.conf.CONF

DIED = {"event": "LIFECYCLE", "vir_domain_event": "STOPPED_FAILED", "instance_uuid": "pet"}


@pytest.mark.parametrize("given_up", [0, 2])
def test_one_whose_start_nova_gives_up_is_started_in_the_same_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch, given_up: int
) -> None:
    """Its hypervisor could not ask Keystone or Neutron for a moment."""
    monkeypatch.setattr(instance_tasks, "START_AGAIN", 0.1)
    CONF.set_override("process_all_instances", True, group="instance_failure")
    world.add(Server("pet"))
    pet, left = world.nova.instances["pet"], [None] * given_up

    def give_up(name: str, uuid: str) -> None:
        if name == "reboot" and left:
            left.pop()
            pet.vm, pet.power = "stopped", 4

    world.nova.after = give_up
    status = world.process(world.notify(kind="VM", **DIED))
    CONF.clear_override("process_all_instances", group="instance_failure")
    assert (status, pet.vm) == ("finished", "active")
    assert world.nova.requests == ["stop pet", *["reboot pet"] * (given_up + 1)]


@pytest.mark.parametrize(
    ("host", "left_alone"),
    [("node2.maas", True), ("node1.maas", False), ("NODE1.maas", False), ("node1", False)],
    ids=["another host", "the same", "in other letters", "Nova's own name for it"],
)
def test_one_that_nova_has_elsewhere_is_none_of_the_reporting_host(
    world: World, monkeypatch: pytest.MonkeyPatch, host: str, left_alone: bool
) -> None:
    """An evacuation that broke off, whose instance was stopped by hand, as the status says."""
    monkeypatch.setattr(instance_tasks, "START_AGAIN", 0.1)
    CONF.set_override("process_all_instances", True, group="instance_failure")
    world.add(Server("pet", host=host, vm="error" if left_alone else "active"))
    status = world.process(world.notify(kind="VM", **DIED))
    CONF.clear_override("process_all_instances", group="instance_failure")
    assert status == ("ignored" if left_alone else "finished")
    assert world.nova.requests == ([] if left_alone else ["stop pet", "reboot pet"])


@pytest.mark.parametrize("stopped", [True, False], ids=["stopped", "running"])
def test_one_that_failed_here_and_was_recovered_elsewhere_as_stopped_is_started_there(
    world: World, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    """Its host failed in the middle, when Nova had found that it does not run."""
    monkeypatch.setattr(instance_tasks, "START_AGAIN", 0.1)
    CONF.set_override("process_all_instances", True, group="instance_failure")
    pet = Server("pet", vm="stopped" if stopped else "active", power=4 if stopped else 1)
    world.add(pet)
    world.add_host("node9.maas")
    report = world.notify(kind="VM", **DIED)
    world.power_cut()
    assert world.process(world.notify()) == "finished"
    state = pet.host, pet.vm, world.nova.requests[:]
    status = world.process(report)
    CONF.clear_override("process_all_instances", group="instance_failure")
    assert state[:2] == ("node9.maas", "stopped" if stopped else "active")
    assert (status, pet.vm) == ("finished" if stopped else "ignored", "active")
    assert world.nova.requests == [*state[2], *["reboot pet"] * stopped]


def test_one_whose_host_dies_as_it_is_started_comes_up_elsewhere(world: World) -> None:
    """And not once more where it was: the host is not waited for."""
    world.add(Server("pet", vm="stopped", power=4, task="rebooting_hard"))
    for name in ("stop", "reboot"):
        world.nova.act("pet", name)
    world.power_cut()
    assert world.process(world.notify()) == "finished"
    pet = world.nova.instances["pet"]
    assert (pet.host, pet.vm, pet.task) == ("node9.maas", "active", None)


@pytest.fixture
def everybody(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(instance_tasks, "START_AGAIN", 0.1)
    CONF.set_override("process_all_instances", True, group="instance_failure")
    yield
    CONF.clear_override("process_all_instances", group="instance_failure")


@pytest.mark.usefixtures("everybody")
def test_a_report_that_is_carried_out_twice_stops_nothing_that_runs(world: World) -> None:
    """Engines list what has failed, and work through that; or one dies just before the end."""
    world.add(Server("pet"))
    now = world.nova.clock()
    old = [world.notify(now - 10, kind="VM", **DIED) for _ in range(2)]
    assert [world.process(report) for report in old] == ["finished", "finished"]
    assert world.nova.requests == ["stop pet", "reboot pet"]
    again = world.notify(world.nova.clock() + 1, kind="VM", **DIED)
    assert world.process(again) == "finished"
    assert world.nova.requests == ["stop pet", "reboot pet"] * 2, "it has failed once more"


@pytest.mark.usefixtures("everybody")
def test_one_on_a_host_that_is_not_to_be_fenced_is_restarted(world: World) -> None:
    """Its nova-compute reports; the witnesses object, say, or the limit is in the way."""
    world.add(Server("pet"))
    world.remote.unclean = True
    assert world.process(world.notify(kind="VM", **DIED)) == "finished"
    assert world.nova.requests == ["stop pet", "reboot pet"]


@pytest.mark.usefixtures("everybody")
def test_who_is_left_alone_is_so_though_nova_does_not_say_the_rest(world: World) -> None:
    world.add(Server("pet", host="node2.maas", vm="error"))
    world.nova.instance_action.list = lambda server: 1 / 0
    assert world.process(world.notify(kind="VM", **DIED)) == "ignored"
    assert world.nova.requests == []


@pytest.mark.usefixtures("everybody")
@pytest.mark.parametrize("fenced", [False, True])
def test_nothing_is_asked_of_a_host_that_is_lost(world: World, fenced: bool) -> None:
    """Nova takes a start for a nova-compute that is dead; the host's recovery waited for that."""
    world.add(Server("pet", vm="stopped", power=4))
    world.remote.unclean = not fenced
    silent = datetime.datetime.fromtimestamp(world.nova.clock() - 40, datetime.timezone.utc)
    world.service(HOST).updated_at = silent.isoformat()
    if fenced:
        world.power_cut()
    report = world.notify(kind="VM", **DIED)
    assert world.process(report) == "error", "it is tried again"
    assert world.nova.requests == []
    world.remote.unclean, world.remote.online, world.remote.role = False, True, "Started"
    assert world.process(report) == "finished"
    assert world.nova.requests == ["reboot pet"]
