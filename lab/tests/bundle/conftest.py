"""A shelf of small charms, and bundles written against them."""

import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from jujulab.bundle.changes import Change
from jujulab.bundle.data import Bundle
from jujulab.bundle.errors import BundleError
from jujulab.bundle.load import load
from jujulab.bundle.names import MachineMap
from jujulab.bundle.plan import compute_changes
from jujulab.engine.model.state import State
from jujulab.juju.charm import LocalCharms

sys.path[:0] = [str(Path(__file__).resolve().parent)]
"""Lets the tests import the modules beside them."""

from running import execute  # noqa: E402

CHARMS = {
    "web": """
        name: web
        provides: {website: {interface: http}, status: {interface: http}}
        requires:
          db: {interface: sql, limit: 1}
          ha: {interface: cluster, scope: container}
          extra-db: {interface: other-sql}
        peers: {cluster: {interface: web-peer}}
        extra-bindings: {public: null}
        platforms: {"ubuntu@24.04:amd64": null}
        config:
          options:
            title: {type: string, default: Home}
            port: {type: int}
            ratio: {type: float}
            debug: {type: boolean}
    """,
    "db": """
        name: db
        provides: {sql: {interface: sql}}
        config: {options: {size: {type: string}}}
    """,
    "twin-db": """
        name: twin-db
        provides: {sql: {interface: sql}, old: {interface: other-sql}}
    """,
    "proxy": """
        name: proxy
        requires: {upstream: {interface: http}}
    """,
    "agent": """
        name: agent
        subordinate: true
        requires: {host: {interface: juju-info, scope: container}}
        config: {options: {interval: {type: int, default: 60}}}
    """,
    "cluster": """
        name: cluster
        subordinate: true
        provides: {ha: {interface: cluster, scope: container}}
        requires: {juju-info: {interface: juju-info, scope: container}}
    """,
}

BASE = """
default-base: ubuntu@22.04
machines: {"0": {}, "1": {}}
applications:
  web:
    charm: web
    channel: 1.0/stable
    num_units: 2
    to: ["0", "1"]
    options: {title: Shop, port: 80}
    bindings: {"": internal, public: public}
  db:
    charm: db
    channel: 8.0/stable
    num_units: 1
    to: ["lxd:0"]
relations:
  - ["web:db", "db:sql"]
"""


@dataclass
class Workshop:
    """Writes bundles to files and loads them."""

    directory: Path

    def write(self, text: str, name: str = "bundle.yaml") -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def load(self, bundle: str, *overlays: str) -> Bundle:
        paths = [self.write(text, f"overlay{n}.yaml") for n, text in enumerate(overlays)]
        charms = LocalCharms(self.directory / "charms")
        return load(self.write(bundle), paths, charms=charms)

    def refusals(self, bundle: str, *overlays: str) -> list[str]:
        """Return what is wrong, without the directory of the files."""
        with pytest.raises(BundleError) as caught:
            self.load(bundle, *overlays)
        return [str(p).replace(f"{self.directory}/", "") for p in caught.value.problems]

    def refusal(self, bundle: str, *overlays: str) -> str:
        """Return the only thing that is wrong."""
        (problem,) = self.refusals(bundle, *overlays)
        return problem


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    workshop = Workshop(tmp_path)
    for name, metadata in CHARMS.items():
        workshop.write(metadata, f"charms/{name}/charmcraft.yaml")
    return workshop


@pytest.fixture
def base() -> str:
    """A bundle of two applications on two machines."""
    return BASE


@dataclass
class Model:
    """A model that bundles are deployed to."""

    workshop: Workshop
    view: State = field(default_factory=State)
    spaces: tuple[str, ...] = ("internal", "public")

    def changes(self, bundle: str, *overlays: str, machines: str = "existing") -> list[str]:
        """Return what a deployment would change, in Juju's words."""
        return [str(change) for change in self._plan(bundle, overlays, machines)]

    def deploy(self, bundle: str, *overlays: str, machines: str = "existing") -> list[str]:
        """Change the model, and return what was changed."""
        changes = self._plan(bundle, overlays, machines)
        execute(self.view, changes)
        return [str(change) for change in changes]

    def refusal(self, bundle: str, *overlays: str, machines: str = "existing") -> str:
        with pytest.raises(BundleError) as caught:
            self._plan(bundle, overlays, machines)
        return str(caught.value).replace(f"{self.workshop.directory}/", "")

    def units(self, application: str) -> dict[str, str]:
        units = (unit for unit in self.view.units.values() if unit.app == application)
        return {unit.name: unit.machine for unit in units}

    def _plan(self, bundle: str, overlays: tuple[str, ...], machines: str) -> list[Change]:
        loaded = self.workshop.load(bundle, *overlays)
        return compute_changes(loaded, self.view, MachineMap.parse(machines), self.spaces)


@pytest.fixture
def model(workshop: Workshop) -> Model:
    """An empty model."""
    return Model(workshop)
