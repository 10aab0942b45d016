"""The lab of the other end-to-end tests, with Consul on three networks and a matrix."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jujulab.trials.deployment import Deployment
from jujulab.trials.trial import Trial

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from matrix_lab import Matrix  # noqa: E402  (found on the path that was just set)


@pytest.fixture(scope="session")
def consul(demo: Deployment) -> Deployment:
    """The deployment with overlays/consul.yaml on top of it, and a short fencing window."""
    console = demo.console
    if "consul-storage" not in console.status()["applications"]:
        demo.deploy_consul()
    console.juju("config", "masakari", "fencing-limit-window=45", "report-limit-window=45")
    console.wait_active("the windows", timeout=120)
    return demo


@pytest.fixture
def matrix(consul: Deployment) -> Iterator[Matrix]:
    """A trial in a deployment that is whole; what it broke is repaired afterwards."""
    consul.restore()
    matrix = Matrix(Trial(consul))
    matrix.trial.settle()
    matrix.settle()
    matrix.trial.await_calm(45)
    with matrix.trial.repairs:
        yield matrix
