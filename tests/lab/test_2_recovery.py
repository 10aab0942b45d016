"""Failures of every kind, judged from outside: by the guests' disks, Nova, MAAS and Pacemaker."""

from __future__ import annotations

import json
import time
from functools import partial

import jubilant
from jujulab.cloud.guests import Guests
from jujulab.cloud.heartbeat import Pulse
from jujulab.maas.power import Settings
from jujulab.trials.deployment import PREFIX, Deployment
from jujulab.trials.experiment import Experiment
from jujulab.waiting import poll

SILENT = 60
"""Seconds without a beat, of several a second, after which a guest has stopped."""

GUARD_TIME = 12
"""Seconds in which a fencing without cause would have happened: it takes about 2."""

UNFENCED = 30
"""Seconds in which an isolated host cannot be fenced; a recovery that does not wait for the
fence starts within 12 of them."""


def maas_outage(demo: Deployment, down: bool) -> None:
    Settings(demo.lab.run_dir).outage = down


def power_actions(demo: Deployment) -> list[str]:
    """Return what MAAS was asked to switch so far."""
    journal = demo.lab.run_dir / "maas.jsonl"
    lines = journal.read_text().splitlines() if journal.exists() else []
    entries = [json.loads(line) for line in lines]
    return [f"{e['action']} {e['node']}" for e in entries if e["action"].startswith("power_o")]


def hosts_of(guests: Guests) -> dict[str, str]:
    return {name: s["OS-EXT-SRV-ATTR:host"] for name, s in guests.find(PREFIX).items()}


def assert_untouched(guests: Guests, pulses: dict[str, Pulse], host: str) -> None:
    """The guests are where they were, alive, and never had a pause."""
    assert set(hosts_of(guests).values()) == {host}
    for name, pulse in pulses.items():
        pulse.poll()
        assert not pulse.outages, f"{name} was restarted"
        assert poll(pulse.poll, SILENT), f"{name} is silent"


def test_a_clean_stop_of_pacemaker_remote_fences_nothing(
    on_duty: Deployment, guests_on: tuple[str, Guests]
) -> None:
    host, guests = guests_on
    machine = on_duty.lab.find(host)
    before = power_actions(on_duty)
    pulses = guests.pulses(PREFIX)
    for pulse in pulses.values():
        pulse.poll()
    for command in (["restart"], ["stop"]):
        machine.run(["systemctl", *command, "pacemaker_remote"], timeout=60)
        time.sleep(GUARD_TIME)
        assert power_actions(on_duty) == before
        assert_untouched(guests, pulses, host)
    machine.run(["systemctl", "start", "pacemaker_remote"], timeout=60)
    on_duty.restore()
    assert power_actions(on_duty) == before


def test_a_lost_hypervisor_is_fenced_and_its_guests_come_up_elsewhere(
    on_duty: Deployment, guests_on: tuple[str, Guests]
) -> None:
    host, _guests = guests_on
    assert Experiment(on_duty).lose_hypervisor(host) == []


def test_a_guest_whose_qemu_died_is_started_again(
    on_duty: Deployment, guests_on: tuple[str, Guests]
) -> None:
    assert Experiment(on_duty).kill_guest() == []


def test_an_isolated_hypervisor_never_runs_a_guest_beside_the_evacuated_one(
    on_duty: Deployment, guests_on: tuple[str, Guests]
) -> None:
    host, _guests = guests_on
    assert Experiment(on_duty).isolate_hypervisor(host) == []


def test_without_fencing_nothing_is_evacuated(
    on_duty: Deployment, guests_on: tuple[str, Guests], juju: jubilant.Juju
) -> None:
    host, guests = guests_on
    pulses = guests.pulses(PREFIX)
    for pulse in pulses.values():
        pulse.poll()
    maas_outage(on_duty, True)
    try:
        await_warning(juju, "check MAAS itself")
        on_duty.lab.find(host).cut()
        time.sleep(UNFENCED)
        assert_untouched(guests, pulses, host)
        experiment, back = Experiment(on_duty), partial(maas_outage, on_duty, False)
        problems = experiment.measure(host, back, "MAAS away: mended").problems
    finally:
        maas_outage(on_duty, False)
    assert problems == []


def await_warning(juju: jubilant.Juju, text: str) -> None:
    """Wait until the operator hears of it; how often units look is not what is tested here."""
    juju.model_config({"update-status-hook-interval": "10s"})
    try:
        juju.wait(lambda status: says(status, text), timeout=120)
    finally:
        juju.model_config(reset="update-status-hook-interval")


def says(status: jubilant.Status, text: str) -> bool:
    """Whether a masakari unit is blocked with this word in its message."""
    units = status.apps["masakari"].units.values()
    return any(
        unit.workload_status.current == "blocked" and text in unit.workload_status.message
        for unit in units
    )
