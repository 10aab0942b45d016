"""What an operator has disarmed, by the real Masakari: nothing is recovered, and nothing lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from conftest import HOST, World
from fencing_nova import Server
from masakari_fencing.records import disarmed
from masakari_fencing.records.disarmed import CLOUD, Disarmed
from masakari_fencing.records.recoveries import Records
from masakari_fencing.records.recovery import RECOVERED, REFUSED
from masakari_fencing.workflow import driver
from masakari_fencing.workflow.attempt import Attempt
from oslo_utils import timeutils


@pytest.fixture
def work(world: World) -> World:
    now = world.nova.clock()
    disarmed.disarm(world.cib, Disarmed(CLOUD, "", (), now, now + 600, "new switch"))
    world.add(Server("g1"))
    return world


def left(world: World) -> list[Any]:
    return disarmed.left(disarmed.read(world.cib))


def test_a_fenced_host_is_recovered_when_somebody_asks_for_it(work: World) -> None:
    work.power_cut()
    notification = work.notify()
    assert work.process(notification) == "error"
    assert work.record().end.outcome == REFUSED
    assert "new switch" in work.record().end.reason
    assert "disarmed until" in work.refused()
    disarmed.arm(work.cib, [CLOUD])
    assert work.process(notification) == "error", "Masakari tries again by itself"
    assert work.nova.requests == []
    (entry,) = left(work)
    record = work.record()
    Records(work.cib).write(record, replace(record, end=None, engine=""))
    disarmed.forget(work.cib, entry)
    assert work.process(notification) == "finished"
    assert work.record().end.outcome == RECOVERED
    assert work.nova.instances["g1"].host == "node9.maas"


def test_a_guest_is_not_restarted(work: World) -> None:
    payload = {
        "event": "LIFECYCLE",
        "instance_uuid": "g1",
        "vir_domain_event": "STOPPED_FAILED",
    }
    assert work.process(work.notify(kind="VM", **payload)) == "ignored"
    assert work.nova.requests == []
    disarmed.arm(work.cib, [CLOUD])
    assert work.process(work.notify(kind="VM", **payload)) != "ignored"


def test_a_process_takes_no_host_out_of_service(work: World) -> None:
    notification = work.notify(kind="PROCESS", event="STOPPED", process_name="nova-compute")
    assert work.process(notification) == "finished"
    assert not work.host().on_maintenance
    assert work.service(HOST).status == "enabled"


def test_a_process_does_as_ever_where_it_is_armed(work: World) -> None:
    disarmed.arm(work.cib, [CLOUD])
    notification = work.notify(kind="PROCESS", event="STOPPED", process_name="nova-compute")
    work.process(notification)
    assert work.host().on_maintenance


RECOVERIES = {"it is being recovered": "running", "it was recovered": "finished"}
"""States of a notification of the host's failure."""


@pytest.mark.parametrize(
    "down", ["", "its nova-compute", "its nova-compute for an hour", *RECOVERIES]
)
def test_a_process_that_masakari_does_nothing_about_leaves_no_host_in_maintenance(
    work: World, down: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the host died, and was not reported then, nobody would recover it."""
    disarmed.arm(work.cib, [CLOUD])
    if down.startswith("its nova-compute"):
        if down.endswith("hour"):
            timeutils.set_time_override(timeutils.utcnow() - timedelta(hours=1))
        report = work.notify(kind="PROCESS", event="STOPPED", process_name="nova-compute")
        work.process(report)
        timeutils.clear_time_override()
    notification = work.notify(kind="PROCESS", event="STOPPED", process_name="libvirtd")
    end_maintenance = driver._end_maintenance

    def slowly(this: Attempt) -> None:
        """The engine stands still, and another one goes on."""
        if down in RECOVERIES:
            recovery = work.notify()
            recovery.status = RECOVERIES[down]
            recovery.save()
        timeutils.clear_time_override()
        end_maintenance(this)

    monkeypatch.setattr(driver, "_end_maintenance", slowly)
    if not down.startswith("its nova-compute"):
        timeutils.set_time_override(timeutils.utcnow() - timedelta(hours=1))
    assert work.process(notification) == "finished"
    assert work.host().on_maintenance is bool(down), "or is it for a failure of its own"


@pytest.mark.parametrize("kind", ["VM", "PROCESS"])
def test_a_segment_that_is_disabled_after_the_first_attempt_is_off(
    world: World, kind: str
) -> None:
    """Masakari takes up again what has failed, and does not look at the segment then."""
    world.add(Server("g1"))
    payload = {
        "VM": {
            "event": "LIFECYCLE",
            "instance_uuid": "g1",
            "vir_domain_event": "STOPPED_FAILED",
        },
        "PROCESS": {"event": "STOPPED", "process_name": "nova-compute"},
    }[kind]
    notification = world.notify(kind=kind, **payload)
    world.segment.enabled = False
    world.segment.save()
    assert world.process(notification) == {"VM": "ignored", "PROCESS": "finished"}[kind]
    assert world.nova.requests == []
    assert not world.host().on_maintenance
