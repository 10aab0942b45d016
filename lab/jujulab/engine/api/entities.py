"""Single things of the model, as `show-unit`, `config` and `show-task` see them."""

import time
from typing import Any

from jujulab.engine.model import relations
from jujulab.engine.model.model import DEFAULT_CONFIG, Model
from jujulab.engine.model.state import Relation, Task, Unit


def units_info(model: Model, names: list[str]) -> dict[str, Any]:
    """Return units as `show-unit` prints them, their relations' databags included."""
    return {name: _unit_info(model, model.unit(name)) for name in names}


def _unit_info(model: Model, unit: Unit) -> dict[str, Any]:
    app = model.application(unit.app)
    return {
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


def receivers(model: Model, apps: list[str]) -> list[str]:
    """Return the units of applications."""
    return [unit.name for app in apps for unit in model.units_of(model.application(app).name)]


def stalls(model: Model) -> list[dict[str, Any]]:
    """Return when nothing ran although units were not ready, oldest first."""
    return [dict(vars(stall)) for stall in model.state.stalls]


def model_config(model: Model) -> dict[str, Any]:
    """Return the model's configuration with each value's source."""
    return {
        name: {
            "Value": model.config_value(name),
            "Source": "model" if name in model.state.config else "default",
        }
        for name in sorted(DEFAULT_CONFIG)
    }


def config_info(model: Model, app: str) -> dict[str, Any]:
    """Return an application's options as `config` prints them."""
    application, meta = model.application(app), model.meta(app)
    settings: dict[str, Any] = {}
    for key, option in sorted(meta.options.items()):
        entry: dict[str, Any] = {"description": option.description, "type": option.kind}
        if option.default is not None:
            entry["default"] = option.default
        value = application.options.get(key, option.default)
        if value is not None:
            entry["value"] = value
        own = application.options.get(key, option.default) != option.default
        entry["source"] = "user" if own else "default" if value is not None else "unset"
        settings[key] = entry
    trust = {
        "default": False,
        "description": "Does this application have access to trusted credentials",
        "source": "user" if application.trust else "default",
        "type": "bool",
        "value": application.trust,
    }
    return {
        "application": app,
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
