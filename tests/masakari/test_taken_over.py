"""An engine whose recovery another one has taken, by the real Masakari."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from conftest import CONF, HOST, World
from fencing_nova import Server
from masakari_fencing.records.recoveries import Records
from masakari_fencing.records.recovery import (
    FAILED,
    NOTHING,
    RECOVERED,
    REFUSED,
    End,
    Instance,
    Proof,
    Record,
)
from masakari_fencing.workflow import ending
from masakari_fencing.workflow.attempt import Attempt

OTHER = "node9.maas"


def test_the_engine_that_is_taken_over_from_does_nothing_more(world: World) -> None:
    world.add(*(Server(f"g{n}") for n in range(6)))
    world.power_cut()
    notification = world.notify()
    taken: list[int] = []

    def take(name: str, uuid: str) -> None:
        if name == "evacuate" and not taken:
            taken.append(len(world.nova.requests))
            record = world.record()
            Records(world.cib).write(record, replace(record, engine="unit-1.boot.1.1"))

    world.nova.after = take
    assert world.process(notification) == "error"
    later = [r for r in world.nova.requests[taken[0] :] if r.split()[0] in ("evacuate", "unlock")]
    assert [r for r in later if r.startswith("evacuate")] == []
    assert world.record().end is None and world.record().engine == "unit-1.boot.1.1"


@pytest.mark.parametrize(
    ("outcome", "status"), [(RECOVERED, "finished"), (NOTHING, "finished"), (FAILED, "error")]
)
@pytest.mark.parametrize("method", ["auto", "reserved_host"])
def test_who_was_taken_over_from_waits_for_the_others_word(
    world: World, monkeypatch: pytest.MonkeyPatch, outcome: str, status: str, method: str
) -> None:
    """It took it up as an unfinished one: Masakari would call that failed for good."""
    world.segment.recovery_method = method
    world.segment.save()
    world.add(Server("g1"))
    world.power_cut()
    notification = world.notify()
    theirs = Record(HOST, str(notification.notification_uuid), "unit-1.boot.1.1")
    waited: list[float] = []

    def take(name: str, uuid: str) -> None:
        if name == "evacuate":
            Records(world.cib).write(world.record(), theirs)

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        record = world.record()
        if len(waited) == 2:
            Records(world.cib).write(record, replace(record, end=End(outcome, "", 1.0)))

    if method == "auto":
        world.nova.after = take
    else:
        Records(world.cib).create(theirs)
    monkeypatch.setattr(ending, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    assert world.process(notification) == status
    assert len(waited) == 2


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(RECOVERED, "finished"), (NOTHING, "finished"), (FAILED, "error"), (REFUSED, "error")],
)
def test_nor_does_who_has_recovered_all_call_it_finished(
    world: World, outcome: str, status: str
) -> None:
    """It was cut off from the cluster just then; the other may have found a host that is back."""
    world.add(Server("g1"))
    world.power_cut()
    notification = world.notify()

    def take(name: str, uuid: str) -> None:
        if name == "unlock":
            theirs = replace(world.record(), engine="unit-1.boot.1.1", end=End(outcome, "", 1.0))
            Records(world.cib).write(world.record(), theirs)

    world.nova.after = take
    assert world.process(notification) == status
    assert (world.nova.instances["g1"].host, world.nova.instances["g1"].vm) == (OTHER, "active")


@pytest.mark.parametrize(("state", "status"), [("active", "finished"), ("error", "error")])
def test_what_another_engine_has_recovered_without_the_cluster_was_recovered(
    world: World, state: str, status: str
) -> None:
    """The host is back, and is not fenced for what is elsewhere; nor is that forgotten."""
    world.add(Server("g1", host=OTHER, vm=state, locked=True), Server("g2", host=OTHER))
    notification = world.notify()
    first = float(int(world.nova.clock()) - 100)
    instances = (Instance("g1", "active", power_state=1), Instance("g2", "active", power_state=1))
    gone = Record(HOST, str(notification.notification_uuid), "unit-1.boot.1.1")
    proof = Proof(first, "fenced", HOST)
    Records(world.cib).create(replace(gone, proof=proof, instances=instances))
    world.alive["unit-1.boot.1.1"] = False
    world.remote.online, world.remote.role, world.remote.fenced = True, "Started", 0
    world.cib.fenced(HOST, 0)
    world.remote.events = [("reboot", "success", first)]
    world.remote.connected = first + 10
    world.service(HOST).status = "disabled"
    assert world.process(notification) == status
    found = world.record()
    if status == "finished":
        assert (found.end.outcome, found.used) == (RECOVERED, first)
        assert not world.nova.instances["g1"].locked
    else:
        assert found.end.outcome == REFUSED
        assert "g1 (" in world.refused() and world.refused().count("not recovered") == 1


def test_of_a_record_that_cannot_be_read_the_end_is_not_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status names it; a thread that waits would have Masakari's lock of the host."""
    world.add(Server("g1"))
    world.power_cut()
    notification = world.notify()
    monkeypatch.setattr(ending, "time", SimpleNamespace(monotonic=time.monotonic))

    def spoil(name: str, uuid: str) -> None:
        for pair in world.cib.root.iter("nvpair"):
            if pair.get("id", "").endswith("-record"):
                pair.set("value", '{"version": 99}')

    world.nova.after = spoil
    assert world.process(notification) == "error"


@pytest.mark.parametrize(("allowed", "waits"), [(True, False), (False, True)])
def test_without_a_cluster_nobody_else_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch, allowed: bool, waits: bool
) -> None:
    """Where the operator wants recoveries without one, there may never be an answer."""
    CONF.set_override("allow_unfenced_recovery", allowed, group="fencing")
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        world.cib.fail = lambda argv: 0

    monkeypatch.setattr(ending, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    this = Attempt(world.context, HOST, str(world.notify().notification_uuid))
    world.cib.fail = lambda argv: 107
    try:
        assert ending.others_end(this) is None
    finally:
        CONF.clear_override("allow_unfenced_recovery", group="fencing")
    assert bool(waited) is waits


def test_who_finds_its_notification_carried_out_leaves_no_host_in_maintenance(
    world: World,
) -> None:
    """It took it up from an old list: the host was recovered, and returned, in the meantime."""
    world.segment.recovery_method = "reserved_host"
    world.segment.save()
    notification = world.notify()
    record = Record(HOST, str(notification.notification_uuid), "unit-1.boot.1.1")
    Records(world.cib).create(replace(record, end=End(RECOVERED, "", 1.0)))
    assert world.process(notification) == "finished"
    assert not world.host().on_maintenance
