"""Planned work: a host is emptied while its guests run; and a failure is rehearsed."""

from __future__ import annotations

import threading
import time
from typing import Any

import jubilant
import pytest
from jujulab.cloud.guests import FLAVOR, IMAGE, Guests
from jujulab.cloud.heartbeat import Pulse, overlaps
from jujulab.trials.deployment import PREFIX, Deployment
from jujulab.trials.experiment import Experiment
from operating import Operator, wait_until

CANARIES = 3
EXACT = 0.5
"""Seconds by which a report may differ from the guests' own heartbeats, beyond what it says."""
SAID = 120.0
"""Seconds after which a status is not waited for any more."""


def hosts(guests: Guests) -> dict[str, str]:
    """Where each guest is."""
    found = guests.find(PREFIX).items()
    return {name: str(server["OS-EXT-SRV-ATTR:host"]) for name, server in found}


def offs(operator: Operator) -> int:
    """How often MAAS was told to switch something off."""
    journal = operator.demo.lab.run_dir / "maas.jsonl"
    return journal.read_text().count("power_off") if journal.exists() else 0


def test_a_host_is_emptied_while_its_guests_run(
    operator: Operator, guests_on: tuple[str, Guests]
) -> None:
    host, guests = guests_on
    before = guests.lives(PREFIX)
    planned = operator.action("masakari/leader", "drain-host", host=host)
    assert planned["outcome"] == "would-be-drained"
    assert set(hosts(guests).values()) == {host}
    begin = time.monotonic()
    drained = operator.action("masakari/leader", "drain-host", host=host, dry_run=False)
    print(f"3 guests are moved in {time.monotonic() - begin:.0f} s")
    assert drained["outcome"] == "drained"
    assert host not in hosts(guests).values()
    again = operator.action("masakari/leader", "drain-host", host=host, dry_run=False)
    assert again["outcome"] == "unchanged"
    wait_until("the status says so", lambda: host in operator.leader_says("masakari"), SAID)

    # Planned work: it is shut down, and neither fenced nor recovered.
    machine = operator.demo.lab.find(host)
    before_it = offs(operator)
    machine.run(["systemctl", "stop", "pacemaker_remote", "nova-compute"])
    time.sleep(20)
    machine.run(["systemctl", "start", "pacemaker_remote", "nova-compute"])
    assert offs(operator) == before_it
    lives = guests.lives(PREFIX)
    assert {name: len(found) for name, found in lives.items()} == {
        name: len(found) for name, found in before.items()
    }, "none was started anew"
    assert not any(overlaps(found) for found in lives.values())
    assert operator.action("masakari/leader", "return-host", host=host)["outcome"] == "returned"
    assert operator.demo.off_duty() == []


def test_one_that_cannot_be_emptied_stays_one_whose_failure_counts(
    operator: Operator, guests_on: tuple[str, Guests], on_duty: Deployment
) -> None:
    host, guests = guests_on
    others = [m for m in on_duty.hypervisors() if m.fqdn != host]
    services = {s["host"]: s["id"] for s in on_duty.cloud.compute_services()}
    for machine in others:
        path = f"/os-services/{services[machine.fqdn]}"
        body = {"status": "disabled"}
        on_duty.cloud.request("PUT", "compute", path, body=body, microversion="2.53")
    try:
        with pytest.raises(jubilant.TaskError) as caught:
            operator.action("masakari/leader", "drain-host", host=host, dry_run=False)
        text = str(caught.value)
        assert f"{host} is not empty, and not in maintenance" in text
        assert "No valid host" in text
        assert set(hosts(guests).values()) == {host}
        assert on_duty.off_duty() == []
        said = f"drained in part: {host}"
        wait_until(said, lambda: said in operator.leader_says("masakari"), SAID * 3)
    finally:
        for machine in others:
            path = f"/os-services/{services[machine.fqdn]}"
            body = {"status": "enabled"}
            on_duty.cloud.request("PUT", "compute", path, body=body, microversion="2.53")
    assert operator.action("masakari/leader", "return-host", host=host)["outcome"] == "returned"


class Pulses(threading.Thread):
    """Follows the canaries' own heartbeats, from their first to the report of their drill."""

    def __init__(self, guests: Guests) -> None:
        super().__init__(daemon=True)
        self.found: dict[str, Pulse] = {}
        self._guests = guests
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(0.02):
            if len(self.found) < CANARIES:
                servers = self._guests.find("masakari-drill-").values()
                self.found = {s["id"]: Pulse(self._guests.disk(s["id"])) for s in servers}
            for pulse in self.found.values():
                pulse.poll()

    def __enter__(self) -> Pulses:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    @property
    def silent(self) -> dict[str, list[float]]:
        """For how long each was silent, as often as it was started anew."""
        return {u: [o.seconds or 0.0 for o in p.outages] for u, p in self.found.items()}


def drilled(operator: Operator, **params: object) -> dict[str, Any]:
    """Run a drill to its end; return its report."""
    unit = operator.leader("masakari")
    begun = operator.action(unit, "drill", **params)
    assert begun["outcome"] == "begun"

    def over() -> bool:
        shown = operator.action(unit, "show-drill", id=begun["drill"])
        return shown["outcome"] not in ("running", "interrupted")

    took = wait_until("the drill is over", over, 600)
    print(f"a drill of {params['host']} takes {took:.0f} s")
    report = operator.action(unit, "show-drill", id=begun["drill"])
    print(report["timeline"])
    return report


