"""Which instances are recovered, and in which order, by the real Masakari; and what is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from conftest import CONF, HOST, World
from fencing_nova import Server
from masakari_fencing.records.recovery import FAILED

GROUP, PRIORITY = "instanceha:restart_group", "instanceha:restart_priority"


def mixed() -> tuple[Server, ...]:
    return (
        Server("plain"),
        Server("marked", metadata={"HA_Enabled": "True"}),
        Server("db-2", metadata={GROUP: "db", PRIORITY: "800"}),
        Server("low", metadata={PRIORITY: "3"}),
        Server("db-1", metadata={GROUP: "db", PRIORITY: "900"}),
        Server("app", metadata={GROUP: "app", PRIORITY: "700"}),
        Server("wrong", metadata={GROUP: " ", PRIORITY: "soon"}),
    )


@pytest.fixture
def one_at_a_time() -> Any:
    CONF.set_override("host_failure_recovery_threads", 1)
    yield
    CONF.clear_override("host_failure_recovery_threads")


def evacuated(world: World) -> list[str]:
    return [name for verb, name in map(str.split, world.nova.requests) if verb == "evacuate"]


def test_groups_go_first_and_within_one_phase_priorities_then_the_key(
    world: World, one_at_a_time: None
) -> None:
    world.add(*mixed())
    world.power_cut()
    notification = world.notify()
    assert world.process(notification) == "finished"
    assert evacuated(world) == ["db-1", "db-2", "app", "marked", "plain", "wrong", "low"]
    assert [item.uuid for item in world.record().instances] == evacuated(world)


def test_a_group_waits_for_the_one_before_it(world: World) -> None:
    world.add(*mixed())
    world.nova.rebuild = 0.3
    world.power_cut()
    requests = world.nova.requests
    assert world.process(world.notify()) == "finished"
    last_db = max(requests.index(f"unlock {name}") for name in ("db-1", "db-2"))
    assert last_db < requests.index("evacuate app")
    assert requests.index("unlock app") < requests.index("evacuate plain")


def test_a_failed_group_is_tried_again_before_the_next_and_after_its_time_no_more(
    world: World,
) -> None:
    world.add(*mixed()[2:6])
    world.nova.full = {"*"}
    world.power_cut()
    notification = world.notify()
    assert world.process(notification) == "error"
    assert set(evacuated(world)) == {"db-1", "db-2"}
    record = world.record()
    assert record.end.outcome == FAILED and record.listed > 0
    assert {item.uuid: item.outcome for item in record.instances}["low"] == "waits for group app"
    world.nova.full = set()
    world.nova.requests.clear()
    world.engine = "unit-1.boot.1.1"
    assert world.process(notification) == "finished"
    assert evacuated(world)[2:] == ["app", "low"], "another engine goes on in the same order"
    assert world.record().instances[0].group == "db"


def test_after_its_time_a_group_begins_although_one_before_it_is_not_up(world: World) -> None:
    CONF.set_override("restart_group_timeout", 1, group="fencing")
    world.add(*mixed()[2:6])

    def fail(name: str, uuid: str) -> None:
        if name == "evacuate" and uuid == "db-1":
            raise ConnectionError("no")

    world.nova.fail = fail
    world.power_cut()
    assert world.process(world.notify()) == "error"
    CONF.clear_override("restart_group_timeout", group="fencing")
    there = {s.id for s in world.nova.instances.values() if s.host == HOST}
    assert there == {"db-1"}


def test_rules_leave_instances_alone_and_say_so(world: World) -> None:
    CONF.set_override("recover_never", "name:cattle-*, nonsense, metadata:spare", group="fencing")
    amphora = "amphora-01234567-89ab-cdef-0123-456789abcdef"
    world.nova.client = SimpleNamespace(session=SimpleNamespace(get_project_id=lambda: None))
    world.add(
        Server("cattle-1"),
        Server("pet", metadata={"spare": "no"}),
        Server("extra", metadata={"spare": "yes"}),
        Server(amphora),
    )
    world.power_cut()
    assert world.process(world.notify()) == "finished"
    CONF.clear_override("recover_never", group="fencing")
    assert evacuated(world) == ["pet"]
    assert [item.uuid for item in world.record().instances] == ["pet"]


@pytest.mark.parametrize("rules", ["name:cattle-*", ""])
def test_a_rule_holds_for_an_instance_that_dies_too(world: World, rules: str) -> None:
    CONF.set_override("recover_never", rules, group="fencing")
    CONF.set_override("process_all_instances", True, group="instance_failure")
    world.add(Server("cattle-1"))
    died = {"event": "LIFECYCLE", "vir_domain_event": "STOPPED_FAILED"}
    status = world.process(world.notify(kind="VM", instance_uuid="cattle-1", **died))
    CONF.clear_override("recover_never", group="fencing")
    CONF.clear_override("process_all_instances", group="instance_failure")
    assert (status == "ignored") is bool(rules)
    assert bool(world.nova.requests) is not bool(rules)


@pytest.mark.parametrize("near", ["node2.maas", "node9.maas"])
@pytest.mark.parametrize("answers", [True, False])
def test_of_two_reserved_hosts_the_one_in_the_same_aggregates_is_taken(
    world: World, near: str, answers: bool
) -> None:
    world.reserve("node2.maas", "node9.maas")

    def aggregates() -> list[Any]:
        if not answers:
            raise ConnectionError("away")
        return [
            SimpleNamespace(name="zone", hosts=[HOST, near], metadata={}),
            SimpleNamespace(name="other", hosts=["node2.maas", "node9.maas"], metadata={}),
        ]

    world.nova.aggregates.list = aggregates
    world.add(Server("g1"))
    world.power_cut()
    assert world.process(world.notify()) == "finished"
    taken = world.nova.instances["g1"].host
    assert taken == near if answers else taken in ("node2.maas", "node9.maas")
