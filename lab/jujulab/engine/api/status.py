"""`juju status`, as the structure that its JSON and YAML show."""

import time
from typing import Any

from jujulab.engine.model.model import Model
from jujulab.engine.model.state import ALIVE, Application, MachineState, Status, Unit
from jujulab.juju.names import CLOUD, CONTROLLER, MODEL, VERSION, sorted_names

_SEVERITY = ("error", "blocked", "waiting", "maintenance", "active", "terminated", "unknown")
_AGENT_LOST = "agent is not communicating with the server"


def full_status(model: Model, patterns: list[str]) -> dict[str, Any]:
    """Return the status of the model; the lock is held.

    The patterns are names of applications, units or machines to show, with all that belongs to
    them; none shows everything.
    """
    units = [u for u in model.state.units.values() if _matches(model, u, patterns)]
    apps = {u.app for u in units} | {n for n in patterns if n in model.state.applications}
    machines = {u.machine for u in units} | {n for n in patterns if n in model.state.machines}
    if not patterns:
        apps, machines = set(model.state.applications), set(model.state.machines)
    top = {m.partition("/")[0] for m in machines}
    return {
        "model": {
            "name": MODEL,
            "type": "iaas",
            "controller": CONTROLLER,
            "cloud": CLOUD,
            "version": VERSION,
            "model-status": _info(Status("available", "", model.state.created)),
        },
        "machines": {m: _machine(model, model.machine(m), machines) for m in sorted_names(top)},
        "applications": {
            name: _application(model, model.application(name), {u.name for u in units})
            for name in sorted_names(apps)
        },
        "controller": {"timestamp": time.strftime("%H:%M:%SZ", time.gmtime())},
    }


def _matches(model: Model, unit: Unit, patterns: list[str]) -> bool:
    """Whether a unit is to be shown: it, its machine, or one that it goes with is named."""
    family = [unit.name, *unit.subordinates, *([unit.principal] if unit.principal else [])]
    names = {*family, *(name.partition("/")[0] for name in family), unit.machine}
    return not patterns or bool(names & set(patterns))


def _time(seconds: float) -> str:
    return time.strftime("%d %b %Y %H:%M:%SZ", time.gmtime(seconds))


def _info(status: Status, **more: str) -> dict[str, str]:
    info = {"current": status.current, "message": status.message, "since": _time(status.since)}
    return _filled({**info, **more})


def workload_status(model: Model, unit: Unit) -> Status:
    """Return a unit's workload status as Juju shows it: errors and lost agents come first."""
    failure = unit.failure
    if _is_lost(model, unit):
        since = unit.workload.since
        return Status("unknown", f"agent lost, see 'juju show-status-log {unit.name}'", since)
    if failure is not None and not failure.interrupted:
        text = f'hook failed: "{failure.hook.name}"'
        relation = model.state.relations.get(str(failure.hook.relation))
        if relation is not None:
            text += f" for {relation.other(unit.app)}"
        return Status("error", text, unit.agent.since)
    return unit.workload


def agent_status(model: Model, unit: Unit) -> Status:
    """Return the status of a unit's agent as Juju shows it."""
    if _is_lost(model, unit):
        return Status("lost", _AGENT_LOST, unit.agent.since)
    return unit.agent


def _is_lost(model: Model, unit: Unit) -> bool:
    return unit.agent.current != "allocating" and model.is_down(unit.machine)


def application_status(model: Model, app: Application) -> Status:
    """Return an application's status: set by its leader, else the worst of its units."""
    if app.status.current != "unset":
        return app.status
    statuses = [workload_status(model, unit) for unit in model.units_of(app.name)]
    if not statuses:
        return Status("unknown", "", app.status.since)
    return min(statuses, key=lambda s: _rank(s.current))


def _rank(current: str) -> int:
    return _SEVERITY.index(current) if current in _SEVERITY else len(_SEVERITY)


def _base(base: str) -> dict[str, str]:
    name, _, channel = base.partition("@")
    return {"name": name or "ubuntu", "channel": channel.removesuffix("/stable") or "22.04"}


