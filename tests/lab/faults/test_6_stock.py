"""Why the fence comes first: Masakari's own workflow, in the same lab, runs guests twice.

The power API is away and a hypervisor is cut off, so nobody can know whether it is dead. It is
not: its guests go on writing their disks. Masakari's own workflow, as the upstream charm
configures it, starts them a second time nevertheless. What would stop the second one here, QEMU's
lock on the disk's file, is off, because much shared storage has no such locks.

The same situation with this project's workflow is one of the tests of `make lab`.
"""

from __future__ import annotations

import time

import pytest
from jujulab.trials import verdict
from jujulab.trials.trial import Trial
from jujulab.trials.watch import PREFIX
from jujulab.waiting import poll

BESIDE = 20.0
"""Seconds for which both copies write, so that nobody can take it for an accident of the clock."""


@pytest.fixture
def stock(trial: Trial) -> Trial:
    """Masakari's own workflow, polling monitors, and disks without locks."""
    for machine in trial.demo.hypervisors():
        trial.repair(trial.faults.image_locks, machine, True)
        trial.faults.image_locks(machine, False)
    trial.set_options("masakari", recovery_workflow="stock", allow_recovery_without_fencing="true")
    trial.set_options("masakari-monitors", monitoring_interval=5)
    return trial


def test_the_stock_workflow_runs_guests_twice(stock: Trial, plain: str) -> None:
    stock.populate(plain)
    stock.repair(stock.guests.delete, PREFIX)
    stock.repair(stock.faults.maas_outage, False)
    # Before the options are reset: without its networks, the host's charms do not settle.
    stock.repair(stock.faults.restore, stock.machine(plain))
    with stock.watched(f"stock workflow: {plain} isolated, the power API away"):
        stock.faults.maas_outage(True)
        stock.faults.cut(stock.machine(plain))
        poll(lambda: bool(verdict.ran_twice(stock.guests.lives(PREFIX))), 300, 2)
        time.sleep(BESIDE)
        assert not stock.switched_off()
    doubles = verdict.ran_twice(stock.guests.lives(PREFIX))
    for sentence in doubles:
        stock.say(sentence)
    assert doubles, "the guests ran only once"
