"""The deployment of the end-to-end tests, and who operates it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import jubilant
import pytest
from jujulab.cloud.guests import Guests
from jujulab.trials.deployment import PREFIX, Deployment

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from operating import Operator  # noqa: E402  (found on the path that was just set)


@pytest.fixture(scope="session")
def operator(demo: Deployment, juju: jubilant.Juju) -> Operator:
    """The operator of the one deployment."""
    return Operator(demo, juju)


@pytest.fixture
def guest(on_duty: Deployment) -> Iterator[str]:
    """A guest tagged HA_Enabled, on some hypervisor; its name."""
    on_duty.boot_guests(1)
    yield f"{PREFIX}1"
    Guests(on_duty.lab, on_duty.cloud).delete(PREFIX)
