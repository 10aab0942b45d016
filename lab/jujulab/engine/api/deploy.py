"""Deploying: one charm, or the changes that a bundle asks for."""

from collections.abc import Callable
from pathlib import Path

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
from jujulab.bundle.data import ApplicationView, MachineView, ModelView, UnitView
from jujulab.bundle.load import load
from jujulab.bundle.names import MachineMap
from jujulab.bundle.plan import compute_changes
from jujulab.engine.model import applications, relations, units
from jujulab.engine.model.model import Model
from jujulab.juju.charm import LocalCharms
from jujulab.juju.errors import JujuError
from jujulab.juju.store import StoredCharm
from jujulab.machines.addresses import SPACES


def store_charm(model: Model, reference: str, revision: int | None = None) -> StoredCharm:
    """Bring a charm into the store, without the model's lock while it is packed or copied."""
    name = model.charms.peek(reference).name
    with model.lock:
        number = model.state.charm_revisions.get(name, 0)
    charm = model.charms.add(reference, revision=revision, next_local=number)
    if charm.origin == "local":
        with model.lock:
            model.state.charm_revisions[name] = charm.revision + 1
    return charm


def view(model: Model) -> ModelView:
    """Return the model as the planner of bundles wants to see it; the lock is held."""
    state = model.state
    applications = {
        app.name: ApplicationView(
            charm=app.source,
            channel=app.channel or None,
            revision=app.revision,
            units=tuple(
                UnitView(u.name, u.machine) for u in model.units_of(app.name) if not u.principal
            ),
            options=app.options,
            constraints=app.constraints,
            next_unit=app.next_unit,
        )
        for app in state.applications.values()
    }
    return ModelView(
        applications=applications,
        machines={m.id: MachineView(m.next_container) for m in state.machines.values()},
        relations=frozenset(
            (str(ends[0]), str(ends[1]))
            for ends in (relation.endpoints for relation in state.relations.values())
            if len(ends) == 2
        ),
        spaces=frozenset(SPACES),
        next_machine=state.next_machine,
    )


def plan(model: Model, files: list[Path], map_machines: str) -> list[Change]:
    """Return what deploying a bundle, the first file, with overlays changes.

    Raises:
        BundleError: Something is wrong with the bundle, or it does not fit the model.
    """
    loaded = load(files[0], files[1:], charms=LocalCharms())
    machine_map = MachineMap.parse(map_machines)
    with model.lock:
        return compute_changes(loaded, view(model), machine_map)


def find_charms(
    model: Model, changes: list[Change], say: Callable[[str], None], *, dry_run: bool
) -> dict[str, StoredCharm]:
    """Bring the charms of changes into the store, unless it is a dry run."""
    charms: dict[str, StoredCharm] = {}
    named: set[str] = set()
    for change in changes:
        if not isinstance(change, AddApplication | RefreshApplication) or change.charm in named:
            continue
        named.add(change.charm)
        if change.channel is None:
            say(f'Located local charm "{Path(change.charm).name}"')
        else:
            say(f'Located charm "{change.charm}" in charm-hub, channel {change.channel}')
        if not dry_run:
            charms[change.charm] = store_charm(model, change.charm, change.revision)
    return charms


def execute(change: Change, model: Model, charms: dict[str, StoredCharm]) -> None:
    """Make one change; the lock is held.

    Raises:
        JujuError: The model refuses it.
    """
    match change:
        case AddApplication(name, charm):
            about = {**vars(change), "charm": charms[charm], "channel": change.channel or ""}
            del about["revision"], about["subordinate"]  # the charm says it
            applications.add_application(model, **about)
        case RefreshApplication(name, charm, channel):
            applications.upgrade_charm(model, name, charms[charm])
            if channel:
                model.application(name).channel = channel
        case SetOptions(name, options):
            applications.set_options(model, name, dict(options), [])
        case SetConstraints(name, constraints):
            model.application(name).constraints = constraints
        case AddMachine(planned, parent, base, constraints):
            added = units.add_machine(model, parent or "", base=base, constraints=constraints)
            _as_planned("machine", planned, added)
        case AddRelation(first, second):
            relations.add(model, first, second)
        case AddUnit(name, planned, machine):
            _as_planned("unit", planned, units.add_unit(model, name, machine).name)


def _as_planned(what: str, planned: str, added: str) -> None:
    if added != planned:
        raise JujuError(f"{what} {planned} was planned, {added} was added")
