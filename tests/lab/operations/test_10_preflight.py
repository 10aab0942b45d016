"""What `check`, `plan-recovery` and the status say beforehand, and what then really happens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jujulab.cloud.guests import IMAGE, Guests
from jujulab.trials.deployment import PREFIX, SEGMENT, Deployment
from jujulab.trials.experiment import Experiment
from jujulab.trials.faults import Faults
from operating import Operator, wait_until

TRAIT = "CUSTOM_LAB_RACK"
BOUND = "bound"
"""The guest that only a host with the trait may run, and its flavor."""
SAID = 240.0
"""Seconds after which the status is not waited for any more; 120 are what it should need."""


def check(operator: Operator) -> dict[str, set[str]]:
    """Run the action; return what it found of each level, as `where: what`."""
    results = operator.action("masakari/leader", "check")
    found: dict[str, set[str]] = {"blocks": set(), "warns": set(), "unknown": set()}
    for finding in json.loads(str(results["findings"])):
        found[finding["level"]].add(f"{finding['where']}: {finding['what']}")
        assert finding["cure"] in str(results["table"])
    return found


def plan(operator: Operator, host: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Run the action; return its results, and by guest where it says that there is room."""
    results = operator.action("masakari/leader", "plan-recovery", host=host)
    return results, {move["name"]: move["room-on"] for move in json.loads(str(results["plan"]))}


def metrics(operator: Operator) -> dict[str, str]:
    """What the exporter of the leader's unit shows."""
    machine = operator.machines("masakari")[operator.leader("masakari")]
    text = machine.run(["curl", "-sf", "http://127.0.0.1:15878/metrics"]).stdout
    pairs = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, _, value in pairs}


class Traits:
    """The trait, in the real Placement."""

    def __init__(self, demo: Deployment) -> None:
        self._cloud = demo.cloud
        answer = self._cloud.get("compute", "/os-hypervisors", microversion="2.53")
        self._providers = {
            item["hypervisor_hostname"]: item["id"] for item in answer["hypervisors"]
        }
        self._cloud.request("PUT", "placement", f"/traits/{TRAIT}", microversion="1.6")

    @property
    def hosts(self) -> list[str]:
        """The hypervisors, by name."""
        return sorted(self._providers)

    def give(self, *hosts: str) -> None:
        """Have exactly these hosts have it."""
        for host, provider in self._providers.items():
            path = f"/resource_providers/{provider}/traits"
            body = self._cloud.get("placement", path, microversion="1.6")
            body["traits"] = sorted(
                {*body["traits"], TRAIT} - (set() if host in hosts else {TRAIT})
            )
            self._cloud.request("PUT", "placement", path, body=body, microversion="1.6")


@pytest.fixture
def traits(on_duty: Deployment) -> Iterator[Traits]:
    found = Traits(on_duty)
    yield found
    found.give()


@pytest.fixture
def bound_on(on_duty: Deployment, guests_on: tuple[str, Guests], traits: Traits) -> Iterator[str]:
    """Next to other guests, one that no other host may run; the host of all."""
    host, guests = guests_on
    traits.give(host)
    cloud = on_duty.cloud
    flavor = {"name": BOUND, "ram": 32, "vcpus": 1, "disk": 0}
    made = cloud.post("compute", "/flavors", {"flavor": flavor})["flavor"]["id"]
    specs = {f"trait:{TRAIT}": "required"}
    cloud.post("compute", f"/flavors/{made}/os-extra_specs", {"extra_specs": specs})
    [image] = cloud.get("image", f"/v2/images?name={IMAGE}&status=active")["images"]
    server = {"name": BOUND, "imageRef": image["id"], "flavorRef": made, "networks": "none"}
    cloud.post("compute", "/servers", {"server": server}, microversion="2.74")
    wait_until(f"{BOUND} runs", lambda: _host(guests) == host, SAID)
    yield host
    guests.delete(BOUND)
    cloud.request("DELETE", "compute", f"/flavors/{made}")


def _host(guests: Guests) -> str:
    found = guests.find(BOUND).get(BOUND, {})
    return str(found.get("OS-EXT-SRV-ATTR:host")) if found.get("status") == "ACTIVE" else ""


def test_nothing_blocks_a_deployment_that_is_whole(
    operator: Operator, guests_on: tuple[str, Guests]
) -> None:
    operator.settle()
    found = check(operator)
    assert found["blocks"] == found["warns"] == set()
    [disks] = found["unknown"]
    assert disks.startswith(f"segment {SEGMENT}: 3 instances have their disk where nova-compute")


def test_a_full_segment_is_said_and_what_was_planned_happens(
    operator: Operator, bound_on: str, traits: Traits, guests_on: tuple[str, Guests]
) -> None:
    said = f"without {bound_on} no place found for {BOUND}; see the action check"
    took = wait_until(said, lambda: said in operator.leader_says("masakari"), SAID)
    print(f"a full segment is said after {took:.0f} s")
    shown = f'masakari_segment_survives{{segment="{SEGMENT}"}}'
    wait_until("the metric says so", lambda: metrics(operator).get(shown) == "0", SAID)
    results, rooms = plan(operator, bound_on)
    assert (results["outcome"], str(results["without-a-place"])) == ("partly", "1")
    assert rooms.pop(BOUND) == ""
    assert rooms.keys() == {f"{PREFIX}{number}" for number in (1, 2, 3)}
    assert bound_on not in rooms.values()
    [short] = check(operator)["warns"]
    assert short.startswith(f"segment {SEGMENT}: survives 0 host failures, not 1: if {bound_on}")

    other = next(host for host in traits.hosts if host != bound_on)
    traits.give(bound_on, other)
    took = wait_until("room", lambda: said not in operator.leader_says("masakari"), SAID)
    print(f"right again after {took:.0f} s")
    wait_until("so does the metric", lambda: metrics(operator).get(shown) == "1", SAID)
    results, rooms = plan(operator, bound_on)
    assert results["outcome"] == "recovered"
    assert "st-maas" in results["fenced-by"]
    assert rooms[BOUND] == other

    assert Experiment(operator.demo).lose_hypervisor(bound_on) == []
    _, guests = guests_on
    wait_until(f"{BOUND} is recovered", lambda: _host(guests) not in ("", bound_on), SAID)
    assert _host(guests) == other
    operator.demo.restore()
    assert "the last " in plan(operator, other)[0]["seconds"]


def test_a_power_controller_that_does_not_answer(on_duty: Deployment, operator: Operator) -> None:
    operator.settle()
    machine = on_duty.hypervisors()[1]
    faults = Faults(on_duty.lab)
    text = f"{machine.fqdn}: its power controller (BMC)"
    faults.mute_controllers(machine.hostname)
    try:
        [once] = check(operator)["warns"]
        assert once.startswith(f"{text} was asked, and gave no useful answer once")
        [twice] = check(operator)["blocks"]
        assert twice == f"{text} does not answer: MAAS answers with HTTP 503"
        results, _ = plan(operator, machine.fqdn)
        assert results["outcome"] == "not-recovered"
        took = wait_until(text, lambda: text in operator.leader_says("masakari"), SAID)
        print(f"a mute power controller is said after {took:.0f} s")
    finally:
        faults.mute_controllers()
    wait_until("it answers", lambda: text not in operator.leader_says("masakari"), SAID)
    assert check(operator)["blocks"] == set()
