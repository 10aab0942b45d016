"""How relations, units, applications and machines go."""

import contextlib
import time

from jujulab.engine.model.model import Model
from jujulab.engine.model.state import ALIVE, DYING, Relation, Unit
from jujulab.juju.errors import JujuError, NotFoundError


def destroy_application(model: Model, name: str, *, force: bool = False) -> None:
    """Begin to remove an application with its relations and units."""
    app = model.application(name)
    app.life = DYING
    for relation in list(model.relations_of(name)):
        if not relation.is_peer:
            kill(model, relation, force=force)
    for unit in model.units_of(name):
        destroy_unit(model, unit, force=force)
    collect_application(model, name)


def destroy_unit(model: Model, unit: Unit, *, force: bool = False) -> None:
    """Begin to remove a unit and its subordinates; its agent runs the hooks.

    A unit that has not been installed goes at once; so does any with `force`, without hooks.
    """
    unit.life = DYING
    model.lose_leadership(unit)
    for name in list(unit.subordinates):
        destroy_unit(model, model.state.units[name], force=force)
    for relation in model.relations_of(unit.app):
        leave(model, relation, unit.name)
    if force or not unit.installed:
        drop_unit(model, unit)


def drop_unit(model: Model, unit: Unit) -> None:
    """Forget a unit that has run its last hook, and what only it kept: machine, application."""
    model.state.units.pop(unit.name, None)
    for relation in list(model.relations_of(unit.app)):
        leave(model, relation, unit.name)
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


def collect_application(model: Model, name: str) -> None:
    """Drop a dying application that has neither units nor relations any more."""
    app = model.state.applications.get(name)
    if app is None or app.life == ALIVE or model.units_of(name):
        return
    left = model.relations_of(name)
    if all(relation.is_peer for relation in left):
        for relation in left:
            del model.state.relations[str(relation.id)]
        del model.state.applications[name]


def _collect_machine(model: Model, machine_id: str) -> None:
    """Let go of a machine that has nothing on it any more, as Juju gives it back to the cloud."""
    machine = model.state.machines.get(machine_id)
    held = any(m.parent == machine_id for m in model.state.machines.values())
    if machine and not held and not model.units_on(machine_id):
        machine.life = DYING


def remove_relation(model: Model, first: str, second: str, *, force: bool = False) -> None:
    """Begin to remove a relation; it is gone when all its units have run their hooks.

    Raises:
        NotFoundError: There is no such relation.
        JujuError: There is more than one.
    """
    for spec in (first, second):
        model.application(spec.partition(":")[0])
    found = [r for r in model.state.relations.values() if _matches(r, first, second)]
    if not found:
        raise NotFoundError(f'relation "{first} {second}" not found')
    if len(found) > 1:
        raise JujuError(f'ambiguous relation: "{first} {second}" matches more than one')
    kill(model, found[0], force=force)


def _matches(relation: Relation, first: str, second: str) -> bool:
    """Whether two ``app[:endpoint]`` name the two sides of a relation."""
    if relation.is_peer:
        return False
    left, right = ({e.app, str(e)} for e in relation.endpoints)
    return (first in left and second in right) or (first in right and second in left)


def kill(model: Model, relation: Relation, *, force: bool = False) -> None:
    """Let a relation die: departed and broken run on its units, subordinates follow."""
    relation.life = DYING
    if force:
        relation.members.clear()
        for unit in model.state.units.values():
            unit.relations.pop(str(relation.id), None)
    if relation.scope == "container":
        for endpoint in relation.endpoints:
            for unit in model.units_of(endpoint.app):
                if unit.principal and not _held(model, unit):
                    destroy_unit(model, unit)
    collect(model, relation)


def _held(model: Model, unit: Unit) -> bool:
    """Whether a living container-scoped relation still ties a subordinate to its principal."""
    principal_app = unit.principal.partition("/")[0]
    return any(
        r.scope == "container" and r.life == ALIVE and r.other(unit.app).app == principal_app
        for r in model.relations_of(unit.app)
    )


def leave(model: Model, relation: Relation, unit_name: str) -> None:
    """Take a unit out of scope: the other side runs departed."""
    if unit_name in relation.members:
        relation.members.remove(unit_name)
    collect(model, relation)


def collect(model: Model, relation: Relation) -> None:
    """Drop a dying relation that nobody is in any more, and an application that it held."""
    key = str(relation.id)
    if relation.life == ALIVE or relation.members or key not in model.state.relations:
        return
    if any(key in unit.relations for unit in model.state.units.values()):
        return
    del model.state.relations[key]
    for endpoint in relation.endpoints:
        collect_application(model, endpoint.app)
