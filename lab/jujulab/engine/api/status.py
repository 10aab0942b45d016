"""`juju status`, as the structure that its JSON and YAML show."""

from __future__ import annotations

import time
from typing import Any

from jujulab.engine.model.model import Model
from jujulab.engine.model.state import ALIVE, Application, MachineState, Status, Unit
from jujulab.juju.names import CLOUD, CONTROLLER, MODEL, VERSION, sorted_names

_SEVERITY = ("error", "blocked", "waiting", "maintenance", "active", "terminated", "unknown")
_AGENT_LOST = "agent is not communicating with the server"


def full_status(model: Model, patterns: list[str]) -> dict[str, Any]:
    """Return the status of the model; the lock is held.

    Args:
        model: The model.
        patterns: Names of applications, units or machines to show, with all that belongs to
            them; none shows everything.
    """
    units = [u for u in model.state.units.values() if _matches(model, u, patterns)]
    apps = {u.app for u in units} | {n for n in patterns if n in model.state.applications}
    machines = {u.machine for u in units} | {n for n in patterns if n in model.state.machines}
    if not patterns:
        apps, machines = set(model.state.applications), set(model.state.machines)
    top = {m.partition("/")[0] for m in machines}
    status = {
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
        "storage": {},
        "controller": {"timestamp": time.strftime("%H:%M:%SZ", time.gmtime())},
    }
    return status


def _matches(model: Model, unit: Unit, patterns: list[str]) -> bool:
    """Whether a unit is to be shown: it, its machine, or one that it goes with is named."""
    family = [unit.name, *unit.subordinates, *([unit.principal] if unit.principal else [])]
    names = {*family, *(name.partition("/")[0] for name in family), unit.machine}
    return not patterns or bool(names & set(patterns))


def _time(seconds: float) -> str:
    return time.strftime("%d %b %Y %H:%M:%SZ", time.gmtime(seconds))


def _info(status: Status, **more: str) -> dict[str, str]:
    info = {"current": status.current, "message": status.message, "since": _time(status.since)}
    return {key: value for key, value in {**info, **more}.items() if value}


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
    version = next((u.version for u in units if u.version), "")
    result: dict[str, Any] = {
        "charm": app.charm_url,
        "base": _base(app.base),
        "charm-origin": app.charm_origin,
        "charm-name": model.meta(app.name).name,
        "charm-rev": app.revision,
    }
    if app.channel:
        result["charm-channel"] = app.channel
    result["exposed"] = app.is_exposed
    if app.life != ALIVE:
        result["life"] = app.life
    result["application-status"] = _info(application_status(model, app))
    relations = _relations(model, app)
    if relations:
        result["relations"] = relations
    if app.subordinate:
        result["subordinate-to"] = _principals(model, app)
    if principals:
        result["units"] = {u.name: _unit(model, u) for u in principals}
    if version:
        result["version"] = version
    default = model.space(app.name, "")
    names = sorted(model.meta(app.name).binding_names)
    result["endpoint-bindings"] = {"": default} | {n: model.space(app.name, n) for n in names}
    return result


def _relations(model: Model, app: Application) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for relation in model.relations_of(app.name):
        own, other = relation.endpoint(app.name), relation.other(app.name)
        found.setdefault(own.name, []).append(
            {
                "related-application": other.app,
                "interface": own.interface,
                "scope": relation.scope,
            }
        )
    return dict(sorted(found.items()))


def _principals(model: Model, app: Application) -> list[str]:
    others = {
        r.other(app.name).app for r in model.relations_of(app.name) if r.scope == "container"
    }
    return sorted(o for o in others if not model.application(o).subordinate)


def _unit(model: Model, unit: Unit) -> dict[str, Any]:
    agent = _info(agent_status(model, unit), version=VERSION if unit.installed else "")
    if unit.life != ALIVE:
        agent["life"] = unit.life
    result: dict[str, Any] = {
        "workload-status": _info(workload_status(model, unit)),
        "juju-status": agent,
    }
    if model.application(unit.app).leader == unit.name:
        result["leader"] = True
    if not unit.principal:
        result["machine"] = unit.machine
    if unit.ports:
        result["open-ports"] = unit.ports
    if unit.address:
        result["public-address"] = unit.address
    if unit.subordinates:
        result["subordinates"] = {
            name: _unit(model, model.unit(name)) for name in sorted_names(unit.subordinates)
        }
    return result


def machine_status(model: Model, machine: MachineState) -> Status:
    """Return the status of a machine's agent as Juju shows it."""
    if model.is_down(machine.id):
        return Status("down", _AGENT_LOST, machine.status.since)
    if machine.status.current == "provisioning error":
        return Status("down", machine.status.message, machine.status.since)
    return machine.status


def _machine(model: Model, machine: MachineState, shown: set[str]) -> dict[str, Any]:
    info = machine_status(model, machine)
    running = "stopped" if info.current == "down" else "running"
    instance = running if machine.provisioned else machine.status.current
    message = "Running" if instance == "running" else machine.status.message
    agent = _info(info, version=VERSION if machine.provisioned else "")
    if machine.life != ALIVE:
        agent["life"] = machine.life
    result: dict[str, Any] = {"juju-status": agent}
    if machine.provisioned:
        lab_machine = model.lab_machine(machine.id)
        addresses = {space: str(i.ip) for space, i in lab_machine.addresses.items()}
        default = model.default_address(machine.id)
        result |= {
            "hostname": lab_machine.hostname,
            "dns-name": default,
            "ip-addresses": [default, *(a for a in addresses.values() if a != default)],
            "instance-id": lab_machine.hostname,
        }
    result["machine-status"] = _info(Status(instance, message, machine.status.since))
    result["modification-status"] = _info(Status("idle", "", machine.status.since))
    result["base"] = _base(machine.base)
    if machine.provisioned:
        result["network-interfaces"] = {
            space: {
                "ip-addresses": [address],
                "mac-address": "",
                "space": space,
                "is-up": info.current != "down",
            }
            for space, address in addresses.items()
        }
    containers = [m.id for m in model.state.machines.values() if m.parent == machine.id]
    if machine.id not in shown:
        containers = [name for name in containers if name in shown]
    if containers:
        result["containers"] = {
            name: _machine(model, model.machine(name), {*shown, name})
            for name in sorted_names(containers)
        }
    if machine.constraints:
        result["constraints"] = machine.constraints
    if machine.provisioned:
        result["hardware"] = "arch=amd64 availability-zone=default"
    return result


def relation_rows(model: Model) -> list[dict[str, str]]:
    """Return the rows of the tabular status's relations section."""
    rows = []
    for relation in model.state.relations.values():
        sides = {e.role: str(e) for e in relation.endpoints}
        provider = sides.get("provider") or sides["peer"]
        requirer = sides.get("requirer") or provider
        kind = "peer" if relation.is_peer else "regular"
        kind = "subordinate" if relation.scope == "container" else kind
        rows.append(
            {
                "provider": provider,
                "requirer": requirer,
                "interface": relation.endpoints[0].interface,
                "type": kind,
                "message": "" if relation.life == ALIVE else relation.life,
            }
        )
    return sorted(rows, key=lambda row: (row["provider"], row["requirer"]))
