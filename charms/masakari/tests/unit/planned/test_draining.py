"""The action `drain-host`: a host is emptied while its instances run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from masakari_fencing.records.out_of_service import DRAINED
from ops import testing

import fakecloud
from action_calls import fail, run
from fakerooms import Clock, RoomyCloud
from planned.draining import Drain
from planned.moving import AT_ONCE
from segments.lookup import ActionError

ONE, TWO = "node1.maas", "node2.maas"


@pytest.fixture
def drain(cloud: RoomyCloud, clock: Clock) -> Drain:
    return Drain(fakecloud.connect(cloud), clock.sleep, clock)


def in_service(cloud: RoomyCloud, host: str = ONE) -> tuple[str, bool]:
    """Nova's and Masakari's word on a host."""
    return cloud.services[host]["status"], cloud.host_entry(host)["on_maintenance"]


def test_what_runs_is_moved_and_then_masakari_looks_away(
    drain: Drain, cloud: RoomyCloud, clock: Clock
) -> None:
    running = [cloud.boot(ONE, f"g{n}") for n in range(5)]
    running.append(cloud.boot(ONE, "waits", state="paused"))
    off = cloud.boot(ONE, "off", state="stopped")
    elsewhere = cloud.boot(TWO, "elsewhere")
    cloud.log.clear()
    results = drain.run(ONE, 60)
    assert results["outcome"] == "drained"
    assert sorted(results["moved"].split(",")) == sorted(running) == sorted(cloud.moved)
    assert results["at-rest-there"] == off
    assert results["next"].endswith(f"run return-host host={ONE}")
    assert in_service(cloud) == ("disabled", True)
    assert cloud.services[ONE]["disabled_reason"] == DRAINED
    assert clock.most == AT_ONCE
    kinds = [f"{method} {path.rpartition('/')[0] or path}" for method, path, _ in cloud.log]
    assert kinds[0].startswith("PUT /nova/v2.1/os-services"), "first nothing new comes"
    assert kinds[-1].startswith("PUT /v1/segments"), "and last its failure is none"
    assert elsewhere not in cloud.moved
    cloud.log.clear()
    assert drain.run(ONE, 60)["outcome"] == "unchanged"
    assert cloud.log == []


def test_a_reserved_host_comes_back_as_one(drain: Drain, cloud: RoomyCloud) -> None:
    cloud.host_entry(ONE)["reserved"] = True
    assert drain.run(ONE, 60)["next"].endswith(f"host={ONE} reserved=true")


def test_as_long_as_something_runs_there_a_failure_is_one(drain: Drain, cloud: RoomyCloud) -> None:
    stuck = cloud.boot(ONE, "stuck")
    refused = cloud.boot(ONE, "refused")
    rescued = cloud.boot(ONE, "rescued", state="rescued")
    moved = cloud.boot(ONE, "moved")
    cloud.stuck.add(stuck)
    cloud.refused.add(refused)
    with pytest.raises(ActionError) as caught:
        drain.run(ONE, 60)
    text = str(caught.value)
    assert text.startswith(f"{ONE} is not empty, and not in maintenance: ")
    assert f"stuck ({stuck}, active): No valid host was found." in text
    assert f"refused ({refused}, active): Nova: it is in a state that is not right" in text
    assert f"rescued ({rescued}, rescued): Nova cannot move it" in text
    assert f"return-host host={ONE}" in text
    assert in_service(cloud) == ("disabled", False)
    assert sorted(cloud.moved) == sorted([stuck, refused, moved]), "each is tried once"
    cloud.stuck.clear()
    cloud.refused.clear()
    cloud.servers = [one for one in cloud.servers if one["id"] != rescued]
    assert drain.run(ONE, 60)["outcome"] == "drained", "run again, it goes on"


def test_it_is_interrupted_and_goes_on(drain: Drain, cloud: RoomyCloud, clock: Clock) -> None:
    for number in range(5):
        cloud.boot(ONE, f"g{number}")
    with pytest.raises(
        ActionError, match=r"[0-9] instances? (is|are) left on node1.maas: g.*run the"
    ):
        drain.run(ONE, 1.0)
    assert in_service(cloud) == ("disabled", False)
    assert 0 < len(cloud.moved) < 5
    drain.run(ONE, 60)
    assert in_service(cloud) == ("disabled", True)
    assert len(set(cloud.moved)) == len(cloud.moved) == 5, "none is moved twice"


def test_masakari_is_asked_again_while_it_works_on_notifications(
    cloud: RoomyCloud, clock: Clock
) -> None:
    cloud.busy |= set(cloud.segments)
    drain = Drain(fakecloud.connect(cloud), clock.sleep, clock)
    with pytest.raises(ActionError, match="is empty, but Masakari does not take it into"):
        drain.run(ONE, 3)

    def free(seconds: float) -> None:
        cloud.busy.clear()

    assert Drain(fakecloud.connect(cloud), free, clock).run(ONE, 60)["outcome"] == "drained"


def test_a_dry_run_changes_nothing(
    ctx: testing.Context, state: testing.State, cloud: RoomyCloud
) -> None:
    small = cloud.boot(ONE, "small")
    cloud.boot(ONE, "huge", ram=99999)
    cloud.boot(ONE, "off", state="stopped")
    cloud.boot(ONE, "rescued", state="rescued")
    cloud.log.clear()
    results = run(ctx, state, "drain-host", host=ONE)
    assert [entry for entry in cloud.log if "tokens" not in entry[1]] == []
    assert (results["outcome"], results["would-not-move"]) == ("would-stay", 2)
    plan: list[dict[str, Any]] = json.loads(results["plan"])
    moves = {one["name"]: one["moves"] for one in plan}
    assert moves == {"small": True, "huge": False, "off": False, "rescued": False}
    table = results["table"]
    assert f"small ({small}, active): moved while it runs, Nova picks; there is room on" in table
    assert "huge" in table
    assert "WOULD STAY: no host found with 99999 MEMORY_MB" in table
    assert "active): WOULD STAY" in table
    assert "stopped): stays, nothing of it runs" in table
    assert "rescued): WOULD STAY: Nova does not move what is rescued" in table
    cloud.servers = [one for one in cloud.servers if one["id"] == small]
    assert run(ctx, state, "drain-host", host=ONE)["outcome"] == "would-be-drained"


def test_through_juju(ctx: testing.Context, state: testing.State, cloud: RoomyCloud) -> None:
    results = run(ctx, state, "drain-host", host=ONE, dry_run=False)
    assert results["outcome"] == "drained"
    assert in_service(cloud) == ("disabled", True)
    returned = run(ctx, state, "return-host", host=ONE)
    assert returned["outcome"] == "returned"
    assert in_service(cloud) == ("enabled", False)


@pytest.mark.parametrize("dry", [True, False])
def test_what_cannot_be_drained(
    ctx: testing.Context, state: testing.State, cloud: RoomyCloud, dry: bool
) -> None:
    def told(host: str = ONE) -> str:
        return fail(ctx, state, "drain-host", host=host, dry_run=dry)

    assert told("node9") == (
        "host node9 is in no segment; hosts in segments: node1.maas, node2.maas, node3.maas"
    )
    cloud.services[ONE]["forced_down"] = True
    assert told().startswith("nova-compute of node1.maas is forced down: nothing can be moved")
    cloud.services[ONE]["forced_down"] = False
    cloud.reports.remove(ONE)
    assert told().startswith("nova-compute of node1.maas is down: nothing can be moved")
    cloud.reports.add(ONE)
    cloud.notifications.append(
        {
            "source_host_uuid": cloud.host_entry(ONE)["uuid"],
            "type": "COMPUTE_HOST",
            "status": "running",
        }
    )
    assert told() == "a recovery of node1.maas is going on: see list-recoveries"
    cloud.notifications.clear()
    del cloud.services[ONE]
    assert told().startswith("Nova has no nova-compute on node1.maas; it has: node2.maas")
    cloud.silent.add("os-services")
    assert told().startswith("Nova: HTTP status 503")
    assert cloud.moved == []
