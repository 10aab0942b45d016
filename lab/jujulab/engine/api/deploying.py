"""The calls that bring in charms: one, or the changes that a bundle asks for."""

from collections.abc import Callable
from pathlib import Path
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
from jujulab.bundle.load import load
from jujulab.bundle.names import MachineMap
from jujulab.bundle.plan import compute_changes
from jujulab.engine.api.calls import Calls
from jujulab.engine.model import applications, relations
from jujulab.engine.model import units as placing
from jujulab.engine.model.model import Model
from jujulab.juju.charm import LocalCharms
from jujulab.juju.errors import JujuError
from jujulab.juju.store import StoredCharm
from jujulab.machines.addresses import SPACES


class Deploying(Calls):
    """Each public method is one call."""

    def deploy_charm(
        self,
        *,
        charm: str,
        name: str,
        revision: int | None,
        units: int | None,
        to: list[str],
        **about: Any,
    ) -> None:
        """Deploy one charm; `about` it is what `add_application` takes besides."""
        stored = _store_charm(self.model, charm, revision)
        subordinate = stored.meta.subordinate
        if subordinate and (to or units not in (None, 0, 1)):
            raise JujuError("subordinate application must be deployed without units")
        count = 0 if subordinate else 1 if units is None else units
        if len(to) > count and not subordinate:
            raise JujuError("too many units specified in unit placement")
        with self._changing() as model:
            for directive in to:
                placing.check_placement(model, directive)
            name = name or stored.meta.name
            app = applications.add_application(model, name, stored, **about)
            source = "local charm" if stored.origin == "local" else "charm-hub charm"
            where = f" in channel {app.channel}" if app.channel else ""
            self.say(f'Located {source} "{stored.meta.name}", revision {stored.revision}')
            self.say(
                f'Deploying "{app.name}" from {source} "{stored.meta.name}", revision '
                f"{stored.revision}{where} on {app.base or 'any base'}"
            )
            self._add_units(app.name, count, to)

    def deploy_bundle(
        self, *, bundle: str, overlays: list[str], map_machines: str, dry_run: bool
    ) -> None:
        """Deploy a bundle with overlays: all is read, verified and planned before a change."""
        files = [Path(path) for path in (bundle, *overlays)]
        changes = _plan(self.model, files, map_machines)
        charms = _find_charms(self.model, changes, self.say, dry_run=dry_run)
        if not changes:
            self.say("No changes to apply.")
            return
        self.say("Changes to deploy bundle:" if dry_run else "Executing changes:")
        for change in changes:
            self.say(f"- {change}")
        if dry_run:
            return
        with self._changing() as model:
            for change in changes:
                _execute(change, model, charms)
        self.say("Deploy of bundle completed.")

    def refresh(
        self, *, app: str, path: str, channel: str, revision: int | None, options: dict[str, Any]
    ) -> None:
        """Upgrade an application's charm, from `path` or from where it came."""
        with self.model.lock:
            source = path or self.model.application(app).source
        stored = _store_charm(self.model, source, revision)
        with self._changing() as model:
            application = model.application(app)
            if stored.key == application.charm:
                self.say(f'charm "{stored.meta.name}": already up-to-date')
            else:
                self.say(
                    f'Added {stored.origin} charm "{stored.meta.name}", revision '
                    f"{stored.revision}, to the model"
                )
                applications.upgrade_charm(model, app, stored)
            if channel:
                application.channel = channel
            if options:
                applications.set_options(model, app, options, [])

    def add_unit(self, *, app: str, units: int, to: list[str]) -> None:
        """Add units."""
        with self._changing() as model:
            if model.application(app).subordinate:
                raise JujuError(f'cannot add unit to "{app}": application is a subordinate')
            for directive in to:
                placing.check_placement(model, directive)
            self._add_units(app, units, to)

    def _add_units(self, app: str, count: int, to: list[str]) -> None:
        base = self.model.application(app).base
        for number in range(count):
            directive = to[number] if number < len(to) else ""
            machine = placing.place(self.model, directive, base=base)
            placing.add_unit(self.model, app, machine)


def _store_charm(model: Model, reference: str, revision: int | None = None) -> StoredCharm:
    """Bring a charm into the store, without the model's lock while it is packed or copied."""
    name = model.charms.peek(reference).name
    with model.lock:
        number = model.state.charm_revisions.get(name, 0)
    charm = model.charms.add(reference, revision=revision, next_local=number)
    if charm.origin == "local":
        with model.lock:
            model.state.charm_revisions[name] = charm.revision + 1
    return charm


def _plan(model: Model, files: list[Path], map_machines: str) -> list[Change]:
    """Return what deploying a bundle, the first file, with overlays changes.

    Raises:
        BundleError: Something is wrong with the bundle, or it does not fit the model.
    """
    loaded = load(files[0], files[1:], charms=LocalCharms())
    machine_map = MachineMap.parse(map_machines)
    with model.lock:
        return compute_changes(loaded, model.state, machine_map, SPACES)


def _find_charms(
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
            charms[change.charm] = _store_charm(model, change.charm, change.revision)
    return charms


def _execute(change: Change, model: Model, charms: dict[str, StoredCharm]) -> None:
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
            added = placing.add_machine(model, parent or "", base=base, constraints=constraints)
            _as_planned("machine", planned, added)
        case AddRelation(first, second):
            relations.add(model, first, second)
        case AddUnit(name, planned, machine):
            _as_planned("unit", planned, placing.add_unit(model, name, machine).name)


def _as_planned(what: str, planned: str, added: str) -> None:
    if added != planned:
        raise JujuError(f"{what} {planned} was planned, {added} was added")
