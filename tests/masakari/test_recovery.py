"""A host's recovery from its notification to its end, by the real Masakari."""

from __future__ import annotations

import datetime
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import eventlet
import pytest
from conftest import CONF, HOST, World, use_threads
from fencing_nova import HttpError, Server
from masakari_fencing.records.recoveries import Records, mark_returned
from masakari_fencing.records.recovery import FAILED, NOTHING, RECOVERED, REFUSED
from masakari_fencing.workflow import attempt, ending, recovery_lock
from masakari_fencing.workflow.instances import recovery


def test_the_instances_of_a_fenced_host_come_up_elsewhere(world: World) -> None:
    world.add(Server("g1"), Server("g2", vm="stopped", power=4), Server("g3", host="node2.maas"))
    fenced = world.power_cut()
    notification = world.notify()
    assert world.process(notification) == "finished"
    hosts = {s.id: (s.host, s.vm, s.locked) for s in world.nova.instances.values()}
    assert hosts == {
        "g1": ("node9.maas", "active", False),
        "g2": ("node9.maas", "stopped", False),
        "g3": ("node2.maas", "active", False),
    }
    service = world.service(HOST)
    assert (service.forced_down, service.status) == (True, "disabled")
    assert world.host().on_maintenance
    record = world.record()
    assert record.end.outcome == RECOVERED and record.used == fenced
    assert world.refused() == ""


@pytest.mark.parametrize("first", [[], ["g1"]])
def test_what_one_list_lacks_is_recovered_all_the_same(world: World, first: list[str]) -> None:
    """Nova leaves out what a cell has whose database does not answer just then."""
    world.add(Server("g1"), Server("g2"))
    world.power_cut()
    listed, shown = world.nova.servers.list, [first]

    def some(**options: Any) -> list[Any]:
        names = shown.pop() if shown else None
        return [s for s in listed(**options) if names is None or s.id in names]

    world.nova.servers.list = some
    world.nova.page = 1
    assert world.process(world.notify()) == "finished"
    assert {s.host for s in world.nova.instances.values()} == {"node9.maas"}


@pytest.mark.parametrize("away", [False, True])
def test_a_migration_that_nobody_ends_holds_no_recovery(
    world: World, monkeypatch: pytest.MonkeyPatch, away: bool
) -> None:
    """Its source has died, too, long ago; or Nova does not answer that."""
    world.add(Server("g1"))
    world.power_cut()
    way = {"source_compute": "node2.maas", "dest_compute": HOST, "status": "running"}
    long_ago = "2026-01-01T00:00:00"
    times = {"created_at": long_ago, "updated_at": long_ago, "due": 0}
    orphan = SimpleNamespace(instance_uuid="g2", migration_type="live-migration", **way, **times)
    world.nova.migrations_made.append(orphan)
    listed, clock = world.nova.migrations.list, [0.0]

    def list_(**options: Any) -> Any:
        if away and "status" in options:
            raise HttpError(503, "away")
        return listed(**options)

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    world.nova.migrations.list = list_
    monkeypatch.setattr(recovery.time, "sleep", sleep)
    monkeypatch.setattr(recovery.time, "monotonic", lambda: clock[0])
    assert world.process(world.notify()) == "finished"
    assert clock[0] == 0 or (away and clock[0] <= recovery.ARRIVING + 10)


