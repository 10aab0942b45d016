"""The lab of the other end-to-end tests, with a fourth hypervisor whose machine has no member."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from jujulab.cloud.console import StepError
from jujulab.trials.deployment import SEGMENT, Deployment, have_fourth
from jujulab.trials.failover import Failover
from jujulab.trials.watch import PREFIX

WINDOW = 30
"""Seconds for which a fenced hypervisor counts towards the fencing limit: less than a test takes,
so that none has to wait for those before it."""


@pytest.fixture(scope="session")
def four(demo: Deployment) -> Iterator[Deployment]:
    """The deployment with a hypervisor to spare: one fails, one is full, one is in reserve."""
    have_fourth(demo)
    options = (f"fencing-limit-window={WINDOW}", "remote-reconnect-interval=20")
    demo.console.juju("config", "masakari", *options)
    host = max(machine.fqdn for machine in demo.hypervisors())
    demo.console.run_action("masakari/leader", "add-hosts", f"segment={SEGMENT}", f"hosts={host}")
    yield demo
    with contextlib.suppress(StepError):  # the next run may find the lab as this one did
        failover = Failover(demo)
        failover.settle()
        failover.arrange("auto")
        failover.guests.delete(PREFIX)  # a drill, for one, is refused where one lies stopped


@pytest.fixture
def failover(four: Deployment) -> Iterator[Failover]:
    """A deployment that is whole: every hypervisor runs and is in the cluster."""
    for machine in four.hypervisors():
        machine.thaw()
        machine.restore()
        if machine.state == "off":
            machine.power_on()
    failover = Failover(four)
    failover.settle()
    with failover.repairs:
        yield failover
