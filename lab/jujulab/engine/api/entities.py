"""Single things of the model, as `show-unit`, `config` and `show-task` see them."""

from __future__ import annotations

import time
from typing import Any

from jujulab.engine.model import relations
from jujulab.engine.model.model import Model
from jujulab.engine.model.state import Relation, Task, Unit


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