def test_what_is_about_to_arrive_by_a_live_migration_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its source has not heard of the host since, and writes a minute later that it is there."""
    world.add(Server("g1", host="node2.maas", task="migrating"))
    world.power_cut()
    way = {"source_compute": "node2.maas", "dest_compute": HOST, "status": "running"}
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    times = {"created_at": now, "updated_at": now, "due": 0}
    record = SimpleNamespace(instance_uuid="g1", migration_type="live-migration", **way, **times)
    world.nova.migrations_made.append(record)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            found = world.nova.instances["g1"]
            found.host, found.task, record.status = HOST, None, "completed"

    monkeypatch.setattr(recovery.time, "sleep", sleep)
    assert world.process(world.notify()) == "finished"
    assert world.nova.instances["g1"].host == "node9.maas"


def test_nothing_is_done_about_a_host_that_is_not_fenced(world: World) -> None:
    world.add(Server("g1"))
    notification = world.notify()
    assert world.process(notification) == "error"
    assert world.nova.requests == []
    assert world.record().end.outcome == REFUSED
    assert "has not fenced it" in world.refused() and '"outcome": "refused"' in world.refused()
    world.power_cut()
    assert world.process(notification) == "finished", "once it is"
    assert world.nova.instances["g1"].host == "node9.maas"
    assert world.refused() == ""


def test_of_two_engines_with_one_notification_one_works_and_both_say_the_same(
    world: World,
) -> None:
    """Masakari's periodic task works on a list that is older than the other engine's work."""
    # The second waits for the first, however slow the machine is.
    CONF.set_override("recovery_timeout", 120, group="fencing")
    world.add(*(Server(f"g{n}") for n in range(6)))
    world.nova.rebuild = 0.3
    world.power_cut()
    notification = world.notify()

    def engine(name: str, pause: float) -> Any:
        stale = world.again(notification)
        eventlet.sleep(pause)
        world.engine = name
        # As it was when the list was made: `error`, whatever it is by now.
        stale.status = "error"
        return world.manager()._handle_notification_type_host(world.context, stale)

    outcomes = use_threads(
        world, lambda: engine("unit-0.b.1.1", 0), lambda: engine("unit-1.b.1.1", 0.1)
    )
    assert outcomes == ["finished", "finished"]
    evacuated = [m.instance_uuid for m in world.nova.migrations_made]
    assert sorted(evacuated) == [f"g{n}" for n in range(6)], "each once"


def test_a_report_after_the_recovery_is_about_the_same_fence(world: World) -> None:
    world.add(Server("g1"))
    moment = world.power_cut()
    world.process(world.notify())
    late = world.notify(moment + 3)
    assert world.process(late) == "finished"
    assert len(world.nova.migrations_made) == 1
    assert world.host().on_maintenance, "it is still off"
    assert world.record().end.outcome == NOTHING and world.record().used == moment


def test_a_returned_host_is_not_fenced_for_what_it_was_recovered_from(world: World) -> None:
    world.add(Server("g1"))
    moment = world.power_cut()
    events = [("reboot", "success", moment)]
    world.process(world.notify())
    back(world)
    world.remote.events, world.remote.connected = events, moment + 60
    late = world.notify(moment + 3)
    assert world.process(late) == "finished"
    assert world.cluster.runner.ran("stonith_admin") == []
    assert not world.host().on_maintenance, "nor is it taken out of service"


def back(world: World) -> None:
    """The host works, and an operator has taken it back."""
    world.remote.online, world.remote.role, world.remote.fenced = True, "Started", 0
    world.cib.fenced(HOST, 0)
    service = world.service(HOST)
    service.status, service.state, service.forced_down = "enabled", "up", False
    host = world.host()
    host.on_maintenance = False
    host.save()


def test_a_host_in_service_is_not_cut_off_its_instances_are_started_there(world: World) -> None:
    """The API was away until an operator had taken the fenced host back."""
    moment = int(world.nova.clock()) - 120
    world.add(
        Server("g1"),
        Server("g2", vm="stopped", power=4),
        Server("g3", vm="stopped", power=4),
        Server("g4"),
        Server("g5", vm="resized"),
    )
    world.nova.actions = {
        "g2": [action("stop", moment + 60, None)],
        "g3": [action("stop", moment - 60, "owner")],
        "g4": [action("reboot", moment + 70, "owner")],
    }
    back(world)
    world.remote.events, world.remote.connected = [("reboot", "success", moment)], moment + 40
    assert world.process(world.notify(moment)) == "finished"
    assert world.cluster.runner.ran("stonith_admin") == []
    assert world.nova.requests == RESTARTED, "what ran and was not started since"
    assert world.record().used == moment and world.record().end.outcome == RECOVERED
    assert not world.host().on_maintenance
    assert world.process(world.notify(moment + 3)) == "finished", "and once"
    assert world.nova.requests == RESTARTED


RESTARTED = ["reboot g1", "reboot g2", "reset_state g5", "reboot g5"]


def test_what_found_no_room_is_started_on_its_own_host_when_that_is_returned(
    world: World,
) -> None:
    """One does not start at first: the record names it until it does, and nothing is fenced."""
    world.add(Server("g1"), Server("g2"), Server("g3"))
    heard = world.service(HOST).updated_at
    moment = world.power_cut(int(world.nova.clock()) - 120)
    world.remote.events = [("off", "success", moment)]
    world.service(HOST).updated_at = stamp(moment - 5)
    notification = world.notify(moment)
    world.nova.full = {"*"}
    assert world.process(notification) == "error"
    assert [item.uuid for item in world.record().left] == ["g1", "g2", "g3"]
    world.nova.actions = {"g3": [action("stop", moment + 30, "owner")]}
    for server in world.nova.instances.values():
        server.vm, server.power = "stopped", 4
    back(world)
    world.service(HOST).updated_at = heard
    world.remote.events = [("reboot", "success", moment)]
    mark_returned(world.cib, HOST, True)
    record = world.record()
    assert record.down == moment
    Records(world.cib).write(record, replace(record, returned=False))
    world.nova.requests.clear()

    def broken(name: str, uuid: str) -> None:
        if (name, uuid) == ("reboot", "g2"):
            raise HttpError(500, "broken")

    world.nova.fail = broken
    assert world.process(notification) == "error"
    assert [item.uuid for item in world.record().left] == ["g2"]
    assert "g2" in world.refused() and '"outcome": "failed"' in world.refused()
    assert not world.host().on_maintenance, "it works, and may fail again"
    world.nova.fail = lambda name, uuid: None
    assert world.process(notification) == "finished"
    assert world.record().end.outcome == RECOVERED and not world.record().down
    assert world.nova.requests.count("reboot g1") == 1
    assert world.nova.instances["g2"].vm == "active"
    assert world.nova.instances["g3"].vm == "stopped", "as its owner wants it"
    assert world.cluster.runner.ran("stonith_admin") == []


def action(name: str, moment: float, user: str | None) -> Any:
    return SimpleNamespace(action=name, start_time=stamp(moment), user_id=user)


def stamp(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).isoformat()


def test_a_host_that_came_back_in_the_middle_is_fenced_again(world: World) -> None:
    world.add(*(Server(f"g{n}") for n in range(5)))
    moment = world.power_cut()
    notification = world.notify(moment)
    asked: list[str] = []

    def boots(name: str, uuid: str) -> None:
        asked.append(name)
        if asked.count("evacuate") == 3:
            world.remote.online, world.remote.role, world.remote.fenced = True, "Started", 0
            world.cib.fenced(HOST, 0)

    def fence(node: str) -> int:
        world.power_cut(moment + 60)
        return 0

    world.nova.after, world.cluster.fence = boots, fence
    assert world.process(notification) == "error"
    assert "come back" in world.refused()
    assert world.record().end.outcome == FAILED
    world.nova.after = lambda name, uuid: None
    for server in world.nova.instances.values():
        if server.host == HOST:
            server.vm, server.power = "stopped", 4
    assert world.process(notification) == "finished"
    assert len(world.cluster.runner.ran("stonith_admin --fence")) == 1
    states = {(s.host, s.vm, s.locked) for s in world.nova.instances.values()}
    assert states == {("node9.maas", "active", False)}, "what Nova stopped meanwhile runs again"
    done = [m.instance_uuid for m in world.nova.migrations_made if m.status == "done"]
    assert sorted(done) == [f"g{n}" for n in range(5)]


def test_an_end_that_the_cluster_does_not_take_is_written_when_it_does(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody takes a recovery over while the engine lives that its record names."""
    monkeypatch.setattr(recovery_lock, "HELD_TIMEOUT", 0.0)
    monkeypatch.setattr(ending, "PAUSE", 0.0)
    world.add(Server("g1"))
    world.power_cut()
    left = [3]

    def no_quorum(argv: list[str]) -> int:
        if "--modify" in argv and left[0] and world.nova.instances["g1"].host != HOST:
            left[0] -= 1
            return 106
        return 0

    world.cib.fail = no_quorum
    notification = world.notify()
    assert world.process(notification) == "error"
    assert world.record().end.outcome == FAILED and left == [0]
    assert world.process(notification) == "finished"


