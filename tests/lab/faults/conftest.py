"""The lab of the other end-to-end tests, with a fourth hypervisor whose machine has no member."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from jujulab.trials.deployment import DEPLOYMENT, SEGMENT, Deployment
from jujulab.trials.trial import Trial

WINDOW = 30
"""Seconds for which a fenced hypervisor counts towards the fencing limit: less than a test takes,
so that none has to wait for those before it."""


@pytest.fixture(scope="session")
def plain(demo: Deployment) -> str:
    """A hypervisor whose machine carries nothing else."""
    if len(demo.hypervisors()) < 4:
        demo.console.juju("add-unit", "nova-compute")
        demo.console.wait_active("the fourth hypervisor", timeout=DEPLOYMENT)
    demo.console.juju("config", "masakari", f"fencing-limit-window={WINDOW}")
    host = max(machine.fqdn for machine in demo.hypervisors())
    demo.console.run_action("masakari/leader", "add-hosts", f"segment={SEGMENT}", f"hosts={host}")
    return host


@pytest.fixture
def trial(demo: Deployment, plain: str) -> Iterator[Trial]:
    """A trial in a deployment that is whole; what it broke is repaired afterwards."""
    demo.restore()
    trial = Trial(demo)
    trial.settle()
    trial.await_calm(WINDOW)
    with trial.repairs:
        yield trial


@pytest.fixture(params=[False, True], ids=["plain", "with-member"])
def host(trial: Trial, plain: str, request: pytest.FixtureRequest) -> str:
    """A hypervisor, once without and once with a member of the cluster on its machine."""
    return trial.hypervisors()[1] if request.param else plain
