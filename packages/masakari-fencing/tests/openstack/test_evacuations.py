"""Which evacuations are under way."""

from __future__ import annotations

import datetime
from types import SimpleNamespace

import pytest
from masakari_fencing.openstack import evacuations

HOST = "node1.maas"
NOW = 2_000_000.0
LIMIT = 1800.0


def moment(age: float) -> str:
    when = datetime.datetime.fromtimestamp(NOW - age, datetime.timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%S.000000")


def record(status: str, age: float, **changes: object) -> SimpleNamespace:
    values = {
        "instance_uuid": "guest",
        "migration_type": "evacuation",
        "source_compute": HOST,
        "dest_compute": "node2.maas",
        "status": status,
        "created_at": moment(age + 1),
        "updated_at": moment(age),
    }
    return SimpleNamespace(**{**values, **changes})


def under_way(migration: SimpleNamespace, *dead: str) -> list[str]:
    return evacuations.under_way([migration], HOST, now=NOW, limit=LIMIT, dead=dead)


@pytest.mark.parametrize(
    ("status", "patience"),
    [
        ("accepted", evacuations.ACCEPTED_LIMIT),
        ("pre-migrating", LIMIT),
        ("a state of a newer release", LIMIT),
        ("done", evacuations.QUIET),
    ],
)
def test_how_long_a_record_counts(status: str, patience: float) -> None:
    assert under_way(record(status, patience - 1)) == ["guest to node2.maas"]
    assert under_way(record(status, patience + 1)) == []


@pytest.mark.parametrize("status", ["completed", "failed", "error", "cancelled"])
def test_what_has_ended_is_not_waited_for(status: str) -> None:
    assert under_way(record(status, 0)) == []


def test_one_that_no_host_has_taken_up_yet() -> None:
    begun = record("accepted", 0, dest_compute=None, updated_at=None)
    assert under_way(begun) == ["guest to a host yet to be found"]


def test_without_a_time_it_counts() -> None:
    assert under_way(record("pre-migrating", 0, updated_at=None, created_at="?"))


@pytest.mark.parametrize(
    "other",
    [
        record("pre-migrating", 0, migration_type="live-migration"),
        record("pre-migrating", 0, source_compute="node3.maas"),
    ],
    ids=["of another kind", "of another host"],
)
def test_a_record_of_something_else(other: SimpleNamespace) -> None:
    assert under_way(other) == []


def test_a_rebuild_on_a_dead_host_has_ended() -> None:
    assert under_way(record("pre-migrating", 0), "node2.maas") == []


class Nova:
    """As much of novaclient as has to do with evacuations."""

    def __init__(self, *migrations: SimpleNamespace) -> None:
        self.dead: list[str] = []
        self.asked: list[str] = []
        self.migrations = SimpleNamespace(list=lambda host: self._found(host, migrations))
        self.services = SimpleNamespace(list=self._services)

    def _found(self, host: str, found: tuple[SimpleNamespace, ...]) -> list[SimpleNamespace]:
        assert host == HOST
        return list(found)

    def _services(self, binary: str) -> list[SimpleNamespace]:
        self.asked.append(binary)
        return [
            SimpleNamespace(
                host=f"node{n}.maas", state="up", forced_down=f"node{n}.maas" in self.dead
            )
            for n in (1, 2, 3)
        ]

    def under_way(self, only: str = "", task: str = "") -> list[str]:
        return evacuations.under_way_now(self, HOST, now=NOW, limit=LIMIT, only=only, task=task)


def test_nova_is_asked_for_those_of_all_instances_or_of_one() -> None:
    nova = Nova(record("accepted", 1), record("accepted", 1, instance_uuid="other"))
    assert nova.under_way() == ["guest to node2.maas", "other to node2.maas"]
    assert nova.under_way("guest") == ["guest to node2.maas"]
    assert nova.under_way("a third") == []


def test_on_a_host_that_was_fenced_nothing_is_rebuilt() -> None:
    nova = Nova(record("pre-migrating", 0), record("pre-migrating", 0, dest_compute="node3.maas"))
    nova.dead = ["node1.maas", "node2.maas"]
    assert nova.under_way() == ["guest to node3.maas"]


@pytest.mark.parametrize("task", sorted(evacuations.GATED))
def test_a_rebuild_that_has_not_begun_to_start_the_guest_is_waited_for_briefly(task: str) -> None:
    for age, waits in ((evacuations.GATED_LIMIT - 1, True), (evacuations.GATED_LIMIT + 1, False)):
        nova = Nova(record("pre-migrating", age))
        assert bool(nova.under_way("guest", task)) is waits
        assert nova.under_way("guest", evacuations.SPAWNING)


def test_one_that_is_starting_is_waited_for_as_long_as_neutron_may_take() -> None:
    for age, waits in ((evacuations.SPAWN_LIMIT - 1, True), (evacuations.SPAWN_LIMIT + 1, False)):
        nova = Nova(record("pre-migrating", age))
        assert bool(nova.under_way("guest", evacuations.SPAWNING)) is waits
        assert nova.under_way("guest")


@pytest.mark.parametrize(
    ("found", "there"),
    [
        ([], ""),
        ([record("pre-migrating", 5000)], "node2.maas"),
        ([record("failed", 5000)], ""),
        ([record("completed", 5000)], "node2.maas"),
        ([record("completed", 5000, dest_compute=None)], ""),
        (
            [
                record("completed", 5000),
                record("completed", 900, source_compute="node2.maas", dest_compute=HOST),
            ],
            "",
        ),
        ([record("accepted", 5000, dest_compute=None)], ""),
        ([record("accepted", 5000)], ""),
        ([record("pre-migrating", 5000, instance_uuid="other")], ""),
        ([record("pre-migrating", 5000, source_compute="node3.maas")], ""),
        ([record("pre-migrating", 5000, migration_type="live-migration")], ""),
        ([record("pre-migrating", 5000), record("failed", 10)], "node2.maas"),
        ([record("pre-migrating", 5000), record("error", 10, dest_compute=None)], ""),
        ([record("pre-migrating", 5000), record("failed", 10, dest_compute="node3.maas")], ""),
    ],
)
def test_where_an_instance_may_have_been_left(found: list[SimpleNamespace], there: str) -> None:
    nova = Nova(*found)
    assert evacuations.left_at(nova, HOST, "guest") == there
    nova.dead = ["node2.maas"]
    assert evacuations.left_at(nova, HOST, "guest") == "", "nothing runs on a fenced host"


def test_where_nothing_goes_on_no_service_is_asked_for() -> None:
    nova = Nova(record("completed", 0))
    assert nova.under_way() == []
    assert nova.asked == []


def test_what_its_old_host_calls_completed_may_go_on_while_it_is_being_rebuilt() -> None:
    """A nova-compute that starts says so of every evacuation."""
    nova = Nova(record("completed", 30))
    assert nova.under_way("guest", evacuations.SPAWNING)
    assert not nova.under_way("guest"), "it has ended, or was never begun"
    nova = Nova(record("completed", evacuations.SPAWN_LIMIT + 10))
    assert not nova.under_way("guest", evacuations.SPAWNING)