def test_a_failure_of_what_nobody_could_begin_is_tried_again(world: World) -> None:
    """The cluster did not answer until it had failed; only what has a record is begun again."""
    world.add(Server("g1"))
    world.power_cut()
    notification = world.notify()
    this = attempt.Attempt(world.context, HOST, notification.notification_uuid)
    ending.conclude(this, REFUSED, "not fenced")
    assert world.record() is None, "nothing was tried"
    ending.conclude(this, FAILED, "no room")
    record = world.record()
    assert (record.end.outcome, record.end.reason, record.attempts) == (FAILED, "no room", 1)
    assert (record.notification, record.engine) == (notification.notification_uuid, world.engine)
    assert "no room" in world.refused()
    assert world.process(notification) == "finished"
    assert world.record().end.outcome == RECOVERED
    ending.conclude(attempt.Attempt(world.context, HOST, "another"), FAILED, "too late")
    assert world.record().end.outcome == RECOVERED


@pytest.mark.parametrize("again", [False, True])
def test_a_returned_host_needs_no_reserved_host(again: bool, world: World) -> None:
    """None was free when it failed; it has its instances started, or fails again before that."""
    world.segment.recovery_method = "reserved_host"
    world.segment.save()
    world.add(Server("g1", vm="stopped", power=4))
    moment = float(int(world.nova.clock()) - 120)
    world.nova.actions = {"g1": [action("stop", moment + 60, None)]}
    heard = world.service(HOST).updated_at
    world.power_cut(moment)
    notification = world.notify(moment)
    assert world.process(notification) == "error"
    assert "No reserved_hosts" in world.refused()
    back(world)
    world.service(HOST).updated_at = heard
    record = world.record()
    Records(world.cib).write(record, replace(record, down=moment, used=moment))
    if again:
        world.power_cut()
        world.service(HOST).updated_at = stamp(moment)
        assert world.process(notification) == "error"
        assert not world.record().down
        world.add_host("node9.maas", reserved=True)
        assert world.process(notification) == "finished"
        assert world.nova.instances["g1"].host == "node9.maas"
    else:
        assert world.process(notification) == "finished"
        assert (world.nova.instances["g1"].vm, world.nova.instances["g1"].host) == ("active", HOST)
        assert not world.host().on_maintenance
        assert world.record().end.outcome == RECOVERED
    assert world.cluster.runner.ran("stonith_admin") == []


