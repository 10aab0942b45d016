"""The action `retry-recovery`."""

from __future__ import annotations

from typing import Any

import pytest
from ops import testing

from action_calls import fail, run
from fakecloud import FakeCloud
from machine import Machine
from recoveries.retrying import REQUEUE

ONE = "node1.maas"
UUID = "0d9b5dd6-7e5b-4a5a-b1f0-3fd1c2b2b0a1"


def failure(cloud: FakeCloud, status: str, **changes: Any) -> None:
    [host] = [h for h in cloud.hosts.values() if h["name"] == ONE]
    host["on_maintenance"] = True
    cloud.notifications.append(
        {
            "id": len(cloud.notifications) + 1,
            "notification_uuid": UUID,
            "type": "COMPUTE_HOST",
            "status": status,
            "source_host_uuid": host["uuid"],
            "payload": {"event": "STOPPED"},
            "generated_time": "2026-11-21T03:53:43.000000",
            **changes,
        }
    )


@pytest.fixture
def segment(ctx: testing.Context, state: testing.State, cloud: FakeCloud) -> FakeCloud:
    run(ctx, state, "create-segment", name="rack1", hosts=ONE)
    return cloud


@pytest.mark.parametrize("status", ["error", "failed"])
def test_it_is_begun_again_as_the_notifier_would(
    ctx: testing.Context, state: testing.State, machine: Machine, segment: FakeCloud, status: str
) -> None:
    failure(segment, status)
    found = run(ctx, state, "retry-recovery", host=ONE)
    assert (found["outcome"], found["recovery"]) == ("begun again", UUID)
    assert machine.has_run(*REQUEUE) == [[*REQUEUE, UUID]]


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("running", f"goes on (running): see show-recovery id={UUID}"),
        ("new", "goes on (new)"),
        ("finished", "has not failed, it is finished"),
        ("ignored", "has not failed, it is ignored"),
    ],
)
def test_one_that_has_not_failed_is_left_alone(
    ctx: testing.Context,
    state: testing.State,
    machine: Machine,
    segment: FakeCloud,
    status: str,
    text: str,
) -> None:
    failure(segment, status)
    assert text in fail(ctx, state, "retry-recovery", host=ONE)
    assert machine.has_run(*REQUEUE) == []


def test_a_host_that_has_not_failed_or_is_back_or_is_unknown(
    ctx: testing.Context, state: testing.State, machine: Machine, segment: FakeCloud
) -> None:
    assert "has not failed: there is no recovery" in fail(ctx, state, "retry-recovery", host=ONE)
    assert "host x is in no segment" in fail(ctx, state, "retry-recovery", host="x")
    failure(segment, "failed")
    next(iter(segment.hosts.values()))["on_maintenance"] = False
    assert "is in service again" in fail(ctx, state, "retry-recovery", host=ONE)
    assert machine.has_run(*REQUEUE) == []


def test_masakari_that_cannot_be_told(
    ctx: testing.Context, state: testing.State, machine: Machine, segment: FakeCloud
) -> None:
    failure(segment, "failed")
    machine.host.runner.answer([*REQUEUE], (1, "no broker"))
    assert "Masakari could not be told" in fail(ctx, state, "retry-recovery", host=ONE)
