"""Failures of every kind, judged from outside: by the guests' disks, Nova, MAAS and Pacemaker."""

from __future__ import annotations

import json
import time

from jujulab.demo import PREFIX, Demo
from jujulab.guests import Guests
from jujulab.heartbeat import Pulse
from jujulab.power import Settings

GUARD_TIME = 25
"""Seconds in which a fencing without cause would have happened: it takes about 2."""


OUTAGE = 60
"""Seconds without the power API: the stock workflow evacuates within them."""


def maas_outage(demo: Demo, down: bool) -> None:
    Settings(demo.lab.run_dir).outage = down


def power_actions(demo: Demo) -> list[str]:
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
        assert time.time() - pulse.last_beat < 3, f"{name} is silent"


def test_a_clean_stop_of_pacemaker_remote_fences_nothing(
    on_duty: Demo, guests_on: tuple[str, Guests]
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
    on_duty: Demo, guests_on: tuple[str, Guests]
) -> None:
    host, _guests = guests_on
    assert on_duty.lose_hypervisor(host) == []


def test_a_guest_whose_qemu_died_is_started_again(
    on_duty: Demo, guests_on: tuple[str, Guests]
) -> None:
    assert on_duty.kill_guest() == []


def test_an_isolated_hypervisor_never_runs_a_guest_beside_the_evacuated_one(
    on_duty: Demo, guests_on: tuple[str, Guests]
) -> None:
    host, _guests = guests_on
    assert on_duty.isolate_hypervisor(host) == []


def test_without_fencing_nothing_is_evacuated(
    on_duty: Demo, guests_on: tuple[str, Guests]
) -> None:
    host, guests = guests_on
    machine = on_duty.lab.find(host)
    pulses = guests.pulses(PREFIX)
    for pulse in pulses.values():
        pulse.poll()
    maas_outage(on_duty, True)
    try:
        machine.cut()
        time.sleep(OUTAGE)
        assert_untouched(guests, pulses, host)
        problems = on_duty.follow(host, lambda: maas_outage(on_duty, False), "MAAS answers again")
    finally:
        maas_outage(on_duty, False)
    assert problems == []
