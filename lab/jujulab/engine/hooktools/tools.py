"""The hook tools, as functions of a context and their command line."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import yaml

from jujulab.engine.hooktools.context import Context, ToolError, iso_time
from jujulab.engine.model import usersecrets
from jujulab.engine.model.state import Relation
from jujulab.juju.errors import NotFoundError
from jujulab.juju.gnuflag import Flag, UsageError, dashed, key_values, parse
from jujulab.juju.names import JUJU4

Values = dict[str, Any]
Tool = Callable[[Context, Values, list[str], str], Any]

_FORMAT = Flag("format", kind="str", default="smart", choices=("json", "smart", "yaml"))
_RELATION = Flag("relation", short="r", kind="str", default="")
_APP = Flag("app", kind="bool")
_STATUSES = ("maintenance", "blocked", "waiting", "active")
_RESERVED = ("stdout", "stdout-encoding", "stderr", "stderr-encoding")
"""Keys of an action's results that are Juju's own."""
_PORT = re.compile(r"^(?:(\d+)(?:-(\d+))?(?:/(tcp|udp))?|icmp)$", re.IGNORECASE)

_TOOLS: dict[str, tuple[Tool, tuple[Flag, ...]]] = {}


def _tool(name: str, *flags: Flag) -> Callable[[Tool], Tool]:
    def register(function: Tool) -> Tool:
        _TOOLS[name] = (function, flags)
        return function

    return register


def run(context: Context, words: list[str], payload: str) -> tuple[int, str, str]:
    """Run a hook tool; the model's lock is held.

    Args:
        context: The run that the tool is part of.
        words: The tool's name and arguments.
        payload: Contents of the file that ``--file`` names.

    Returns:
        Exit code, standard output and standard error.
    """
    name, *argv = words
    if JUJU4 and name != "juju-log" and context.loses_its_agent:
        return 1, "", "ERROR connection is shutdown before send\n"
    if name in UNSUPPORTED:
        return 1, "", f"ERROR {name}: {UNSUPPORTED[name]}\n"
    function, flags = _TOOLS[name]
    if argv[:1] in (["--help"], ["-h"]):
        return 0, _usage(name, flags), ""
    try:
        values, arguments = parse(flags, argv)
        result = function(context, values, arguments, payload)
    except UsageError as error:
        return 2, "", f"ERROR {error}\n"
    except ToolError as error:
        return 1, "", f"ERROR {error}\n"
    return 0, "" if _FORMAT not in flags else _format(result, values["format"]), ""


def names() -> list[str]:
    """Return the names of all tools, with those that only say that they are not there."""
    return sorted({*_TOOLS, *UNSUPPORTED})


def _usage(name: str, flags: tuple[Flag, ...]) -> str:
    names = [", ".join(map(dashed, filter(None, (flag.short, flag.name)))) for flag in flags]
    return "\n  ".join([f"Usage: {name} [options] [arguments]\n\nOptions:", *names]) + "\n"


def _format(value: Any, kind: str) -> str:
    if kind == "json":
        return json.dumps(value, separators=(",", ":")) + "\n"
    if kind == "smart":
        if value is None:
            return ""
        if isinstance(value, str | int | float):
            return f"{value}\n"
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return "".join(f"{item}\n" for item in value)
    return yaml.safe_dump(value, default_flow_style=False)


def _one(arguments: list[str], what: str) -> str:
    if not arguments:
        raise UsageError(f"no {what} specified")
    _no_more(arguments[1:])
    return arguments[0]


def _no_more(arguments: list[str]) -> None:
    """Refuse words that are too many, as each tool does in the same way (CheckEmpty)."""
    if arguments:
        words = " ".join(json.dumps(argument) for argument in arguments)
        raise UsageError(f"unrecognized args: [{words}]")


@_tool(
    "juju-log",
    Flag("log-level", short="l", default="INFO"),
    Flag("debug", kind="bool"),
    Flag("format", default=""),
)
def _juju_log(context: Context, values: Values, arguments: list[str], payload: str) -> None:
    level = "DEBUG" if values["debug"] else values["log-level"].upper()
    context.logger(level, " ".join(arguments))


@_tool("config-get", _FORMAT, Flag("all", short="a", kind="bool"))
def _config_get(context: Context, values: Values, arguments: list[str], payload: str) -> Any:
    settings = context.model.settings(context.unit.app)
    if arguments:
        return settings.get(_one(arguments, "option"))
    if values["all"]:
        options = context.model.meta(context.unit.app).options
        return {name: settings.get(name) for name in options}
    return settings


@_tool("is-leader", _FORMAT)
def _is_leader(context: Context, values: Values, arguments: list[str], payload: str) -> bool:
    return context.is_leader


@_tool("relation-ids", _FORMAT)
def _relation_ids(
    context: Context, values: Values, arguments: list[str], payload: str
) -> list[str]:
    if not arguments and context.hook and context.hook.endpoint:
        arguments = [context.hook.endpoint]
    name, app = _one(arguments, "endpoint name"), context.unit.app
    found = [r for r in context.visible_relations() if r.endpoint(app).name == name]
    return [f"{name}:{relation.id}" for relation in found]


@_tool("relation-list", _FORMAT, _RELATION, _APP)
def _relation_list(context: Context, values: Values, arguments: list[str], payload: str) -> Any:
    relation = context.relation(values["relation"])
    if values["app"]:
        return relation.other(context.unit.app).app
    return context.members(relation)


@_tool("relation-get", _FORMAT, _RELATION, _APP)
def _relation_get(context: Context, values: Values, arguments: list[str], payload: str) -> Any:
    relation = context.relation(values["relation"])
    key = arguments[0] if arguments and arguments[0] != "-" else ""
    owner = arguments[1] if len(arguments) > 1 else ""
    if not owner and context.hook and context.hook.relation == relation.id:
        owner = context.hook.remote_unit or (context.hook.remote_app if values["app"] else "")
    if not owner:
        raise ToolError("no unit or application specified")
    context.must_be(relation)
    bag = _readable(context, relation, owner, app=values["app"] or "/" not in owner)
    return bag.get(key) if key else bag


def _readable(context: Context, relation: Relation, owner: str, *, app: bool) -> dict[str, str]:
    """Return a databag that the unit may read."""
    own, remote = context.unit.app, relation.other(context.unit.app).app
    name = owner.partition("/")[0]
    if name not in (own, remote):
        raise ToolError(f'cannot read settings of "{owner}": not in the relation')
    if app:
        if name == own and not relation.is_peer and not context.is_leader:
            raise ToolError("permission denied")
        return context.bag(relation, name)
    if owner != context.unit.name and owner not in relation.unit_data:
        raise ToolError(
            f'cannot read settings for unit "{owner}" in relation '
            f'"{" ".join(str(e) for e in relation.endpoints)}": settings not found'
        )
    return context.bag(relation, owner)


@_tool("relation-set", Flag("format", default=""), _RELATION, _APP, Flag("file", default=""))
def _relation_set(context: Context, values: Values, arguments: list[str], payload: str) -> None:
    relation = context.relation(values["relation"])
    context.must_be(relation)
    changes = _changes(values, arguments, payload)
    owner = context.unit.app if values["app"] else context.unit.name
    if values["app"] and not context.is_leader:
        raise ToolError("cannot write relation settings")
    context.bags.setdefault((relation.id, owner), {}).update(changes)


def _changes(values: Values, arguments: list[str], payload: str) -> dict[str, str]:
    """Read the settings of a command line and of the file that it names."""
    return (_settings(payload) if values["file"] else {}) | key_values(arguments)


def _settings(text: str) -> dict[str, str]:
    """Read the YAML map that relation-set takes; null deletes a key, like an empty value."""
    try:
        raw = _parsed(text) or {}
    except yaml.YAMLError as error:
        raise ToolError(f"cannot parse settings: {error}") from error
    if not isinstance(raw, dict) or not all(isinstance(v, str | None) for v in raw.values()):
        raise ToolError("expected a YAML map of strings")
    return {str(key): value or "" for key, value in raw.items()}


def _parsed(text: str) -> Any:
    """Return the YAML in `text` with scalars as text and nulls as None.

    What ops writes is JSON, and that is much faster to read.
    """
    try:
        return json.loads(text)
    except ValueError:
        typed = yaml.safe_load(text)
        raw = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - builds text only
    if not isinstance(raw, dict):
        return raw
    nulls = {str(key) for key, value in typed.items() if value is None}
    return {key: None if key in nulls else value for key, value in raw.items()}


@_tool("relation-model-get", _FORMAT, _RELATION)
def _relation_model_get(
    context: Context, values: Values, arguments: list[str], payload: str
) -> dict[str, str]:
    context.relation(values["relation"])
    return {"uuid": context.model.state.uuid}


@_tool("network-get", _FORMAT, _RELATION)
def _network_get(context: Context, values: Values, arguments: list[str], payload: str) -> Any:
    if not arguments:
        raise UsageError("no arguments specified")
    binding = _one(arguments, "binding name")
    if not binding:
        raise UsageError("no binding name specified")
    if values["relation"]:
        relation = context.relation(values["relation"])
        context.must_be(relation, f"relation {relation.id} not found")
        binding = relation.endpoint(context.unit.app).name
    return context.network(binding)


@_tool("status-set", Flag("application", kind="bool"))
def _status_set(context: Context, values: Values, arguments: list[str], payload: str) -> None:
    if not arguments:
        raise UsageError("invalid args, require <status> [message]")
    if arguments[0] not in _STATUSES:
        expected = " ".join(_STATUSES)
        raise UsageError(f'invalid status "{arguments[0]}", expected one of [{expected}]')
    _no_more(arguments[2:])
    status = context.unit.workload
    if values["application"]:
        if not context.is_leader:
            raise ToolError("this unit is not the leader")
        status = context.model.application(context.unit.app).status
    context.model.set_status(status, arguments[0], "".join(arguments[1:]))


@_tool("status-get", _FORMAT, Flag("include-data", kind="bool"), Flag("application", kind="bool"))
def _status_get(context: Context, values: Values, arguments: list[str], payload: str) -> Any:
    def shown(current: str, message: str) -> dict[str, Any]:
        return {"status": current, "message": message, "status-data": {}}

    unit = context.unit
    if not values["application"]:
        if not values["include-data"]:
            return unit.workload.current
        return shown(unit.workload.current, unit.workload.message)
    if not context.is_leader:
        raise ToolError("this unit is not the leader")
    status = context.model.application(unit.app).status
    units = {
        u.name: shown(u.workload.current, u.workload.message)
        for u in context.model.units_of(unit.app)
    }
    current = "unknown" if status.current == "unset" else status.current
    return {"application-status": {**shown(current, status.message), "units": units}}


@_tool("application-version-set")
def _version_set(context: Context, values: Values, arguments: list[str], payload: str) -> None:
    context.unit.version = _one(arguments, "version")


def _port(arguments: list[str]) -> str:
    text = _one(arguments, "port or protocol")
    match = _PORT.match(text)
    if not match:
        raise UsageError(f'invalid port or protocol "{text}"')
    if text.lower() == "icmp":
        return "icmp"
    ports = match[1] if match[2] is None else f"{match[1]}-{match[2]}"
    return f"{ports}/{(match[3] or 'tcp').lower()}"


_ENDPOINTS = Flag("endpoints", default="")


@_tool("open-port", _ENDPOINTS, Flag("format", default=""))
def _open_port(context: Context, values: Values, arguments: list[str], payload: str) -> None:
    context.ports[_port(arguments)] = True


@_tool("close-port", _ENDPOINTS, Flag("format", default=""))
def _close_port(context: Context, values: Values, arguments: list[str], payload: str) -> None:
    context.ports[_port(arguments)] = False


@_tool("opened-ports", _FORMAT, Flag("endpoints", kind="bool"))
def _opened_ports(
    context: Context, values: Values, arguments: list[str], payload: str
) -> list[str]:
    return [f"{p} (*)" if values["endpoints"] else p for p in context.opened_ports()]


@_tool("action-get", _FORMAT)
def _action_get(context: Context, values: Values, arguments: list[str], payload: str) -> Any:
    value: Any = context.action().params
    _no_more(arguments[1:])
    for part in arguments[0].split(".") if arguments else ():
        value = value.get(part) if isinstance(value, dict) else None
    return value


@_tool("action-set")
def _action_set(context: Context, values: Values, arguments: list[str], payload: str) -> None:
    results = context.action().results
    for parts, value in [_result(argument) for argument in arguments]:
        place = results
        for part in parts[:-1]:
            inner = place.get(part)
            place[part] = place = inner if isinstance(inner, dict) else {}
        place[parts[-1]] = value


def _result(argument: str) -> tuple[list[str], str]:
    """Read one argument of action-set; all are read before the first is kept."""
    key, equals, value = argument.partition("=")
    if not equals:
        raise UsageError(f'argument "{argument}" must be of the form key...=value')
    parts = key.split(".")
    for part in parts:
        if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", part):
            raise UsageError(
                f'key "{part}" must start and end with lowercase alphanumeric, and '
                "contain only lowercase alphanumeric and hyphens"
            )
        if part in _RESERVED:
            raise UsageError(f'cannot set reserved action key "{part}"')
    return parts, value


@_tool("action-log")
def _action_log(context: Context, values: Values, arguments: list[str], payload: str) -> None:
    context.action().log.append([time.time(), " ".join(arguments)])


@_tool("action-fail")
def _action_fail(context: Context, values: Values, arguments: list[str], payload: str) -> None:
    context.action()
    _no_more(arguments[1:])
    reasonless = "action failed without reason given, check action for errors"
    context.failure = arguments[0] if arguments else reasonless


@_tool("goal-state", _FORMAT)
def _goal_state(context: Context, values: Values, arguments: list[str], payload: str) -> Any:
    model, app = context.model, context.unit.app

    def units(name: str) -> dict[str, Any]:
        return {
            u.name: {"status": u.workload.current, "since": iso_time(u.workload.since)}
            for u in model.units_of(name)
        }

    related: dict[str, Any] = {}
    for relation in model.relations_of(app):
        other = relation.other(app).app
        entry = related.setdefault(relation.endpoint(app).name, {})
        entry[other] = {"status": "joined", "since": iso_time(model.state.created)}
        entry.update(units(other))
    return {"units": units(app), "relations": related}


@_tool(
    "secret-get",
    _FORMAT,
    Flag("label", default=""),
    Flag("refresh", kind="bool"),
    Flag("peek", kind="bool"),
)
def _secret_get(context: Context, values: Values, arguments: list[str], payload: str) -> Any:
    if values["label"] or not arguments:
        raise ToolError("secrets have no labels here: name one by its ID")
    try:
        secret = usersecrets.find(context.model, arguments[0])
    except NotFoundError as error:
        raise ToolError(str(error)) from error
    unit = context.unit
    if unit.app not in secret.granted:
        raise ToolError("permission denied")
    revision = unit.secrets.get(secret.id, 0)
    if values["refresh"] or values["peek"] or not revision:
        revision = secret.revision
    if not values["peek"]:
        unit.secrets[secret.id] = revision
    content = secret.contents[revision - 1]
    return content.get(arguments[1]) if arguments[1:] else content


_REASONS = {
    "secret-add secret-grant secret-ids secret-info-get secret-remove secret-revoke secret-set": (
        "charms make no secrets of their own here; the model's user does"
    ),
    "storage-add storage-get storage-list": "this controller has no storage",
    "state-get state-set state-delete": "this controller keeps no charm state",
    "leader-get leader-set": "use the databags of a peer relation",
    "credential-get": "cannot access cloud credentials",
    "juju-reboot": "machines are rebooted from outside: see `lab power cycle`",
    "unit-get": "use network-get",
    "resource-get": "charms of this controller have no resources",
}
UNSUPPORTED = {name: reason for names, reason in _REASONS.items() for name in names.split()}
"""Tools that exist only to say why they do nothing."""
