"""The lab of the other end-to-end tests, with Consul on three networks and a matrix."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jujulab.demo import BASE, Demo
from jujulab.trial import Trial

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from matrix_lab import Matrix  # noqa: E402  (found on the path that was just set)

OVERLAYS = ("./overlays/masakari.yaml", "./overlays/consul.yaml", "./lab/overlays/consul.yaml")


@pytest.fixture(scope="session")
def consul(demo: Demo) -> Demo:
    """The deployment with overlays/consul.yaml on top of it, and a short fencing window."""
    console = demo.console
    with console.step("Consul on three networks, and the matrix"):
        if "consul-storage" not in console.status()["applications"]:
            site: Path = demo.lab.home / "demo" / "site.yaml"
            files = [*OVERLAYS[:1], str(site), *OVERLAYS[1:]]
            arguments = [part for file in files for part in ("--overlay", file)]
            console.juju("deploy", BASE, *arguments, "--map-machines=existing")
        console.juju("config", "masakari", "fencing-limit-window=45", "report-limit-window=45")
        console.wait_active("Consul", timeout=420)
    return demo


@pytest.fixture
def matrix(consul: Demo) -> Iterator[Matrix]:
    """A trial in a deployment that is whole; what it broke is repaired afterwards."""
    consul.restore()
    matrix = Matrix(Trial(consul))
    matrix.trial.settle()
    matrix.settle()
    matrix.trial.await_calm(45)
    with matrix.trial.repairs:
        yield matrix
