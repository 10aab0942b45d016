"""Single things of the model, as `show-unit`, `config`, `show-task` and `wait-for` see them."""

from __future__ import annotations

import time
from typing import Any

from jujulab.engine.api import status
from jujulab.engine.model import relations
from jujulab.engine.model.model import Model
from jujulab.engine.model.state import ALIVE, Relation, Task, Unit
from jujulab.juju.names import MODEL


def unit_info(model: Model, name: str) -> dict[str, Any]:
    """Return one unit as `show-unit` prints it, its relations' databags included."""
    unit = model.unit(name)
    app = model.application(unit.app)
    info: dict[str, Any] = {
        "workload-version": unit.version,
        "machine": unit.machine,
        "opened-ports": unit.ports,
        "public-address": unit.address,
        "charm": app.charm_url,
        "leader": app.leader == unit.name,
        "life": unit.life,
        "relation-info": [
            _relation_info(model, relation, unit)
            for relation in model.relations_of(unit.app)
            if unit.name in relation.members
        ],
    }
    return info


def _relation_info(model: Model, relation: Relation, unit: Unit) -> dict[str, Any]:
    own, other = relation.endpoint(unit.app), relation.other(unit.app)
    related = relations.members(model, relation, unit)
    return {
        "relation-id": relation.id,
        "endpoint": own.name,
        "related-endpoint": other.name,
        "application-data": relation.app_data.get(other.app, {}),
        "local-unit": {"in-scope": True, "data": relation.unit_data.get(unit.name, {})},
        "related-units": {
            name: {"in-scope": True, "data": relation.unit_data.get(name, {})} for name in related
        },
    }


def config_info(model: Model, name: str) -> dict[str, Any]:
    """Return an application's options as `config` prints them."""
    app, meta = model.application(name), model.meta(name)
    settings: dict[str, Any] = {}
    for key, option in sorted(meta.options.items()):
        entry: dict[str, Any] = {"description": option.description, "type": option.kind}
        if option.default is not None:
            entry["default"] = option.default
        value = app.options.get(key, option.default)
        if value is not None:
            entry["value"] = value
        own = key in app.options and app.options[key] != option.default
        entry["source"] = "user" if own else "default" if value is not None else "unset"
        settings[key] = entry
    trust = {
        "default": False,
        "description": "Does this application have access to trusted credentials",
        "source": "user" if app.trust else "default",
        "type": "bool",
        "value": app.trust,
    }
    return {
        "application": name,
        "application-config": {"trust": trust},
        "charm": meta.name,
        "settings": settings,
    }


def task_info(model: Model, task: Task) -> dict[str, Any]:
    """Return a task as `run --format json` prints it."""
    info: dict[str, Any] = {"id": task.id, "status": task.status}
    info["machine" if task.receiver in model.state.machines else "unit"] = task.receiver
    if task.message:
        info["message"] = task.message
    if task.log:
        info["log"] = [f"{_time(at)} {text}" for at, text in task.log]
    if task.results:
        info["results"] = task.results
    times = {"enqueued": task.enqueued, "started": task.started, "completed": task.completed}
    info["timing"] = {key: _time(at) for key, at in times.items() if at}
    return info


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC", time.gmtime(seconds))


def snapshot(model: Model) -> dict[str, Any]:
    """Return everything that a `wait-for` query can name, by kind and name."""
    units = {unit.name: _unit(model, unit) for unit in model.state.units.values()}
    machines = {
        machine.id: {
            "id": machine.id,
            "name": machine.id,
            "life": machine.life,
            "status": status.machine_status(model, machine).current,
            "base": machine.base,
            "hostname": model.lab_machine(machine.id).hostname if machine.provisioned else "",
        }
        for machine in model.state.machines.values()
    }
    applications = {}
    for app in model.state.applications.values():
        own = {u.name: units[u.name] for u in model.units_of(app.name)}
        current = status.application_status(model, app)
        applications[app.name] = {
            "name": app.name,
            "life": app.life,
            "status": current.current,
            "status-message": current.message,
            "charm-url": app.charm_url,
            "exposed": app.is_exposed,
            "subordinate": app.subordinate,
            "workload-version": next((u["workload-version"] for u in own.values()), ""),
            "units": own,
            "machines": {u["machine-id"]: machines[u["machine-id"]] for u in own.values()},
        }
    top = {
        "name": MODEL,
        "life": ALIVE,
        "status": "available",
        "is-controller": False,
        "applications": applications,
        "machines": machines,
        "units": units,
    }
    return {"application": applications, "unit": units, "machine": machines, "model": {MODEL: top}}


def _unit(model: Model, unit: Unit) -> dict[str, Any]:
    workload, agent = status.workload_status(model, unit), status.agent_status(model, unit)
    return {
        "name": unit.name,
        "application": unit.app,
        "life": unit.life,
        "machine-id": unit.machine,
        "public-address": unit.address,
        "subordinate": bool(unit.principal),
        "principal": unit.principal,
        "leader": model.application(unit.app).leader == unit.name,
        "workload-status": workload.current,
        "workload-message": workload.message,
        "agent-status": agent.current,
        "workload-version": unit.version,
    }