@pytest.fixture
def single(operator: Operator, on_duty: Deployment) -> str:
    """A hypervisor whose machine does not carry the unit that rehearses."""
    leader = operator.machines("masakari")[operator.leader("masakari")].id
    return next(m.fqdn for m in on_duty.hypervisors() if leader not in m.children)


def canary(host: str) -> dict[str, object]:
    return {"host": host, "canaries": CANARIES, "image": IMAGE, "flavor": FLAVOR}


def test_a_failure_is_rehearsed(operator: Operator, single: str) -> None:
    operator.settle()
    guests = Guests(operator.demo.lab, operator.demo.cloud)
    operator.demo.boot_guests(2, single)
    before = guests.lives(PREFIX)
    begin = time.monotonic()
    with Pulses(guests) as pulses:
        report = drilled(operator, confirm=single, **canary(single))
    took = time.monotonic() - begin
    assert report["outcome"] == "passed", report
    assert took < 180
    assert len(report["canaries"]) == CANARIES
    for uuid, found in report["canaries"].items():
        [pause] = pulses.silent[uuid]
        told, within = float(found["seconds"]), float(found["within"])
        text = f"the report says {told:.1f} s within {within:.1f} s"
        print(f"{found['name']}: {text}, its heartbeat {pause:.1f} s")
        assert abs(told - pause) <= within + EXACT
    assert guests.find("masakari-drill-") == {}
    assert operator.demo.off_duty() == []
    after = guests.lives(PREFIX)
    assert {n: len(found) for n, found in after.items()} == {
        n: len(found) for n, found in before.items()
    }, "the others were moved away before, and none was started anew"
    guests.delete(PREFIX)


def test_everything_but_the_cut(operator: Operator, single: str) -> None:
    operator.settle()
    before_it = offs(operator)
    report = drilled(operator, mode="path", **canary(single))
    assert report["outcome"] == "passed", report
    assert offs(operator) == before_it
    assert Guests(operator.demo.lab, operator.demo.cloud).find("masakari-drill-") == {}
    assert operator.demo.off_duty() == []


@pytest.mark.parametrize("elsewhere", [False, True], ids=["there", "on-another-unit"])
def test_an_interrupted_drill_is_named_and_goes_on(
    operator: Operator, single: str, elsewhere: bool
) -> None:
    operator.settle()
    unit = operator.leader("masakari")
    service = f"{unit.replace('/', '-')}-drill.service"
    machine = operator.machines("masakari")[unit]
    before_it = offs(operator)
    begun = operator.action(unit, "drill", confirm=single, **canary(single))
    wait_until("the power is cut", lambda: offs(operator) > before_it, 120)
    machine.run(["systemctl", "kill", "--signal=KILL", service])
    said = "but it was interrupted: run drill"
    wait_until(said, lambda: said in operator.leader_says("masakari"), SAID * 3)
    first = unit
    if elsewhere:
        unit = next(name for name in operator.machines("masakari") if name != first)
        with pytest.raises(jubilant.TaskError, match=f"{first} rehearses it"):
            operator.action(unit, "drill", confirm=single, **canary(single))
    params = {**canary(single), "take_over": elsewhere}
    resumed = operator.action(unit, "drill", confirm=single, **params)
    assert (resumed["outcome"], resumed["drill"]) == ("resumed", begun["drill"])

    def over() -> bool:
        return operator.action(unit, "show-drill")["outcome"] not in ("running", "interrupted")

    wait_until("the drill is over", over, 600)
    report = operator.action(unit, "show-drill")
    print(report["timeline"], report.get("problems"))
    assert offs(operator) == before_it + 1, "its power is cut once"
    if elsewhere:
        with pytest.raises(jubilant.TaskError, match="another unit went on"):
            operator.action(first, "show-drill")
    assert operator.demo.off_duty() == []
    assert Guests(operator.demo.lab, operator.demo.cloud).find("masakari-drill-") == {}


def test_a_recovered_host_returns_by_itself(
    operator: Operator, guests_on: tuple[str, Guests]
) -> None:
    host, _ = guests_on
    # The lab may have seen more failures today than a host that returns by itself may have.
    operator.juju.config("masakari", {"auto-return": 1, "auto-return-failures": 100})
    operator.settle()
    try:
        assert Experiment(operator.demo).lose_hypervisor(host) == []
        machine = operator.demo.lab.find(host)
        if machine.state == "off":
            machine.power_on()
        took = wait_until("it is back", lambda: operator.demo.off_duty() == [], 600)
        print(f"{host} has returned by itself {took:.0f} s after its recovery")
    finally:
        operator.juju.config("masakari", reset=["auto-return", "auto-return-failures"])
    wait_until("its nova-compute is believed", lambda: _in_service(operator, host), SAID)


def _in_service(operator: Operator, host: str) -> bool:
    services = operator.demo.cloud.compute_services()
    return (host, "up", "enabled") in {(s["host"], s["state"], s["status"]) for s in services}
