"""Fixtures: a hypervisor in a temporary directory, and the charm on it."""

from __future__ import annotations

import charm
import pytest
from hypervisor import ARCHIVE, NAME, Daemon, install, looked, make_context
from hypothesis import settings
from instance_ha_common.testing import FakeHost, convert_metadata_once, fake_host, keep_inside
from ops import testing
from workload.pacemaker_remote import PacemakerRemote

convert_metadata_once()
settings.register_profile("charm", deadline=None)  # no test judges how long a machine takes
settings.load_profile("charm")


@pytest.fixture(autouse=True)
def no_processes(monkeypatch):
    keep_inside(monkeypatch)


@pytest.fixture
def host(tmp_path) -> FakeHost:
    """A hypervisor whose nova-compute is configured."""
    host = fake_host(tmp_path, archive=ARCHIVE)
    host.write("/etc/nova/nova.conf", f"[DEFAULT]\nhost = {NAME}\n")
    host.apt.on_install = lambda names: install(host)
    host.runner.answer(["timeout"], looked)
    host.runner.answer(["cibadmin"], (102, "Could not connect to the CIB"))
    return host


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
def ctx(host, daemon, monkeypatch) -> testing.Context:
    monkeypatch.setenv("SCENARIO_BARE_CHARM_ERRORS", "true")
    monkeypatch.setattr(charm.PacemakerRemoteCharm, "make_host", staticmethod(lambda: host))
    monkeypatch.setattr(
        charm.PacemakerRemoteCharm,
        "make_remote",
        staticmethod(lambda host: PacemakerRemote(host, daemon)),
    )
    return make_context()
