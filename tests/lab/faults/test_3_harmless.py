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


def test_a_hypervisor_that_the_cluster_is_told_to_forget_keeps_its_power(
    trial: Trial, host: str
) -> None:
    """`crm_node --remove` of one that runs: Pacemaker would fence what it has never seen."""
    trial.populate(host)
    with trial.watched(f"{host} is removed from the cluster, and lives"):
        trial.cluster.members[0].run(["crm_node", "--force", "--remove", host], timeout=60)
        trial.await_no_power_cut(WITHOUT_CAUSE)
        refresh = ["crm_resource", "--refresh", "--resource", host]
        trial.cluster.members[0].run(refresh, timeout=60)
        trial.settle()
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
