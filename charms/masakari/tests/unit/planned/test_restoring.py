"""The action `restore-placement`: instances go back to a host that has failed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ops import testing

import fakecloud
from action_calls import fail, run
from fakerooms import Clock, RoomyCloud
from planned.moving import AT_ONCE
from planned.restoring import Restoring
from segments.lookup import ActionError

ONE, TWO, THREE = "node1.maas", "node2.maas", "node3.maas"


@pytest.fixture
def restoring(cloud: RoomyCloud, clock: Clock) -> Restoring:
    return Restoring(fakecloud.connect(cloud), clock.sleep, clock)


def evacuated(cloud: RoomyCloud, name: str, to: str = TWO, **options: Any) -> str:
    """An instance that was evacuated from the first host."""
    uuid = str(cloud.boot(to, name, **options))
    cloud.note_migration(server(cloud, uuid), "evacuation", ONE)
    return uuid


def server(cloud: RoomyCloud, uuid: str) -> dict[str, Any]:
    return next(one for one in cloud.servers if one["id"] == uuid)


def on(cloud: RoomyCloud, host: str) -> set[str]:
    return {one["id"] for one in cloud.servers if one["OS-EXT-SRV-ATTR:host"] == host}


def test_what_was_evacuated_from_it_comes_back_and_nothing_else(
    restoring: Restoring, cloud: RoomyCloud, clock: Clock
) -> None:
    back = {evacuated(cloud, f"g{n}", TWO if n % 2 else THREE) for n in range(5)}
    cloud.boot(TWO, "never there")
    moved_on = evacuated(cloud, "moved on by hand")
    server(cloud, moved_on)["OS-EXT-SRV-ATTR:host"] = THREE
    cloud.note_migration(server(cloud, moved_on), "live-migration", TWO)
    off = evacuated(cloud, "off", state="stopped")
    results = restoring.run(ONE, 60)
    assert results["outcome"] == "restored"
    assert set(results["moved"].split(",")) == back == on(cloud, ONE)
    assert results["at-rest-elsewhere"] == off
    assert clock.most == AT_ONCE
    again = restoring.run(ONE, 60)
    assert (again["outcome"], "moved" in again) == ("unchanged", False)
    assert len(cloud.moved) == len(back), "none is moved twice"


def test_one_that_was_moved_away_again_on_purpose_stays(
    restoring: Restoring, cloud: RoomyCloud
) -> None:
    """Even where it is on the host to which it was evacuated once."""
    uuid = evacuated(cloud, "g1")
    restoring.run(ONE, 60)
    server(cloud, uuid)["OS-EXT-SRV-ATTR:host"] = TWO
    cloud.note_migration(server(cloud, uuid), "live-migration", ONE)
    assert restoring.run(ONE, 60)["outcome"] == "unchanged"


def test_an_attempt_that_failed_since_is_no_move(restoring: Restoring, cloud: RoomyCloud) -> None:
    uuid = evacuated(cloud, "g1")
    cloud.note_migration(server(cloud, uuid), "live-migration", TWO)
    cloud.migrations[-1]["status"] = "error"
    assert restoring.run(ONE, 60)["moved"] == uuid


def test_it_is_interrupted_and_goes_on(restoring: Restoring, cloud: RoomyCloud) -> None:
    for number in range(5):
        evacuated(cloud, f"g{number}")
    with pytest.raises(ActionError, match=r"not yet moved back to node1.maas: g.*run the action"):
        restoring.run(ONE, 1.0)
    assert 0 < len(cloud.moved) < 5
    assert restoring.run(ONE, 60)["outcome"] == "restored"
    assert len(set(cloud.moved)) == len(cloud.moved) == 5


def test_what_nova_does_not_move_is_named(restoring: Restoring, cloud: RoomyCloud) -> None:
    moved = evacuated(cloud, "moved")
    cloud.stuck.add(evacuated(cloud, "stuck"))
    cloud.refused.add(evacuated(cloud, "refused"))
    evacuated(cloud, "rescued", state="rescued")
    with pytest.raises(ActionError) as caught:
        restoring.run(ONE, 60)
    text = str(caught.value)
    assert "stuck (" in text and "No valid host was found." in text
    assert "it is in a state that is not right" in text
    assert "rescued): Nova cannot move it" in text
    assert f"Moved back: {moved}" in text


def test_a_dry_run_changes_nothing(
    ctx: testing.Context, state: testing.State, cloud: RoomyCloud
) -> None:
    small = evacuated(cloud, "small")
    evacuated(cloud, "huge", ram=99999)
    evacuated(cloud, "off", state="stopped")
    cloud.log.clear()
    results = run(ctx, state, "restore-placement", host=ONE)
    assert [entry for entry in cloud.log if "tokens" not in entry[1]] == []
    found = (results["outcome"], results["instances"], results["would-stay"])
    assert found == ("would-be-restored", 1, 2)
    assert f"small ({small}, active) on {TWO}: moved back while it runs" in results["table"]
    assert "STAYS: node1.maas has no room for it (99999 MEMORY_MB" in results["table"]
    assert "STAYS: nothing of it runs" in results["table"]
    plan = {one["name"]: one["reason"] for one in json.loads(results["plan"])}
    assert plan["small"] == ""


def test_through_juju_with_nothing_to_do(
    ctx: testing.Context, state: testing.State, cloud: RoomyCloud
) -> None:
    results = run(ctx, state, "restore-placement", host=ONE)
    assert (results["outcome"], results["table"]) == (
        "unchanged",
        "no instance that was evacuated from it",
    )
    assert run(ctx, state, "restore-placement", host=ONE, dry_run=False) == {
        "outcome": "unchanged",
        "host": ONE,
    }


@pytest.mark.parametrize("dry", [True, False])
def test_a_host_that_is_not_in_service(
    ctx: testing.Context, state: testing.State, cloud: RoomyCloud, dry: bool
) -> None:
    def told(host: str = ONE) -> str:
        return fail(ctx, state, "restore-placement", host=host, dry_run=dry)

    evacuated(cloud, "g1")
    assert told("node9").startswith("host node9 is in no segment")
    cloud.services[ONE]["forced_down"] = True
    assert told().startswith(f"{ONE} is not in service: run return-host host={ONE} first")
    cloud.services[ONE]["forced_down"] = False
    cloud.host_entry(ONE)["on_maintenance"] = True
    assert told().startswith(f"{ONE} is not in service")
    cloud.host_entry(ONE)["on_maintenance"] = False
    cloud.services[ONE]["status"] = "disabled"
    assert told().startswith(f"{ONE} is not in service")
    del cloud.services[ONE]
    assert told().startswith(f"Nova has no nova-compute on {ONE}")
    assert cloud.moved == []
