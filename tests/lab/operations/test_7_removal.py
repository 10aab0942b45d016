"""Each application removed from a running cloud, and added again."""

from __future__ import annotations

import time

import pytest
from jujulab.cloud.guests import Guests
from jujulab.maas.power import Journal
from jujulab.trials.deployment import PREFIX, Deployment
from jujulab.trials.experiment import Experiment
from jujulab.waiting import poll
from operating import Operator, wait_until

TAKES = 300
FENCED_BY_THEN = 25
"""Seconds in which a fencing without cause would have happened: it takes about 2."""
SILENT = 60
"""Seconds without a beat, of several a second, after which a guest has stopped."""
SECRETS = {
    "masakari-monitors": "/etc/masakarimonitors/masakarimonitors.conf",
    "pacemaker-remote": "/etc/pacemaker/authkey",
}


@pytest.fixture
def guests(on_duty: Deployment) -> Guests:
    """Three guests on one hypervisor."""
    on_duty.boot_guests(3)
    return Guests(on_duty.lab, on_duty.cloud)


def places(guests: Guests) -> dict[str, str]:
    return {name: s["OS-EXT-SRV-ATTR:host"] for name, s in guests.find(PREFIX).items()}


def switched(demo: Deployment) -> list[str]:
    """What MAAS was asked to switch so far."""
    entries = Journal(demo.lab.run_dir / "maas.jsonl").read()
    return [f"{e['action']} {e['node']}" for e in entries if e["action"].startswith("power_o")]


class Peace:
    """That no hypervisor is fenced and no guest touched, from now on."""

    def __init__(self, demo: Deployment, guests: Guests) -> None:
        self._demo, self._guests = demo, guests
        self._switched, self._places = switched(demo), places(guests)
        self._pulses = guests.pulses(PREFIX)
        for pulse in self._pulses.values():
            pulse.poll()

    def check(self) -> None:
        """Wait as long as a fence would take, then look."""
        time.sleep(FENCED_BY_THEN)
        assert switched(self._demo) == self._switched
        assert places(self._guests) == self._places
        for name, pulse in self._pulses.items():
            pulse.poll()
            assert not pulse.outages, f"{name} was restarted"
            assert poll(pulse.poll, SILENT), f"{name} is silent"


def remove(operator: Operator, *applications: str) -> None:
    for application in applications:
        operator.juju.cli("remove-application", "--no-prompt", application)
    operator.wait_gone(*applications, timeout=TAKES)


def add_again(operator: Operator) -> None:
    operator.deploy()
    operator.settle(TAKES)
    operator.juju.config("masakari", {"remote-reconnect-interval": 20})
    operator.settle(TAKES)


@pytest.mark.parametrize("application", SECRETS)
def test_a_subordinate_of_nova_compute(
    operator: Operator, on_duty: Deployment, guests: Guests, application: str
) -> None:
    machines = operator.machines(application).values()
    running = operator.starts(application)
    services = {service for (_, service), run in running.items() if run}
    peace = Peace(on_duty, guests)
    remove(operator, application)
    peace.check()
    for machine in machines:
        states = machine.run(["systemctl", "is-active", *services], check=False).stdout.split()
        assert "active" not in states
        assert machine.run(["test", "-e", SECRETS[application]], check=False).returncode == 1
    add_again(operator)
    on_duty.restore()
    peace.check()
    if application == "masakari-monitors":
        assert Experiment(on_duty).kill_guest() == []
    else:
        assert Experiment(on_duty).lose_hypervisor(next(iter(places(guests).values()))) == []
    guests.delete(PREFIX)


def test_masakari_with_its_cluster(
    operator: Operator, on_duty: Deployment, guests: Guests
) -> None:
    peace = Peace(on_duty, guests)
    remove(operator, "masakari", "hacluster")
    peace.check()
    add_again(operator)
    peace.check()
    on_duty.create_segment()
    wait_until("nothing is left to say", lambda: "blocked" not in operator.juju.cli("status"), 180)
    on_duty.restore()
    assert Experiment(on_duty).kill_guest() == []
    assert Experiment(on_duty).lose_hypervisor(next(iter(places(guests).values()))) == []
    guests.delete(PREFIX)
