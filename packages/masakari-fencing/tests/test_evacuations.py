"""Which evacuations are under way, and which guests were left behind."""

from __future__ import annotations

import datetime
from types import SimpleNamespace

import pytest
from masakari_fencing import evacuations

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


@pytest.mark.parametrize("everyone", [False, True])
@pytest.mark.parametrize("skip_errors", [False, True])
def test_who_should_have_been_evacuated(everyone: bool, skip_errors: bool) -> None:
    def guest(name: str, state: str, **metadata: object) -> SimpleNamespace:
        server = SimpleNamespace(id=name, metadata=metadata)
        vars(server)["OS-EXT-STS:vm_state"] = state
        return server

    guests = [
        guest("ha", "active", HA_Enabled="True"),
        guest("ha-broken", "error", HA_Enabled="yes"),
        guest("not-ha", "active", HA_Enabled="False"),
        guest("plain", "stopped"),
    ]
    found = evacuations.left_behind(
        guests, key="HA_Enabled", everyone=everyone, skip_errors=skip_errors
    )
    expected = {"ha"}
    if not skip_errors:
        expected.add("ha-broken")
    if everyone:
        expected |= {"not-ha", "plain"}
    assert set(found) == expected
