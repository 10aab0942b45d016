"""Fixtures: a hypervisor in a temporary directory, and the charm on it."""

from __future__ import annotations

import charm
import pytest
from hypervisor import ARCHIVE, NAME, gpasswd, install, make_context
from hypothesis import settings
from instance_ha_common.testing import FakeHost, convert_metadata_once, fake_host, keep_inside
from ops import testing

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
    host.write("/etc/group", "root:x:0:\nlibvirt:x:1:nova\n")
    host.apt.on_install = lambda names: install(host, names)
    host.runner.answer(["gpasswd"], lambda argv: gpasswd(host, argv))
    return host


@pytest.fixture
def ctx(host, monkeypatch) -> testing.Context:
    monkeypatch.setenv("SCENARIO_BARE_CHARM_ERRORS", "true")
    monkeypatch.setattr(charm.MasakariMonitorsCharm, "make_host", staticmethod(lambda: host))
    return make_context()
