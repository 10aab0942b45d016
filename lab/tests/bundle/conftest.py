"""A shelf of small charms, and bundles written against them."""

import textwrap
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from jujulab.bundle.changes import (
    AddApplication,
    AddMachine,
    AddRelation,
    AddUnit,
    Change,
    RefreshApplication,
    SetConstraints,
    SetOptions,
)
from jujulab.bundle.data import ApplicationView, Bundle, MachineView, ModelView, UnitView
from jujulab.bundle.errors import BundleError
from jujulab.bundle.load import load
from jujulab.bundle.names import MachineMap
from jujulab.bundle.plan import compute_changes
from jujulab.juju.charm import LocalCharms

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


def execute(model: ModelView, changes: list[Change]) -> ModelView:
    """Return a model after changes, as a controller would have it."""
    applications = dict(model.applications)
    machines = dict(model.machines)
    relations = set(model.relations)
    for change in changes:
        match change:
            case AddApplication():
                assert change.name not in applications
                applications[change.name] = ApplicationView(
                    charm=change.charm,
                    channel=change.channel,
                    revision=change.revision,
                    options=change.options,
                    constraints=change.constraints,
                )
            case AddMachine():
                assert change.id not in machines
                assert change.parent is None or change.parent in machines
                machines[change.id] = MachineView()
            case AddRelation():
                for endpoint in (change.endpoint1, change.endpoint2):
                    assert endpoint.partition(":")[0] in applications
                relations.add((change.endpoint1, change.endpoint2))
            case AddUnit():
                assert change.machine in machines
                view = applications[change.application]
                unit = UnitView(change.unit, change.machine)
                applications[change.application] = replace(view, units=(*view.units, unit))
            case _:
                name = change.application
                applications[name] = _set(applications[name], change)
    return replace(
        model, applications=applications, machines=machines, relations=frozenset(relations)
    )


def _set(view: ApplicationView, change: Change) -> ApplicationView:
    match change:
        case RefreshApplication():
            return replace(view, charm=change.charm, revision=change.revision)
        case SetOptions():
            options = {**view.options, **change.options}
            return replace(view, options={k: v for k, v in options.items() if v is not None})
        case SetConstraints():
            return replace(view, constraints=change.constraints)
    raise AssertionError(f"unknown change {change}")


@dataclass
class Model:
    """A model that bundles are deployed to."""

    workshop: Workshop
    view: ModelView = field(default_factory=ModelView)

    def changes(self, bundle: str, *overlays: str, machines: str = "existing") -> list[str]:
        """Return what a deployment would change, in Juju's words."""
        return [str(change) for change in self._plan(bundle, overlays, machines)]

    def deploy(self, bundle: str, *overlays: str, machines: str = "existing") -> list[str]:
        """Change the model, and return what was changed."""
        changes = self._plan(bundle, overlays, machines)
        self.view = execute(self.view, changes)
        return [str(change) for change in changes]

    def refusal(self, bundle: str, *overlays: str, machines: str = "existing") -> str:
        with pytest.raises(BundleError) as caught:
            self._plan(bundle, overlays, machines)
        return str(caught.value).replace(f"{self.workshop.directory}/", "")

    def units(self, application: str) -> dict[str, str]:
        return {unit.name: unit.machine for unit in self.view.applications[application].units}

    def _plan(self, bundle: str, overlays: tuple[str, ...], machines: str) -> list[Change]:
        loaded = self.workshop.load(bundle, *overlays)
        return compute_changes(loaded, self.view, MachineMap.parse(machines))


@pytest.fixture
def model(workshop: Workshop) -> Model:
    """An empty model."""
    return Model(workshop)
