"""Machines and units: how they come."""

import re
import time

from jujulab.engine.model.model import Model
from jujulab.engine.model.state import ALIVE, Application, MachineState, Status, Unit
from jujulab.juju.errors import JujuError

_PLACEMENT = re.compile(r"^(?:(?P<kind>lxd)(?::(?P<host>\d+))?|(?P<machine>\d+(?:/lxd/\d+)?))$")


def add_machine(model: Model, parent: str = "", *, base: str = "", constraints: str = "") -> str:
    """Add a machine, or a container on `parent`, which its agent provisions; return its id."""
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

    A directive is ``3``, ``1/lxd/0``, ``lxd:1``, ``lxd``, or empty for a new machine.

    Raises:
        JujuError: It is none of these, or the machine does not exist.
    """
    if not directive:
        return add_machine(model, base=base)
    match = check_placement(model, directive)
    if match["machine"]:
        return str(match["machine"])
    host = match["host"] or add_machine(model, base=base)
    return add_machine(model, host, base=base)


def check_placement(model: Model, directive: str) -> re.Match[str]:
    """Check a ``--to`` directive without adding anything; raises as `place` does."""
    match = _PLACEMENT.match(directive)
    if not match:
        raise JujuError(f'invalid placement directive "{directive}"')
    if match["machine"] or match["host"]:
        model.machine(match["machine"] or match["host"])
    return match


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
