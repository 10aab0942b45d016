"""The action `plan-recovery`: what would happen now."""

from __future__ import annotations

import json
from typing import Any

import pytest
from masakari_fencing.cluster import health
from masakari_fencing.cluster.health import Problem
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records.disarmed import Disarmed
from ops import testing

from action_calls import fail, run
from fakerooms import OWN_PROJECT, RoomyCloud
from model import with_config

GROUP, PRIORITY = "instanceha:restart_group", "instanceha:restart_priority"
ONE, TWO, THREE = "node1.maas", "node2.maas", "node3.maas"


@pytest.fixture
def plan(
    ctx: testing.Context, state: testing.State, cloud: RoomyCloud, problems: list[Problem]
) -> Any:
    def look(host: str = ONE, **options: Any) -> dict[str, Any]:
        return run(ctx, with_config(state, **options), "plan-recovery", host=host)

    return look


def test_where_each_guest_would_go(plan: Any, cloud: RoomyCloud) -> None:
    cloud.add_segment("rack1", ONE, TWO, method="rh_priority", reserved=THREE)
    cloud.rooms[THREE] = {"MEMORY_MB": 2048}
    later = cloud.boot(ONE, "later")
    cloud.boot(ONE, "huge", ram=99999)
    cloud.boot(ONE, "first", metadata={"HA_Enabled": "True"})
    cloud.log.clear()
    results = plan()
    lines = results.pop("table").splitlines()
    assert lines[0].startswith("   1 first (")
    assert lines[0].endswith(", active): reserved host node3.maas")
    assert "NO PLACE FOUND: no host found with 10 DISK_GB" not in lines[1]
    assert "huge (" in lines[1]
    assert "NO PLACE FOUND: no host found with 99999 MEMORY_MB, 1 VCPU left" in lines[1]
    assert lines[2].endswith("Nova picks; there is room on node2.maas")
    assert json.loads(results.pop("plan"))[2] == {
        "uuid": later,
        "name": "later",
        "state": "active",
        "needs": {"VCPU": 1, "MEMORY_MB": 2048},
        "room-on": TWO,
        "reason": "",
    }
    seconds = results.pop("seconds")
    assert seconds.startswith("noticed within 5 s, then fenced; how long the rest takes is not")
    assert results == {
        "outcome": "partly",
        "host": ONE,
        "segment": "rack1",
        "recovery-method": "rh_priority",
        "fenced-by": "guard, st-maas",
        "instances": 3,
        "without-a-place": 1,
    }
    assert [entry for entry in cloud.log if "tokens" not in entry[1]] == [], "nothing is changed"


def test_the_order_of_the_recovery(plan: Any, cloud: RoomyCloud) -> None:
    cloud.add_segment("rack1", ONE, TWO)
    cloud.images = {"db-image": {"id": "db-image", GROUP: "db", "tags": []}}
    for name in ("web", "db-1", "db-2"):
        cloud.boot(ONE, name, image={"id": "db-image"} if name != "web" else {"id": "gone"})
    cloud.boot(ONE, "first", extra_specs={PRIORITY: "900"})
    wrong = cloud.boot(ONE, "wrong", metadata={PRIORITY: "soon"})
    cloud.asked.clear()
    results = plan()
    names = [line.split()[1] for line in results["table"].splitlines()]
    assert names == ["first", "db-2", "db-1", "wrong", "web"]
    assert results["order"] == "1 in no group, then group db (2), then 2 in no group"
    assert results["not-heeded"].startswith(f"{wrong}: server's {PRIORITY} 'soon' is no whole")
    assert cloud.asked["GET /glance/v2/images/db-image"] == 1, "each image once"

    results = plan(**{"restart-order-from": "flavor"})
    names = [line.split()[1] for line in results["table"].splitlines()]
    assert names[0] == "first" and "order" not in results and "not-heeded" not in results
    cloud.silent.add("glance")
    results = plan()
    assert results["outcome"] == "recovered"
    assert "properties of images: Glance: " in results["not-heeded"]


AMPHORA = "amphora-01234567-89ab-cdef-0123-456789abcdef"


def test_who_is_left_alone_and_why(plan: Any, cloud: RoomyCloud) -> None:
    cloud.add_segment("rack1", ONE, TWO)
    cloud.images = {"i1": {"tags": ["cattle"]}}
    cloud.aggregates = [{"hosts": [ONE], "metadata": {"lab": "yes"}}]
    amphora = cloud.boot(ONE, AMPHORA, project=OWN_PROJECT)
    cloud.boot(ONE, AMPHORA.replace("0", "1"), project="a-user")
    tagged = cloud.boot(ONE, "tagged", image={"id": "i1"})
    cloud.boot(ONE, "pet")
    results = plan(**{"recover-never": "image-tag:cattle"})
    assert results["instances"] == 2
    left = results["left-alone"].splitlines()
    assert f"tagged ({tagged}): recover-never has image-tag:cattle" in left
    expected = f"{AMPHORA[:40]} ({amphora}): Octavia replaces its amphorae by itself"
    assert expected in left and len(left) == 2
    assert plan(**{"recover-amphorae": True})["instances"] == 4
    assert plan(**{"recover-only": "aggregate:lab"})["instances"] == 3
    assert plan(**{"recover-never": "aggregate:lab"})["instances"] == 0


