"""Fixtures of the masakari charm's unit tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from instance_ha_common.testing import convert_metadata_once, make_context
from masakari_fencing.cluster import health
from masakari_fencing.cluster.health import Problem
from ops import testing

import charm
import fakecloud
import machine as machine_module
from fakecloud import FakeCloud
from machine import Machine
from model import complete
from segments import cloud as cloud_module
from segments.segments import Segments
from workload import cluster

convert_metadata_once()
settings.register_profile("charm", deadline=None)  # no test judges how long a machine takes
settings.load_profile("charm")


@pytest.fixture(autouse=True)
def _no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No unit test may touch the machine that it runs on."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError(f"a unit test started a process: {args}")

    monkeypatch.setattr(subprocess, "run", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(os, "system", refuse)
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # nothing here has to outlive a power cut


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with the packages installed, not configured yet."""
    made = machine_module.make(tmp_path)
    monkeypatch.setattr(charm, "make_workload", made.workload)
    monkeypatch.setattr("instance_ha_common.machine.hostname.canonical_name", lambda: "node1.maas")
    return made


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine without the packages."""
    made = machine_module.make(tmp_path, installed=False)
    monkeypatch.setattr(charm, "make_workload", made.workload)
    return made


@pytest.fixture(scope="session")
def ctx() -> testing.Context:
    """The charm under test."""
    return make_context(charm.MasakariCharm, machine_id="1/lxd/0")


@pytest.fixture(scope="session")
def _server() -> Iterator[fakecloud.Server]:
    server = fakecloud.Server()
    yield server
    server.end()


@pytest.fixture
def segments(cloud: FakeCloud) -> Segments:
    """The segments of that cloud, without waiting."""
    return Segments(fakecloud.connect(cloud), sleep=lambda seconds: None)


@pytest.fixture
def cloud(_server: fakecloud.Server) -> FakeCloud:
    """A cloud with three hypervisors and no segment."""
    _server.cloud = FakeCloud(url=_server.cloud.url)
    for number in (1, 2, 3):
        _server.cloud.add_hypervisor(f"node{number}.maas")
    return _server.cloud


@pytest.fixture
def state(
    ctx: testing.Context, machine: Machine, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> testing.State:
    """A unit that is ready, next to the cloud of the tests."""
    original = cloud_module.Cloud.__init__

    def connect(self: Any, identity: Any, **options: Any) -> None:
        assert options.pop("ca_bundle").endswith("/etc/ssl/certs/ca-certificates.crt")
        options["masakari_url"] = f"{cloud.url}/v1"
        original(self, cloud.identity(), ca_bundle=None, **options)

    monkeypatch.setattr(cloud_module.Cloud, "__init__", connect)
    monkeypatch.setattr(cluster.Cluster, "stranger", lambda self, name: None)
    return ctx.run(ctx.on.config_changed(), complete())


@pytest.fixture
def problems(monkeypatch: pytest.MonkeyPatch) -> list[Problem]:
    """What the cluster's health check is to find; two devices can fence any host."""
    found: list[Problem] = []
    monkeypatch.setattr(health, "inspect", lambda runner, **options: list(found))
    monkeypatch.setattr(health, "able", lambda runner, host: ["guard", "st-maas"])
    return found
