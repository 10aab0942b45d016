"""What must not cost a hypervisor its power, nor a guest its host."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from jujulab.machines.lab import Machine
from jujulab.trials.trial import WITHOUT_CAUSE, Trial
from jujulab.waiting import poll
from kinds import HARMLESS


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
