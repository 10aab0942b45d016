"""One lab for all end-to-end tests: the cloud, then the overlay on top of it, as in the demo."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import jubilant
import pytest
from jujulab.console import JUJU, Console, StepError
from jujulab.demo import HYPERVISORS, PREFIX, Demo
from jujulab.guests import Guests
from jujulab.machines import Lab

GUESTS = 3


@pytest.fixture(scope="session")
def juju() -> jubilant.Juju:
    """Jubilant, unchanged, with the lab's `juju` command."""
    return jubilant.Juju(cli_binary=str(JUJU))


@pytest.fixture(scope="session")
def lab() -> Lab:
    return Lab()


@pytest.fixture(scope="session")
def demo(lab: Lab) -> Iterator[Demo]:
    """A cloud with the overlay, deployed from nothing."""
    lab.clean()
    demo = Demo(lab, Console())
    try:
        demo.deploy_cloud()
        demo.deploy_overlay()
        demo.create_segment()
        yield demo
    finally:
        demo.close()
        _keep_logs(lab)
        lab.clean()


def _keep_logs(lab: Lab) -> None:
    """Leave the units' logs behind for whoever reads a failure."""
    logs = lab.home / "logs"
    if logs.exists():
        shutil.copytree(logs, lab.cache / "last-test-logs", dirs_exist_ok=True)


@pytest.fixture
def on_duty(demo: Demo) -> Demo:
    """The deployment with every hypervisor on, enabled and out of maintenance, no guests."""
    demo.restore()
    return demo


@pytest.fixture
def guests_on(on_duty: Demo) -> Iterator[tuple[str, Guests]]:
    """Heartbeat guests on one hypervisor, and that hypervisor's name."""
    host = on_duty.boot_guests(GUESTS)
    guests = Guests(on_duty.lab, on_duty.cloud)
    yield host, guests
    guests.delete(PREFIX)


__all__ = ["GUESTS", "HYPERVISORS", "StepError"]
