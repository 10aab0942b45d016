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


def action(name: str, second: int, user: str | None = None) -> SimpleNamespace:
    """What novaclient says of something that was done with a guest."""
    moment = f"2026-11-21T07:00:{second:02d}.000000"
    return SimpleNamespace(action=name, start_time=moment, user_id=user)


FAILED = 1795244410.0
"""2026-11-21T07:00:10Z."""


def test_a_guest_that_nova_stopped_when_its_host_was_back() -> None:
    done = [action("stop", 40), action("start", 5, "me"), action("create", 0, "me")]
    assert attempts.powered_off(done, FAILED)
    assert attempts.powered_off(reversed(done), FAILED), "in whatever order they come"


@pytest.mark.parametrize(
    "done",
    [
        [],
        [action("stop", 40, "me")],
        [action("stop", 5)],
        [action("stop", 40), action("start", 45, "me"), action("stop", 50, "me")],
        [action("reboot", 40)],
        [SimpleNamespace(action="stop", start_time=None, user_id=None)],
    ],
    ids=["nothing", "by a user", "before the failure", "then a user did", "no stop", "no time"],
)
def test_a_guest_that_is_to_be_off(done: list[SimpleNamespace]) -> None:
    assert not attempts.powered_off(done, FAILED)
