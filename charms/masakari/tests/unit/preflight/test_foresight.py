"""What only the leader knows, and leaves for the exporter."""

from __future__ import annotations

import dataclasses
import json

import pytest
from masakari_fencing.cluster.health import Problem
from masakari_fencing.records import foresight, out_of_service
from masakari_fencing.records.foresight import Room
from ops import testing

from fakerooms import RoomyCloud
from machine import Machine

ONE, TWO = "node1.maas", "node2.maas"


@pytest.fixture
def seen(
    state: testing.State, machine: Machine, cloud: RoomyCloud, monkeypatch: pytest.MonkeyPatch
) -> testing.State:
    """A leader that has looked: a guest has no place, one hypervisor no fencing device."""
    problem = Problem(TWO, "no fencing device", "add one")
    monkeypatch.setattr("workload.cluster.Cluster.inspect", lambda self, hosts, units: [problem])
    cloud.add_segment("rack1", ONE, TWO)
    cloud.boot(ONE, "big", ram=99999)
    record = machine.host.path(str(out_of_service.RECORD))
    record.parent.mkdir(parents=True, exist_ok=True)
    out_of_service.write(record, out_of_service.OutOfService(hosts=(ONE, TWO)), machine.now)
    answer = {"time": 1.0, "state": "error", "seconds": 1.0, "error": "x", "bad": 2}
    good = {**answer, "state": "on", "bad": 0}
    power = json.dumps({ONE: answer, TWO: good})
    machine.host.write("/var/lib/masakari-charm/power.json", power)
    return state


def kept(machine: Machine) -> foresight.Foresight | None:
    return foresight.read(machine.host.path(str(foresight.FILE)))


def test_what_the_leader_knows(
    ctx: testing.Context, seen: testing.State, machine: Machine
) -> None:
    ctx.run(ctx.on.update_status(), seen)
    found = kept(machine)
    assert found is not None
    assert found.checked == found.surveyed == machine.now
    assert found.problems == (f"{TWO}: no fencing device (add one)",)
    assert found.rooms == {"rack1": Room(survives=0, wanted=1)}
    assert found.controllers == {ONE: False, TWO: True}
    assert machine.host.mode(str(foresight.FILE)) == 0o644


def test_a_check_that_failed_keeps_the_time_of_the_one_before(
    ctx: testing.Context, seen: testing.State, machine: Machine
) -> None:
    ctx.run(ctx.on.update_status(), seen)
    before = machine.now
    machine.now += 600
    machine.host.runner.answer(["crm_mon"], (102, "not connected"))
    ctx.run(ctx.on.update_status(), seen)
    found = kept(machine)
    assert found is not None and found.checked == before
    assert found.problems


def test_who_leads_no_more_shows_nothing(
    ctx: testing.Context, seen: testing.State, machine: Machine
) -> None:
    ctx.run(ctx.on.update_status(), seen)
    ctx.run(ctx.on.update_status(), dataclasses.replace(seen, leader=False))
    assert kept(machine) is None
