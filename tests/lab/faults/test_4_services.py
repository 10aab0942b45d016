"""What a recovery needs dies in the middle of it, or is away when it should begin."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from jujulab.machines import Machine
from jujulab.trial import Trial

AWAY = 45.0
"""Seconds that the API stays away."""

OUTAGE = 12.0
"""Seconds that the database stays away."""


def machine_of(trial: Trial, application: str) -> Machine:
    """Return the machine of an application's first unit."""
    units = trial.demo.console.status()["applications"][application]["units"]
    return trial.lab.machine(str(units[min(units)]["machine"]))


def kill_engines(trial: Trial) -> None:
    """Kill every masakari-engine, whichever of them works on the recovery."""
    for member in trial.cluster.members:
        trial.faults.kill(member, "masakari-engine")


def restart_broker(trial: Trial) -> None:
    trial.faults.service(machine_of(trial, "rabbitmq-server"), "restart", "rabbitmq-server")


def restart_database(trial: Trial) -> None:
    trial.faults.service(machine_of(trial, "mysql"), "restart", "mariadb")


def lose_database(trial: Trial) -> None:
    """Take the database away for longer than one attempt to recover lasts."""
    machine = machine_of(trial, "mysql")
    trial.repair(trial.faults.service, machine, "start", "mariadb")
    trial.faults.service(machine, "stop", "mariadb")
    time.sleep(OUTAGE)
    trial.repairs.close()


FAULTS = [kill_engines, restart_broker, restart_database, lose_database]


@pytest.mark.parametrize("phase", ["notified", "evacuating"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_recovery_survives(
    trial: Trial, plain: str, fault: Callable[[Trial], None], phase: str
) -> None:
    trial.populate(plain, count=3)
    with trial.watched(f"power cut: {plain}; {fault.__name__} when {phase}"):
        trial.faults.power_off(trial.machine(plain))
        trial.await_event(phase)
        fault(trial)
        trial.await_recovery(plain)
    trial.verify(plain)


def test_a_fencing_is_reported_when_the_api_is_back(trial: Trial, plain: str) -> None:
    members = trial.cluster.members
    trial.populate(plain)
    with trial.watched(f"power cut: {plain}, while no masakari-api runs"):
        for member in members:
            trial.repair(trial.faults.give_back, member, "masakari-api")
            trial.faults.take_away(member, "masakari-api")
        trial.faults.power_off(trial.machine(plain))
        trial.await_event("fenced")
        time.sleep(AWAY)
        assert not trial.evacuations()
        trial.repairs.close()
        trial.await_recovery(plain)
    trial.verify(plain)


def test_the_engines_are_away_when_the_host_is_lost(trial: Trial, plain: str) -> None:
    """The API takes the notification; nobody works on it until an engine is back."""
    trial.populate(plain)
    with trial.watched(f"power cut: {plain}, while no masakari-engine runs"):
        for member in trial.cluster.members:
            trial.repair(trial.faults.give_back, member, "masakari-engine")
            trial.faults.take_away(member, "masakari-engine")
        trial.faults.power_off(trial.machine(plain))
        trial.await_event("notified")
        time.sleep(AWAY / 3)
        assert not trial.evacuations()
        trial.repairs.close()
        trial.await_recovery(plain)
    trial.verify(plain)
