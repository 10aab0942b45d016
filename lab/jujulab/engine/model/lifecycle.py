"""Units, applications and machines: how they come and go."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass, field
from typing import Any

from jujulab.engine.model import relations
from jujulab.engine.model.model import Model
from jujulab.engine.model.state import ALIVE, DYING, Application, MachineState, Status, Unit
from jujulab.juju.errors import JujuError
from jujulab.juju.store import StoredCharm

_APP_NAME = re.compile(r"^[a-z][a-z0-9]*(?:-[a-z0-9]*[a-z][a-z0-9]*)*$")
_PLACEMENT = re.compile(r"^(?:(?P<kind>lxd)(?::(?P<host>\d+))?|(?P<machine>\d+(?:/lxd/\d+)?))$")


@dataclass
class AppSpec:
    """How an application is to be deployed.

    Attributes:
        options: Values by option name; text is converted to the option's type.
        bindings: Spaces by endpoint or extra binding; the empty name is the default.
    """

    name: str
    charm: StoredCharm
    channel: str = ""
    base: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    bindings: dict[str, str] = field(default_factory=dict)
    constraints: str = ""
    trust: bool = False


def add_application(model: Model, spec: AppSpec) -> Application:
    """Add an application without units.

    Raises:
        JujuError: The name is bad or taken, or an option or binding does not fit the charm.
    """
    meta = spec.charm.meta
    if not _APP_NAME.match(spec.name):
        raise JujuError(f'invalid application name "{spec.name}"')
    if spec.name in model.state.applications:
        raise JujuError(f'deploying application "{spec.name}": application already exists')
    if meta.subordinate and spec.constraints:
        raise JujuError("subordinate application must be deployed without constraints")
    for name in spec.bindings:
        if name and name not in meta.binding_names:
            raise JujuError(
                f'deploying application "{spec.name}": unknown endpoint "{name}" in bindings'
            )
    app = Application(
        name=spec.name,
        charm=spec.charm.key,
        source=spec.charm.source,
        charm_url=spec.charm.url,
        charm_origin=spec.charm.origin,
        revision=spec.charm.revision,
        channel=spec.channel or ("stable" if spec.charm.origin == "charmhub" else ""),
        base=spec.base or meta.base,
        subordinate=meta.subordinate,
        trust=spec.trust,
        constraints=spec.constraints,
        bindings=dict(spec.bindings),
        status=Status("unset", "", time.time()),
    )
    app.options = checked_options(spec.name, spec.charm, spec.options)
    model.state.applications[spec.name] = app
    relations.add_peers(model, spec.name)
    return app


def checked_options(app: str, charm: StoredCharm, values: dict[str, Any]) -> dict[str, Any]:
    """Return option values in their types.

    Raises:
        JujuError: An option is unknown or its value does not fit.
    """
    result = {}
    for name, value in values.items():
        if name not in charm.meta.options:
            raise JujuError(f'application "{app}": unknown option "{name}"')
        result[name] = charm.meta.options[name].coerce(name, value)
    return {name: value for name, value in result.items() if value is not None}


def set_options(model: Model, app: str, values: dict[str, Any], reset: list[str]) -> None:
    """Change an application's options.

    Raises:
        JujuError: An option is unknown or its value does not fit; nothing is changed then.
    """
    application, options = model.application(app), model.meta(app).options
    unknown = [name for name in [*values, *reset] if name not in options]
    if unknown:
        raise JujuError(f'unknown option "{unknown[0]}"')
    typed = {name: options[name].coerce(name, value) for name, value in values.items()}
    for name in reset:
        application.options.pop(name, None)
    application.options.update(typed)


def add_machine(model: Model, parent: str = "", *, base: str = "", constraints: str = "") -> str:
    """Add a machine, or an LXD container on `parent`; its agent provisions it.

    Returns:
        Its id.
    """
    if parent:
        host = model.machine(parent)
        if host.life != ALIVE:
            raise JujuError(f"machine {parent} is not alive")
        machine_id = f"{parent}/lxd/{host.next_container}"
        host.next_container += 1
    else:
        machine_id = str(model.state.next_machine)
        model.state.next_machine += 1
    model.state.machines[machine_id] = MachineState(
        machine_id, base=base, constraints=constraints, status=Status("pending", "", time.time())
    )
    return machine_id


def place(model: Model, directive: str, *, base: str = "") -> str:
    """Return the machine that a ``--to`` directive means, adding it where it has to be.

    Args:
        model: The model.
        directive: ``3``, ``1/lxd/0``, ``lxd:1``, ``lxd``, or empty for a new machine.
        base: Base of a new machine.

    Raises:
        JujuError: The directive is none of these, or the machine does not exist.
    """
    if not directive:
        return add_machine(model, base=base)
    match = _PLACEMENT.match(directive)
    if not match:
        raise JujuError(f'invalid placement directive "{directive}"')
    if match["machine"]:
        return model.machine(match["machine"]).id
    host = match["host"] or add_machine(model, base=base)
    return add_machine(model, host, base=base)


def check_placement(model: Model, directive: str) -> None:
    """Check a ``--to`` directive without adding anything; raises as `place` does."""
    match = _PLACEMENT.match(directive)
    if not match:
        raise JujuError(f'invalid placement directive "{directive}"')
    if match["machine"] or match["host"]:
        model.machine(match["machine"] or match["host"])


def add_unit(model: Model, app: str, machine: str) -> Unit:
    """Add a unit of a principal application on a machine.

    Raises:
        JujuError: The application is a subordinate, or something does not exist.
    """
    application = model.application(app)
    if application.subordinate:
        raise JujuError(f'cannot add unit to "{app}": application is a subordinate')
    return _new_unit(model, application, model.machine(machine).id, "")


def add_subordinate(model: Model, principal: Unit, app: str) -> None:
    """Add the unit of a subordinate application that goes with `principal`, if it lacks."""
    if any(name.partition("/")[0] == app for name in principal.subordinates):
        return
    unit = _new_unit(model, model.application(app), principal.machine, principal.name)
    principal.subordinates.append(unit.name)


def _new_unit(model: Model, app: Application, machine: str, principal: str) -> Unit:
    now = time.time()
    unit = Unit(
        name=f"{app.name}/{app.next_unit}",
        machine=machine,
        principal=principal,
        workload=Status(
            "waiting", "installing agent" if principal else "waiting for machine", now
        ),
        agent=Status("allocating", "", now),
        updated_at=now,
    )
    app.next_unit += 1
    unit.address = model.default_address(machine)
    model.state.units[unit.name] = unit
    return unit


def destroy_unit(model: Model, unit: Unit, *, force: bool = False) -> None:
    """Begin to remove a unit and its subordinates; its agent runs the hooks.

    A unit that has not been installed goes at once; so does any with `force`, without hooks.
    """
    unit.life = DYING
    model.lose_leadership(unit)
    for name in list(unit.subordinates):
        destroy_unit(model, model.state.units[name], force=force)
    for relation in model.relations_of(unit.app):
        relations.leave(model, relation, unit.name)
    if force or not unit.installed:
        drop_unit(model, unit)


def drop_unit(model: Model, unit: Unit) -> None:
    """Forget a unit that has run its last hook, and what only it kept: machine, application."""
    model.state.units.pop(unit.name, None)
    for relation in list(model.relations_of(unit.app)):
        relations.leave(model, relation, unit.name)
    if unit.principal:
        with contextlib.suppress(KeyError, ValueError):
            model.state.units[unit.principal].subordinates.remove(unit.name)
    for task in model.state.tasks.values():
        if task.receiver == unit.name and not task.done:
            task.status, task.message = "cancelled", "unit removed"
            task.completed = time.time()
    collect_application(model, unit.app)
    if not unit.principal:
        _collect_machine(model, unit.machine)


def _collect_machine(model: Model, machine_id: str) -> None:
    """Let go of a machine that has nothing on it any more, as Juju gives it back to the cloud."""
    machine = model.state.machines.get(machine_id)
    if machine is None or model.units_on(machine_id) or _containers(model, machine_id):
        return
    machine.life = DYING


def _containers(model: Model, machine_id: str) -> list[str]:
    return [m.id for m in model.state.machines.values() if m.parent == machine_id]


def destroy_application(model: Model, name: str, *, force: bool = False) -> None:
    """Begin to remove an application with its relations and units."""
    app = model.application(name)
    app.life = DYING
    for relation in list(model.relations_of(name)):
        if not relation.is_peer:
            relations.kill(model, relation, force=force)
    for unit in model.units_of(name):
        destroy_unit(model, unit, force=force)
    collect_application(model, name)


def collect_application(model: Model, name: str) -> None:
    """Drop a dying application that has neither units nor relations any more."""
    app = model.state.applications.get(name)
    if app is None or app.life == ALIVE or model.units_of(name):
        return
    held = [r for r in model.relations_of(name) if not r.is_peer]
    if held:
        return
    for relation in model.relations_of(name):
        del model.state.relations[str(relation.id)]
    del model.state.applications[name]


def upgrade_charm(model: Model, name: str, charm: StoredCharm) -> None:
    """Give an application another revision of its charm; its units run upgrade-charm.

    Raises:
        JujuError: The charm is another one, or lacks an endpoint that is in use.
    """
    app, old = model.application(name), model.meta(name)
    if charm.meta.name != old.name:
        raise JujuError(f'cannot upgrade charm "{old.name}" to "{charm.meta.name}"')
    if charm.meta.subordinate != app.subordinate:
        raise JujuError(f'cannot upgrade application "{name}": subordinacy would change')
    for relation in model.relations_of(name):
        used = relation.endpoint(name).name
        if used not in charm.meta.endpoints:
            raise JujuError(f'cannot upgrade application "{name}": would break relation {used}')
    peers = {r.endpoint(name).name for r in model.relations_of(name) if r.is_peer}
    kept = {k: v for k, v in app.options.items() if k in charm.meta.options}
    app.options = checked_options(name, charm, kept)
    app.charm, app.charm_url, app.revision = charm.key, charm.url, charm.revision
    app.charm_origin, app.source = charm.origin, charm.source
    for endpoint in charm.meta.endpoints.values():
        if endpoint.role == "peer" and endpoint.name not in peers:
            relations.add_peer(model, name, endpoint)
