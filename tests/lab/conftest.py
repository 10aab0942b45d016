"""One lab for all end-to-end tests: the cloud, then the overlay on top of it, as in the demo."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jubilant
import pytest
from jujulab.cloud.cluster import Cluster
from jujulab.cloud.console import JUJU, Console
from jujulab.cloud.guests import Guests
from jujulab.errors import LabError
from jujulab.juju.client import Client
from jujulab.machines.lab import Lab
from jujulab.trials.deployment import PREFIX, Deployment

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from goingon import GoingOn  # noqa: E402 - it is beside this file

GUESTS = 3
WHOLE = 240
"""Seconds in which a lab that is whole has every unit ready again."""

_clouds: list[Deployment] = []
"""The session's cloud, while it is one without this project's overlay."""

_demos: list[Deployment] = []
"""The session's deployment, once there is one."""


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(GoingOn(what_is_broken, what_was_fenced))


def what_is_broken() -> str | None:
    """Undo every fault, and return what is wrong with the lab all the same."""
    if _clouds:
        # Its tests tell one story, in which a hypervisor is off for a while.
        return None
    if not _demos:
        return "the deployment failed"
    try:
        _demos[0].restore()
        _demos[0].console.wait_active("every unit", timeout=WHOLE)
    except (LabError, OSError, subprocess.SubprocessError) as error:
        return str(error).partition("\n")[0]
    return None


def what_was_fenced() -> str:
    """Return the cluster's fencing history, a line each; nothing where no member can tell."""
    if not _demos:
        return ""
    cluster = Cluster(_demos[0].lab, _demos[0].console)
    try:
        events = list(cluster.look().iter("fence_event"))
    except LabError as error:
        return str(error)
    keys = ("completed", "action", "target", "status", "client", "origin", "exit-reason")
    return "\n".join("  ".join(e.get(key, "-") for key in keys) for e in events)


@pytest.fixture(scope="session")
def juju() -> jubilant.Juju:
    """Jubilant, unchanged, with the lab's `juju` command."""
    return jubilant.Juju(cli_binary=str(JUJU))


@pytest.fixture(scope="session")
def lab() -> Lab:
    return Lab()


@pytest.fixture(scope="session")
def cloud(lab: Lab) -> Iterator[Deployment]:
    """A cloud without the overlay, deployed from nothing.

    With LAB_KEEP set in the environment, what is there already is used, and stays.
    """
    keep = bool(os.environ.get("LAB_KEEP"))
    with lab.claim():
        yield from _deployed(lab, keep)


@pytest.fixture(scope="session")
def demo(cloud: Deployment) -> Deployment:
    """The cloud with the overlay."""
    _clouds.clear()
    cloud.power_on()
    cloud.deploy_overlay()
    cloud.create_segment()
    # A fenced host is back in a third of the time, so that the tests are.
    cloud.console.juju("config", "masakari", "remote-reconnect-interval=20")
    _demos.append(cloud)
    return cloud


def _deployed(lab: Lab, keep: bool) -> Iterator[Deployment]:
    if not keep:
        _clean(lab)
    cloud = Deployment(lab, Console())
    try:
        cloud.deploy_cloud()
        _clouds.append(cloud)
        yield cloud
    finally:
        _clouds.clear()
        _demos.clear()
        cloud.close()
        _keep_logs(lab)
        if not keep:
            _clean(lab)


def _clean(lab: Lab) -> None:
    """Remove the lab, its controller first."""
    Client(lab.home).stop_controller()
    lab.clean()


def _keep_logs(lab: Lab) -> None:
    """Leave the units' logs behind for whoever reads a failure."""
    logs = lab.home / "logs"
    if logs.exists():
        shutil.copytree(logs, lab.cache / "last-test-logs", dirs_exist_ok=True)


@pytest.fixture
def on_duty(demo: Deployment) -> Deployment:
    """The deployment with every hypervisor on, enabled and out of maintenance, no guests."""
    demo.restore()
    return demo


@pytest.fixture
def guests_on(on_duty: Deployment) -> Iterator[tuple[str, Guests]]:
    """Heartbeat guests on one hypervisor, and that hypervisor's name."""
    host = on_duty.boot_guests(GUESTS)
    guests = Guests(on_duty.lab, on_duty.cloud)
    yield host, guests
    guests.delete(PREFIX)