def test_what_past_recoveries_took(plan: Any, cloud: RoomyCloud) -> None:
    cloud.add_segment("rack1", ONE)
    cloud.notifications = [
        {
            "id": n,
            "type": "COMPUTE_HOST",
            "status": "finished",
            "payload": {"event": "STOPPED"},
            "generated_time": f"2026-11-2{n}T07:00:00.000000",
            "updated_at": f"2026-11-2{n}T07:00:{n + 10}.000000",
        }
        for n in range(1, 6)
    ]
    cloud.notifications.append({**cloud.notifications[0], "id": 9, "generated_time": ""})
    late = {"status": "failed", "updated_at": "2026-11-29T07:00:00.000000"}
    cloud.notifications.append({**cloud.notifications[0], **late})
    text = "the last 5 recoveries took 13 s (11 to 15) from the fence on"
    assert text in plan(remote_monitor_interval=0)["seconds"]
    assert "noticed" not in plan(remote_monitor_interval=0)["seconds"]


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("disabled", "segment rack1 is disabled"),
        ("maintenance", "node1.maas is in maintenance"),
        ("device", "node1.maas: no device can fence it (enable it)"),
        ("cluster", "the cluster: STONITH is disabled (enable it)"),
        ("scheduler", "nova-scheduler: none is up"),
        ("other host", ""),
    ],
)
def test_what_stands_in_the_way(
    plan: Any, cloud: RoomyCloud, problems: list[Problem], what: str, text: str
) -> None:
    cloud.add_segment("rack1", ONE, TWO)
    cloud.boot(ONE, "guest")
    if what == "disabled":
        next(iter(cloud.segments.values()))["enabled"] = False
    elif what == "maintenance":
        cloud.host_entry(ONE)["on_maintenance"] = True
    elif what == "scheduler":
        cloud.down.add("nova-scheduler")
    else:
        problems += {
            "device": [Problem(ONE, "no device can fence it", "enable it")],
            "cluster": [Problem("", "STONITH is disabled", "enable it")],
            "other host": [Problem(TWO, "no device can fence it", "enable it")],
        }[what]
    results = plan()
    assert results["outcome"] == ("not-recovered" if text else "recovered")
    assert results.get("obstacles", "").startswith(text)


def test_while_disarmed(plan: Any, cloud: RoomyCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.add_segment("rack1", ONE, TWO)
    part = Disarmed("s", "rack1", (ONE,), 0.0, 9e9, "the switch")

    def in_force(self: object, host: str | None = None) -> Disarmed | None:
        return part if host in (ONE, None) else None

    monkeypatch.setattr("recoveries.disarm.Disarm.in_force", in_force)
    results = plan()
    assert results["outcome"] == "not-recovered"
    assert f"an operator's word: {part} (run arm" in results["obstacles"]
    assert plan(TWO)["outcome"] == "recovered"


def test_without_fencing(plan: Any, cloud: RoomyCloud) -> None:
    cloud.add_segment("rack1", ONE)
    results = plan(allow_recovery_without_fencing=True)
    assert results["fenced-by"].startswith("nothing, as allow-recovery-without-fencing")
    assert (results["outcome"], results["table"]) == ("recovered", "no instance to recover")


@pytest.mark.usefixtures("problems")
def test_what_cannot_be_planned(
    ctx: testing.Context,
    state: testing.State,
    cloud: RoomyCloud,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert fail(ctx, state, "plan-recovery", host=ONE) == (
        "host node1.maas is in no segment; hosts in segments: none"
    )
    cloud.add_segment("rack1", ONE)
    text = fail(ctx, state, "plan-recovery", host="x; reboot")
    assert text == "host x; reboot is in no segment; hosts in segments: node1.maas"

    def silent(runner: object, host: str) -> None:
        raise PacemakerError("not connected")

    monkeypatch.setattr(health, "able", silent)
    text = fail(ctx, state, "plan-recovery", host=ONE)
    assert text == "Pacemaker does not answer: not connected"
    cloud.silent.add("placement")
    assert fail(ctx, state, "plan-recovery", host=ONE).startswith("Placement: ")
    machine_paused = with_config(state, vip="x")
    assert fail(ctx, machine_paused, "check") == "vip: 'x' is not an IP address"


class TestDestination:
    @pytest.fixture(autouse=True)
    def segments(self, cloud: RoomyCloud) -> None:
        """The host with most memory is in another segment, and shares a rack."""
        cloud.add_segment("rack1", ONE, TWO)
        cloud.add_segment("rack2", THREE)
        cloud.rooms[TWO] = {"MEMORY_MB": 4096}
        cloud.aggregates.append({"name": "a", "hosts": [ONE, THREE], "metadata": {"rack": "a"}})

    @pytest.mark.parametrize(
        ("within", "there"), [("", THREE), ("segment", TWO), ("aggregate:rack", THREE)]
    )
    def test_the_plan_keeps_to_it(
        self, plan: Any, cloud: RoomyCloud, within: str, there: str
    ) -> None:
        cloud.boot(ONE, "g1")
        (line,) = plan(**{"recovery-destination": within})["table"].splitlines()
        assert line.endswith(f"there is room on {there}")

    @pytest.mark.parametrize(
        ("fallback", "said"),
        [
            (True, f"there is room on {THREE}"),
            (False, "NO PLACE FOUND: no host found where recovery-destination lets it go with"),
        ],
    )
    def test_what_does_not_fit_there(
        self, plan: Any, cloud: RoomyCloud, fallback: bool, said: str
    ) -> None:
        cloud.boot(ONE, "g1", ram=8192)
        options = {"recovery-destination": "segment", "recovery-destination-fallback": fallback}
        assert said in plan(**options)["table"]

    def test_of_two_reserved_hosts_the_nearest_is_foretold(
        self, plan: Any, cloud: RoomyCloud
    ) -> None:
        cloud.segments.clear()
        cloud.hosts.clear()
        cloud.add_segment("rack1", ONE, TWO, method="reserved_host", reserved=THREE)
        for entry in cloud.hosts.values():
            entry["reserved"] = entry["name"] != ONE
        cloud.boot(ONE, "g1")
        assert plan()["table"].endswith(f"reserved host {THREE}")
