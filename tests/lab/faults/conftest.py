"""The lab of the other end-to-end tests, with a fourth hypervisor whose machine has no member."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from jujulab.trials.deployment import SEGMENT, Deployment, have_fourth
from jujulab.trials.failover import Failover
from jujulab.trials.trial import Trial

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from rounds import RoundTrial  # noqa: E402 - it is beside this file

# A campaign says how many faults it wants.
collect_ignore = [] if "LAB_FAULTS" in os.environ else ["test_7_campaign.py"]

WINDOW = 30
"""Seconds for which a fenced hypervisor counts towards the fencing limit: less than a test takes,
so that none has to wait for those before it."""


@pytest.fixture(scope="session")
def plain(demo: Deployment) -> str:
    """A hypervisor whose machine carries nothing else."""
    have_fourth(demo)
    demo.console.juju("config", "masakari", f"fencing-limit-window={WINDOW}")
    host = max(machine.fqdn for machine in demo.hypervisors())
    demo.console.run_action("masakari/leader", "add-hosts", f"segment={SEGMENT}", f"hosts={host}")
    return host


@pytest.fixture
def trial(demo: Deployment, plain: str) -> Iterator[Failover]:
    """A trial in a deployment that is whole; what it broke is repaired afterwards."""
    yield from _in_a_whole_lab(demo, Failover(demo))


@pytest.fixture
def round_trial(demo: Deployment, plain: str) -> Iterator[RoundTrial]:
    """The same, for a round of a campaign."""
    yield from _in_a_whole_lab(demo, RoundTrial(demo))


T = TypeVar("T", bound=Trial)


def _in_a_whole_lab(demo: Deployment, trial: T) -> Iterator[T]:
    demo.restore()
    trial.settle()
    trial.await_calm(WINDOW)
    with trial.repairs:
        yield trial


@pytest.fixture(params=[False, True], ids=["plain", "with-member"])
def host(trial: Trial, plain: str, request: pytest.FixtureRequest) -> str:
    """A hypervisor, once without and once with a member of the cluster on its machine."""
    return trial.hypervisors()[1] if request.param else plain
