"""What must not cost a hypervisor its power, nor a guest its host."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from jujulab.cloud.console import poll
from jujulab.machines.lab import Machine
from jujulab.trials.trial import WITHOUT_CAUSE, Trial

HICCUP = 3.0
"""Seconds: less than remote-monitor-timeout, which is 4."""

FLAP = 2.0
"""Seconds: a TCP connection sends again after at most twice this long."""


def freeze_briefly(trial: Trial, machine: Machine) -> None:
    for _ in range(2):
        trial.faults.freeze(machine)
        time.sleep(HICCUP)
        trial.faults.thaw(machine)
        time.sleep(2 * HICCUP)


def flap(trial: Trial, machine: Machine) -> None:
    for _ in range(3):
        trial.faults.cut(machine)
        time.sleep(FLAP)
        trial.faults.restore(machine)
        time.sleep(3 * FLAP)


def cut_storage(trial: Trial, machine: Machine) -> None:
    """Pacemaker sees a healthy host; without a monitor of the storage network nobody knows."""
    trial.faults.cut(machine, "storage")


def stop_remote(trial: Trial, machine: Machine) -> None:
    trial.repair(trial.faults.service, machine, "start", "pacemaker_remote")
    trial.faults.service(machine, "stop", "pacemaker_remote")


def restart_remote(trial: Trial, machine: Machine) -> None:
    trial.faults.service(machine, "restart", "pacemaker_remote")


def upgrade_remote(trial: Trial, machine: Machine) -> None:
    """Install the package again, whose scripts stop and start the daemon as an upgrade's do."""
    install = ["apt-get", "-q", "-y", "install", "--reinstall", "pacemaker-remote"]
    machine.run(install, env={"DEBIAN_FRONTEND": "noninteractive"}, timeout=180)


HARMLESS = [
    freeze_briefly,
    flap,
    cut_storage,
    restart_remote,
    stop_remote,
    upgrade_remote,
]


@pytest.mark.parametrize("fault", HARMLESS)
def test_nothing_is_fenced(
    trial: Trial, host: str, fault: Callable[[Trial, Machine], None]
) -> None:
    trial.populate(host)
    with trial.watched(f"{fault.__name__}: {host}"):
        fault(trial, trial.machine(host))
        trial.await_nothing()


def test_an_orderly_reboot_fences_nothing(trial: Trial, host: str) -> None:
    machine = trial.machine(host)
    trial.populate(host)
    with trial.watched(f"{host} reboots in an orderly way"):
        first_boot = machine.boot_id
        trial.faults.reboot(machine)
        assert poll(lambda: machine.boot_id not in (None, first_boot), 120, 0.5)
        machine.wait_booted(120)
        trial.settle()
        time.sleep(WITHOUT_CAUSE)
    # Its guests went down with it; whoever reboots a hypervisor moves them away before.
    trial.verify(interrupted=[host])
