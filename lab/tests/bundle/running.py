"""Models that bundles are deployed to, and what a controller makes of the changes."""

from typing import Any

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
from jujulab.engine.model.state import (
    Application,
    Endpoint,
    MachineState,
    Relation,
    State,
    Unit,
)
from jujulab.juju.charm import is_path


def deployed(name: str, charm: str, **about: Any) -> Application:
    """Return an application of a model, of a charm of Charmhub or in a file."""
    origin = "local" if is_path(charm) or charm.startswith("local:") else "charmhub"
    about = {"revision": 1, **about}
    return Application(name, f"{name}-key", charm, charm, charm_origin=origin, **about)


def machines_of(*names: str, **about: int) -> dict[str, MachineState]:
    """Return machines of a model."""
    return {name: MachineState(name, **about) for name in names}


def execute(model: State, changes: list[Change]) -> None:
    """Change a model as a controller would."""
    for change in changes:
        match change:
            case AddMachine():
                assert change.id not in model.machines
                assert change.parent is None or change.parent in model.machines
                model.machines[change.id] = MachineState(change.id)
                if change.parent is None:
                    model.next_machine = int(change.id) + 1
                else:
                    model.machines[change.parent].next_container += 1
            case AddRelation():
                ends = [end.split(":") for end in (change.endpoint1, change.endpoint2)]
                assert {app for app, _ in ends} <= model.applications.keys()
                relation = Relation(len(model.relations), [Endpoint(*e, "", "") for e in ends])
                model.relations[str(relation.id)] = relation
            case AddUnit():
                assert change.machine in model.machines
                model.units[change.unit] = Unit(change.unit, change.machine)
                model.applications[change.application].next_unit += 1
            case _:
                _change_application(model.applications, change)


def _change_application(applications: dict[str, Application], change: Change) -> None:
    match change:
        case AddApplication(name, charm):
            assert name not in applications
            app = applications[name] = deployed(name, charm, options=dict(change.options))
            app.channel, app.constraints = change.channel or "", change.constraints
            app.revision = change.revision or app.revision
        case RefreshApplication(name, charm):
            app = applications[name]
            app.source, app.revision = charm, change.revision or app.revision
        case SetOptions(name):
            options = {**applications[name].options, **change.options}
            applications[name].options = {k: v for k, v in options.items() if v is not None}
        case SetConstraints(name, constraints):
            applications[name].constraints = constraints
