"""Planned work: a host is emptied while its guests run, and none of them notices."""

from __future__ import annotations

import time

import jubilant
import pytest
from jujulab.cloud.guests import Guests
from jujulab.cloud.heartbeat import overlaps
from jujulab.trials.deployment import PREFIX, Deployment
from operating import Operator, wait_until

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
