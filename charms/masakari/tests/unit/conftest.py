"""Fixtures of the masakari charm's unit tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from instance_ha_common.testing import write_yaml_quickly
from ops import testing

import charm
import fakecloud
import machine as machine_module
from fakecloud import FakeCloud
from machine import Machine

write_yaml_quickly()

CHARM_ROOT = Path(__file__).parents[2]


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
    monkeypatch.setattr(charm, "make_unit", made.unit)
    monkeypatch.setattr("instance_ha_common.hostname.canonical_name", lambda: "node1.maas")
    return made


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine without the packages."""
    made = machine_module.make(tmp_path, installed=False)
    monkeypatch.setattr(charm, "make_unit", made.unit)
    return made


@pytest.fixture(scope="session")
def ctx() -> testing.Context:
    """The charm under test, with its own metadata.

    Without the descriptions: the library writes and reads it all again for every single event.
    """
    data = _without_descriptions(yaml.safe_load((CHARM_ROOT / "charmcraft.yaml").read_text()))
    parts = {key: data.pop(key) for key in ("config", "actions")}
    kept = ("name", "summary", "description", "requires", "peers", "extra-bindings")
    meta = {"summary": "", "description": "", **{key: data[key] for key in kept if key in data}}
    return testing.Context(charm.MasakariCharm, meta=meta, machine_id="1/lxd/0", **parts)


def _without_descriptions(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    return {
        key: _without_descriptions(value)
        for key, value in data.items()
        if not (key == "description" and isinstance(value, str))
    }


@pytest.fixture(scope="session")
def _server() -> Iterator[fakecloud.Server]:
    server = fakecloud.Server()
    yield server
    server.end()


@pytest.fixture
def cloud(_server: fakecloud.Server) -> FakeCloud:
    """A cloud with three hypervisors and no segment."""
    _server.cloud = FakeCloud(url=_server.cloud.url)
    for number in (1, 2, 3):
        _server.cloud.add_hypervisor(f"node{number}.maas")
    return _server.cloud
