"""The leader's status says whether the next failure would be recovered."""

from __future__ import annotations

import dataclasses

import ops
import pytest
from masakari_fencing.records import out_of_service
from ops import testing

from fakecluster import CIB, with_remote
from fakerooms import OWN_PROJECT, RoomyCloud
from machine import Machine
from model import with_config

ONE, TWO, THREE = "node1.maas", "node2.maas", "node3.maas"
READY = ops.ActiveStatus("Unit is ready")
SHORT = ops.ActiveStatus(
    "Unit is ready (rack1 survives 0 host failures, not 1: without node1.maas no place found for"
    " big; see the action check)"
)
MEMORY = "/var/lib/masakari-charm/preflight.json"


@pytest.fixture
def watched(
    state: testing.State, machine: Machine, cloud: RoomyCloud, monkeypatch: pytest.MonkeyPatch
) -> testing.State:
    """A leader whose segments have hosts, which the cluster can all fence."""
    monkeypatch.setattr("workload.cluster.Cluster.inspect", lambda self, hosts, units: [])
    cloud.add_segment("rack1", ONE, TWO, THREE)
    cloud.boot(ONE, "big", ram=99999)
    keep(machine)
    return state


def keep(machine: Machine) -> None:
    """The notifier's record is up to date."""
    record = machine.host.path(str(out_of_service.RECORD))
    record.parent.mkdir(parents=True, exist_ok=True)
    found = out_of_service.OutOfService(hosts=(ONE, TWO, THREE))
    out_of_service.write(record, found, machine.now)


def later(machine: Machine, seconds: float = 61) -> None:
    machine.now += seconds
    keep(machine)


def status(ctx: testing.Context, state: testing.State) -> object:
    return ctx.run(ctx.on.update_status(), state).unit_status


def test_a_full_segment_is_said_and_right_again_when_there_is_room(
    ctx: testing.Context, watched: testing.State, machine: Machine, cloud: RoomyCloud
) -> None:
    assert status(ctx, watched) == SHORT
    cloud.servers.clear()
    later(machine)
    assert status(ctx, watched) == READY


def test_who_is_left_alone_is_said_whether_there_is_room_or_not(
    ctx: testing.Context, watched: testing.State, machine: Machine, cloud: RoomyCloud
) -> None:
    cloud.boot(ONE, "amphora-01234567-89ab-cdef-0123-456789abcdef", project=OWN_PROJECT)
    options = {"recover-never": "name:big", "segment-host-failures": 0}
    assert status(ctx, with_config(watched, **options)) == ops.ActiveStatus(
        "Unit is ready (1 instance is left alone: Octavia replaces its amphorae by itself;"
        " 1 instance is left alone: recover-never has name:big)"
    )


def test_a_hypervisor_that_was_added_and_is_in_no_segment_is_named(
    ctx: testing.Context, watched: testing.State, machine: Machine, cloud: RoomyCloud
) -> None:
    """The cluster is connected to it, and everything that it lacks is a forgotten action.

    One that was put into a segment just now is on the list for half a minute more.
    """
    cloud.servers.clear()
    names = "node1.maas node8.maas node9.maas"
    lists = '<cluster_property_set id="masakari-fencing-unserved">'
    lists += f'<nvpair id="n" name="masakari-fencing-no-segment" value="{names}"/>'
    with_remote(machine)
    machine.cib.load(CIB.replace("<crm_config>", f"<crm_config>{lists}</cluster_property_set>"))
    assert status(ctx, watched) == ops.ActiveStatus(
        "Unit is ready (in no failover segment: node8.maas, node9.maas; see add-hosts)"
    )


def test_other_hooks_ask_nothing(
    ctx: testing.Context, watched: testing.State, machine: Machine, cloud: RoomyCloud
) -> None:
    status(ctx, watched)
    cloud.asked.clear()
    later(machine, 30)
    assert status(ctx, watched) == SHORT, "nor does update-status that soon"
    later(machine)
    assert ctx.run(ctx.on.leader_elected(), watched).unit_status == SHORT
    assert cloud.asked.total() == 0


def test_other_units_ask_nothing(
    ctx: testing.Context, watched: testing.State, cloud: RoomyCloud
) -> None:
    cloud.asked.clear()
    assert status(ctx, dataclasses.replace(watched, leader=False)) == READY
    assert cloud.asked.total() == 0


@pytest.mark.parametrize(("wanted", "said"), [(0, READY), (1, SHORT)])
def test_option(
    ctx: testing.Context, watched: testing.State, wanted: int, said: ops.StatusBase
) -> None:
    status(ctx, with_config(watched, segment_host_failures=1 - wanted))
    changed = with_config(watched, segment_host_failures=wanted)
    assert ctx.run(ctx.on.config_changed(), changed).unit_status == said, "at once"


def test_no_scheduler_blocks(
    ctx: testing.Context, watched: testing.State, cloud: RoomyCloud
) -> None:
    cloud.down.add("nova-scheduler")
    found = status(ctx, watched)
    assert isinstance(found, ops.BlockedStatus)
    assert found.message.startswith("nova-scheduler: none is up and enabled (see `openstack")


def test_an_api_that_does_not_answer_for_long(
    ctx: testing.Context, watched: testing.State, machine: Machine, cloud: RoomyCloud
) -> None:
    assert status(ctx, watched) == SHORT
    cloud.silent.add("placement")
    later(machine)
    assert status(ctx, watched) == SHORT, "what was seen a minute ago still holds"
    later(machine, 1800)
    found = status(ctx, watched)
    assert isinstance(found, ops.ActiveStatus)
    assert "room for recoveries is not known: Placement: HTTP status 503" in found.message
    cloud.silent.clear()
    later(machine)
    assert status(ctx, watched) == SHORT


def test_an_answer_that_makes_no_sense_fails_no_hook(
    ctx: testing.Context, watched: testing.State, cloud: RoomyCloud
) -> None:
    cloud.servers[0]["flavor"] = "m1.small"
    found = status(ctx, watched)
    assert isinstance(found, ops.ActiveStatus)
    assert "room for recoveries is not known: an answer cannot be read: " in found.message


@pytest.mark.parametrize(
    "garbage", ["[]", "{", '{"time": "x", "notes": 1}', '{"time": 9e99, "notes": ["x"]}']
)
def test_unreadable_memory(
    ctx: testing.Context, watched: testing.State, machine: Machine, garbage: str
) -> None:
    machine.host.write(MEMORY, garbage)
    assert ctx.run(ctx.on.leader_elected(), watched).unit_status == READY
    assert status(ctx, watched) == SHORT


def test_a_paused_unit_asks_nothing(
    ctx: testing.Context, watched: testing.State, cloud: RoomyCloud
) -> None:
    paused = ctx.run(ctx.on.action("pause"), watched)
    cloud.asked.clear()
    assert isinstance(status(ctx, paused), ops.MaintenanceStatus)
    assert cloud.asked.total() == 0
