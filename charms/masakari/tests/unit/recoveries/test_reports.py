"""What became of recoveries, as Masakari's API tells it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest
from masakari_fencing.records import progress
from masakari_fencing.records.progress import Moved
from masakari_fencing.records.recovery import Instance
from ops import testing

from action_calls import fail, run
from fakecloud import FakeCloud
from recoveries import picture, reports

HOST = "node1.maas"
UUID = "0d9b5dd6-7e5b-4a5a-b1f0-3fd1c2b2b0a1"
NO_VALID = "No valid host was found"


def told(second: float, text: str) -> dict[str, str]:
    return {"timestamp": f"2026-11-21 03:53:{second:09.6f}", "progress": "0.5", "message": text}


def task(name: str, *lines: dict[str, str]) -> dict[str, Any]:
    return {"name": name, "progress": 1.0, "state": "SUCCESS", "progress_details": list(lines)}


def notification(cloud: FakeCloud, status: str = "finished", **changes: Any) -> dict[str, Any]:
    """A recovery that lasted from 03:53:40 to 03:53:49."""
    [host] = [h for h in cloud.hosts.values() if h["name"] == HOST]
    left = [Instance("g1", "active"), Instance("g2", "paused"), Instance("g3", "active")]
    return {
        "id": 1,
        "notification_uuid": UUID,
        "type": "COMPUTE_HOST",
        "status": status,
        "source_host_uuid": host["uuid"],
        "payload": {"event": "STOPPED"},
        "generated_time": "2026-11-21T03:53:43.000000",
        "created_at": "2026-11-21T03:53:43.000000",
        "updated_at": "2026-11-21T03:53:49.000000",
        # Masakari gives the tasks in an order of its own.
        "recovery_workflow_details": [
            task(
                "recover_instances_task",
                told(44.0, progress.lost(HOST, 1_795_233_220.0)),
                told(44.1, progress.left_alone("g9", "recover-never has name:x")),
                told(44.2, progress.evacuating(HOST, left)),
                told(48.0, progress.moved(Moved("g1", "active", "active", "node2.maas", 3.5))),
                told(48.0, progress.moved(Moved("g2", "paused", "stopped", "node2.maas", 3.7))),
                told(48.5, progress.moved(Moved("g3", "active", "", "", 4.0, NO_VALID))),
                told(48.9, progress.moved(Moved("g3", "active", "active", "node3.maas", 4.1))),
            ),
            task(
                "ensure_host_fenced_task",
                told(43.4, f"Waiting for host '{HOST}' to be fenced: soon"),
                told(43.8, progress.proven(HOST, "fenced at 2026-11-21 03:53:42Z")),
            ),
        ],
        **changes,
    }


@pytest.fixture
def recovered(ctx: testing.Context, state: testing.State, cloud: FakeCloud) -> FakeCloud:
    run(ctx, state, "create-segment", name="rack1", hosts=HOST)
    cloud.notifications.append(notification(cloud))
    return cloud


def test_a_recovery(ctx: testing.Context, state: testing.State, recovered: FakeCloud) -> None:
    found = dict(run(ctx, state, "show-recovery", id=UUID))
    assert found["host"] == HOST
    assert found["proof"] == "fenced at 2026-11-21 03:53:42Z"
    assert found["phases"] == {
        "detected": "0.0",
        "fenced": "2.0",
        "notified": "3.0",
        "evacuating": "4.2",
        "done": "9.0",
    }
    one = {"from": HOST, "to": "node2.maas", "before": "active", "after": "active"}
    assert found["instances"]["g1"] == {**one, "seconds": "3.5"}
    assert found["left-alone"] == {"g9": "recover-never has name:x"}
    assert found["instances"]["g2"]["before"] == "paused"
    assert found["instances"]["g2"]["after"] == "stopped"
    assert found["instances"]["g3"]["to"] == "node3.maas", "the last attempt counts"
    assert "problem" not in found["instances"]["g3"]
    assert "return-host" in found["next"]
    lines = found["timeline"].splitlines()
    assert lines[0] == "     0.0 s  lost"
    assert lines[-1] == "     9.0 s  done: finished"
    assert f"     8.5 s  Instance g3 is not recovered after 4.0 s, it was active: {NO_VALID}" in (
        lines
    )
    assert run(ctx, state, "show-recovery") == found, "it is the latest"


def test_a_picture(ctx: testing.Context, state: testing.State, recovered: FakeCloud) -> None:
    """Each attempt of each guest has its bar, as long as it took, and each phase its line."""
    root = ET.fromstring(run(ctx, state, "show-recovery", svg=True)["svg"])  # noqa: S314 - ours
    space = "{http://www.w3.org/2000/svg}"
    bars = root.findall(f"{space}rect")[1:]
    assert len(bars) == 4
    colors = [bar.get("fill") for bar in bars]
    assert colors.count("#c33") == 1
    wide = [float(bar.get("width", "")) for bar in bars]
    assert wide[2] / wide[0] == pytest.approx(4.0 / 3.5, rel=0.01)
    assert all(float(bar.get("x", "")) + w <= 960 for bar, w in zip(bars, wide, strict=True))
    texts = " ".join(text.text or "" for text in root.iter(f"{space}text"))
    assert "evacuating 4.2 s" in texts and "done 9.0 s" in texts and "g3 node3.maas" in texts


def test_a_picture_of_what_was_not_begun() -> None:
    report = reports.Report(UUID, "<a&b>", "running", 0.0, 0.0, 0.0)
    assert "&lt;a&amp;b&gt;" in picture.draw(report)
    ET.fromstring(picture.draw(report))  # noqa: S314 - ours


def test_the_list(ctx: testing.Context, state: testing.State, recovered: FakeCloud) -> None:
    later = {"id": 2, "notification_uuid": "later", "generated_time": "2026-11-21T04:00:00.000000"}
    running = notification(recovered, "running", updated_at=None, **later)
    recovered.notifications.append(running)
    recovered.notifications.append({**running, "id": 3, "type": "VM", "notification_uuid": "vm"})
    back = {"id": 4, "notification_uuid": "back", "generated_time": "2026-11-21T05:00:00.000000"}
    recovered.notifications.append({**running, **back, "payload": {"event": "STARTED"}})
    found = run(ctx, state, "list-recoveries")
    assert found["count"] == 2
    assert [*found["recoveries"]] == ["later", UUID]
    assert found["recoveries"][UUID] == {
        "host": HOST,
        "reported": "2026-11-21T03:53:43Z",
        "status": "finished",
        "seconds": "6.0",
    }
    assert "seconds" not in found["recoveries"]["later"]
    assert run(ctx, state, "list-recoveries", limit=1)["count"] == 1
    assert run(ctx, state, "show-recovery")["recovery"] == "later"
    text = fail(ctx, state, "show-recovery", id="vm")
    assert text == "vm is not the recovery of a host; list-recoveries lists those"


def test_before_anything_has_failed(
    ctx: testing.Context, state: testing.State, cloud: FakeCloud
) -> None:
    assert run(ctx, state, "list-recoveries") == {"count": 0}
    assert "no host has failed yet" in fail(ctx, state, "show-recovery")
    text = fail(ctx, state, "show-recovery", id="../segments?x=1")
    assert text.startswith("Masakari: No notification with id")


def test_one_that_was_reported_before_it_was_fenced(
    ctx: testing.Context, state: testing.State, recovered: FakeCloud
) -> None:
    early = {"generated_time": "2026-11-21T03:53:39.000000"}
    early["created_at"] = "2026-11-21T03:53:39.500000"
    recovered.notifications[0] = notification(recovered, **early)
    phases = run(ctx, state, "show-recovery")["phases"]
    assert [*phases] == ["detected", "notified", "fenced", "evacuating", "done"]


def test_one_that_was_reported_by_a_clock_that_is_ahead(
    ctx: testing.Context, state: testing.State, recovered: FakeCloud
) -> None:
    late = {"generated_time": "2026-11-21T04:53:43.000000"}
    recovered.notifications[0] = notification(recovered, **late)
    found = run(ctx, state, "show-recovery")
    assert (found["reported"], found["seconds"]) == ("2026-11-21T03:53:43Z", "6.0")


def test_one_that_was_refused(
    ctx: testing.Context, state: testing.State, recovered: FakeCloud
) -> None:
    recovered.notifications[0] = notification(
        recovered,
        "error",
        recovery_workflow_details=[
            task("ensure_host_fenced_task", told(44, "Refused to recover the instances: it lives"))
        ],
    )
    found = run(ctx, state, "show-recovery")
    assert "proof" not in found
    assert found["phases"] == {"detected": "0.0", "notified": "0.0"}
    assert found["timeline"].splitlines()[-1] == (
        "     1.0 s  Refused to recover the instances: it lives"
    )
    assert "retried automatically" in found["next"]


@pytest.mark.parametrize(
    "changes",
    [
        {"recovery_workflow_details": None},
        {"recovery_workflow_details": [{"name": "x"}]},
        {"recovery_workflow_details": [task("x", {"timestamp": "soon", "message": "x"})]},
        {"generated_time": None, "created_at": None, "updated_at": ""},
        {"source_host_uuid": "gone"},
    ],
)
def test_what_masakari_does_not_tell_is_left_out(
    ctx: testing.Context, state: testing.State, recovered: FakeCloud, changes: dict[str, Any]
) -> None:
    recovered.notifications[0] = notification(recovered, **changes)
    found = run(ctx, state, "show-recovery")
    assert found["recovery"] == UUID
    if "source_host_uuid" in changes:
        assert found["host"] == "gone"


def test_what_was_told_twice_in_a_row_is_shown_once() -> None:
    same = [reports.Line(1.0, "x"), reports.Line(2.0, "x"), reports.Line(3.0, "y")]
    report = reports.Report(UUID, HOST, "running", 1.0, 1.0, 0.0, same)
    assert reports.timeline(report).count("  x") == 1