def _application(model: Model, app: Application, shown: set[str]) -> dict[str, Any]:
    units = model.units_of(app.name)
    principals = [u for u in units if not u.principal and u.name in shown]
    meta = model.meta(app.name)
    bindings = {name: model.space(app.name, name) for name in ["", *sorted(meta.binding_names)]}
    return _filled(
        {
            "charm": app.charm_url,
            "base": _base(app.base),
            "charm-origin": app.charm_origin,
            "charm-name": meta.name,
            "charm-rev": app.revision,
            "charm-channel": app.channel,
            "exposed": False,
            "life": _life(app),
            "application-status": _info(application_status(model, app)),
            "relations": _relations(model, app),
            "subordinate-to": _principals(model, app) if app.subordinate else None,
            "units": {u.name: _unit(model, u) for u in principals},
            "version": next((u.version for u in units if u.version), ""),
            "endpoint-bindings": bindings,
        }
    )


def _filled(entries: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is empty; 0 and false are not."""
    return {key: value for key, value in entries.items() if value not in (None, "", {}, ())}


def _life(thing: Application | Unit | MachineState) -> str:
    return "" if thing.life == ALIVE else thing.life


def _relations(model: Model, app: Application) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for relation in model.relations_of(app.name):
        own, other = relation.endpoint(app.name), relation.other(app.name)
        found.setdefault(own.name, []).append(
            {"related-application": other.app, "interface": own.interface, "scope": relation.scope}
        )
    return dict(sorted(found.items()))


def _principals(model: Model, app: Application) -> list[str]:
    relations = (r for r in model.relations_of(app.name) if r.scope == "container")
    others = {relation.other(app.name).app for relation in relations}
    return sorted(o for o in others if not model.application(o).subordinate)


def _unit(model: Model, unit: Unit) -> dict[str, Any]:
    agent = _info(agent_status(model, unit), version=VERSION if unit.installed else "")
    leads = model.application(unit.app).leader == unit.name
    subordinates = sorted_names(unit.subordinates)
    return _filled(
        {
            "workload-status": _info(workload_status(model, unit)),
            "juju-status": _filled({**agent, "life": _life(unit)}),
            "leader": leads or None,
            "machine": "" if unit.principal else unit.machine,
            "open-ports": tuple(unit.ports),
            "public-address": unit.address,
            "subordinates": {name: _unit(model, model.unit(name)) for name in subordinates},
        }
    )


def machine_status(model: Model, machine: MachineState) -> Status:
    """Return the status of a machine's agent as Juju shows it."""
    if model.is_down(machine.id):
        return Status("down", _AGENT_LOST, machine.status.since)
    if machine.status.current == "provisioning error":
        return Status("down", machine.status.message, machine.status.since)
    return machine.status


def _machine(model: Model, machine: MachineState, shown: set[str]) -> dict[str, Any]:
    info, there = machine_status(model, machine), machine.provisioned
    running = "stopped" if info.current == "down" else "running"
    instance = running if there else machine.status.current
    message = "Running" if instance == "running" else machine.status.message
    agent = _info(info, version=VERSION if there else "")
    host: dict[str, Any] = {}
    if there:
        lab_machine, default = model.lab_machine(machine.id), model.default_address(machine.id)
        others = (str(address.ip) for address in lab_machine.addresses.values())
        host = {
            "hostname": lab_machine.hostname,
            "dns-name": default,
            "ip-addresses": [default, *(address for address in others if address != default)],
            "instance-id": lab_machine.hostname,
        }
    containers = [m.id for m in model.state.machines.values() if m.parent == machine.id]
    if machine.id not in shown:
        containers = [name for name in containers if name in shown]
    return _filled(
        {
            "juju-status": _filled({**agent, "life": _life(machine)}),
            **host,
            "machine-status": _info(Status(instance, message, machine.status.since)),
            "base": _base(machine.base),
            "containers": {
                name: _machine(model, model.machine(name), {*shown, name})
                for name in sorted_names(containers)
            },
            "constraints": machine.constraints,
            "hardware": "arch=amd64 availability-zone=default" if there else "",
        }
    )