@pytest.mark.parametrize("method", ["reserved_host", "rh_priority"])
def test_one_passing_error_uses_no_reserved_host_up(method: str, world: World) -> None:
    world.segment.recovery_method = method
    world.segment.save()
    world.add_host("node9.maas", reserved=True)
    world.add(Server("g1"))
    world.power_cut()
    world.nova.fail = lambda name, uuid: (
        _raise(HttpError(400, "x")) if name == "evacuate" else None
    )
    notification = world.notify()
    assert world.process(notification) == "error"
    assert world.record().reserved == ("node9.maas",)
    world.nova.fail = lambda name, uuid: None
    assert world.process(notification) == "finished"
    assert world.nova.instances["g1"].host == "node9.maas"
    assert not world.host("node9.maas").reserved and world.record().reserved == ()


def test_who_is_cut_off_as_it_takes_a_reserved_host_uses_none_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own part of the cluster forgets what it has written, and others recover the host."""
    monkeypatch.setattr(recovery_lock, "HELD_TIMEOUT", 0.0)
    world.segment.recovery_method = "reserved_host"
    world.segment.save()
    world.add_host("node9.maas", reserved=True)
    world.add(Server("g1"))
    world.power_cut()

    refused = []

    def cut_off(argv: list[str]) -> bool:
        if "--modify" in argv and "node9.maas" in world.cib.text and not refused:
            world.cib.quorum(False)
        return False

    def back(argv: list[str]) -> int:
        if 'have-quorum="0"' in world.cib.text:
            refused.append(argv)
            world.cib.quorum(len(refused) > 2)
        return 0

    world.cib.fail = back
    world.cib.lose = cut_off
    assert world.process(world.notify()) == "error"
    assert world.host("node9.maas").reserved
    assert world.nova.instances["g1"].host == HOST


def test_what_was_not_needed_is_reserved_again(world: World) -> None:
    world.reserve("node3.maas", "node9.maas")
    world.add(Server("g1"))

    def first_is_full(name: str, uuid: str) -> None:
        enabled = {
            f"node{n}.maas" for n in (3, 9) if world.service(f"node{n}.maas").status == "enabled"
        }
        if name == "enable" and len(enabled) == 1:
            world.nova.full = enabled

    world.nova.after = first_is_full
    world.power_cut()
    assert world.process(world.notify()) == "finished"
    [full] = world.nova.full
    assert world.nova.instances["g1"].host in {"node3.maas", "node9.maas"} - {full}
    assert world.host(full).reserved and world.service(full).status == "disabled"
    assert not world.host(world.nova.instances["g1"].host).reserved


def test_without_any_reserved_host_the_status_says_so_and_it_is_tried_again(world: World) -> None:
    world.segment.recovery_method = "reserved_host"
    world.segment.save()
    world.add(Server("g1"))
    world.power_cut()
    notification = world.notify()
    assert world.process(notification) == "error"
    assert "reserved-hosts" in world.refused()
    assert world.record().end.outcome == FAILED
    world.add_host("node9.maas", reserved=True)
    assert world.process(notification) == "finished"


def test_a_disabled_segment_is_off_by_whatever_way_its_notification_comes(world: World) -> None:
    world.segment.enabled = False
    world.segment.save()
    world.add(Server("g1"))
    world.power_cut()
    notification = world.notify()
    assert world.process(notification) == "error"
    assert "segment rack1 is disabled" in world.refused()
    assert world.nova.requests == []


def _raise(error: Exception) -> None:
    raise error
