"""The lab of the other end-to-end tests with its disks on Ceph, and a hypervisor without a member.

`make ceph` sets LAB_STORAGE; without it there is no Ceph, and nothing to test.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jujulab.trials.deployment import SEGMENT, Deployment, have_fourth
from jujulab.trials.trial import Trial

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from ceph_lab import Ceph  # noqa: E402  (found on the path that was just set)

WINDOW = 30
"""Seconds for which a fenced hypervisor counts towards the fencing limit."""


@pytest.fixture(scope="session")
def plain(demo: Deployment) -> str:
    """A hypervisor whose machine carries nothing else."""
    if demo.lab.storage != "ceph":
        pytest.exit("this lab has no Ceph: `make ceph`, or LAB_STORAGE=ceph", returncode=2)
    have_fourth(demo)
    demo.console.juju("config", "masakari", f"fencing-limit-window={WINDOW}")
    host = max(machine.fqdn for machine in demo.hypervisors())
    demo.console.run_action("masakari/leader", "add-hosts", f"segment={SEGMENT}", f"hosts={host}")
    return host


@pytest.fixture
def trial(demo: Deployment, plain: str) -> Iterator[Trial]:
    """A trial in a deployment that is whole; what it broke is repaired afterwards."""
    demo.restore()
    found = Trial(demo)
    found.settle()
    found.await_calm(WINDOW)
    Ceph(found).await_empty()
    with found.repairs:
        yield found


@pytest.fixture
def ceph(trial: Trial) -> Ceph:
    """The trial's Ceph."""
    return Ceph(trial)
