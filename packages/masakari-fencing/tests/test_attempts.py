"""Which guests are in ERROR only because an evacuation failed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from masakari_fencing import attempts

HOST = "node1.maas"


def server(**changes: object) -> SimpleNamespace:
    """A guest that ran, and that Nova could not evacuate."""
    values = {
        "id": "guest",
        "fault": {"code": 500, "created": "2026-11-21T07:00:05Z", "message": "No valid host"},
        "OS-EXT-STS:vm_state": "error",
        "OS-EXT-STS:power_state": 1,
    }
    found = SimpleNamespace()
    vars(found).update({**values, **changes})
    return found


def migration(**changes: object) -> SimpleNamespace:
    """Nova's record of that attempt."""
    values = {
        "instance_uuid": "guest",
        "migration_type": "evacuation",
        "source_compute": HOST,
        "status": "error",
        "created_at": "2026-11-21T07:00:04.000000",
        "updated_at": "2026-11-21T07:00:06.000000",
    }
    return SimpleNamespace(**{**values, **changes})


def find(servers: list[Any], migrations: list[Any], host: str) -> list[Any]:
    return attempts.spoiled(servers, attempts.failed(migrations, host))


@pytest.mark.parametrize("status", ["error", "failed"])
def test_an_attempt_that_failed(status: str) -> None:
    spoiled = server()
    assert find([spoiled], [migration(status=status)], HOST) == [spoiled]
    assert find([spoiled], [migration(status=status, updated_at=None)], HOST)


@pytest.mark.parametrize(
    "guest",
    [
        server(**{"OS-EXT-STS:vm_state": "active"}),
        server(**{"OS-EXT-STS:power_state": 4}),
        server(id="another"),
        server(fault=None),
        server(fault={"created": "some time"}),
        server(fault={"created": "2026-11-21T06:58:00Z"}),
        server(fault={"created": "2026-11-21T07:02:00Z"}),
    ],
    ids=["not in error", "shut off", "another", "no fault", "no time", "before", "after"],
)
def test_a_guest_that_is_as_it_was(guest: SimpleNamespace) -> None:
    assert find([guest], [migration()], HOST) == []


@pytest.mark.parametrize(
    "record",
    [
        migration(status="done"),
        migration(migration_type="live-migration"),
        migration(source_compute="node2.maas"),
        migration(created_at=None),
    ],
    ids=["succeeded", "no evacuation", "to this host", "no time"],
)
def test_a_record_of_something_else(record: SimpleNamespace) -> None:
    assert find([server()], [record], HOST) == []
