"""Actions and commands on units and machines."""

import shlex
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from jujulab.cli.command import CommandError, Invocation, command, say, split_list
from jujulab.cli.output import emit, format_flag, to_yaml
from jujulab.juju.gnuflag import Flag, UsageError
from jujulab.juju.names import seconds
from jujulab.juju.yamlfiles import read_mapping

_FORMAT = format_flag("plain", "json", "plain", "yaml")
_WAIT = Flag("wait", default="")
_BACKGROUND = Flag("background", kind="bool")
_ACTION_WAIT, _EXEC_WAIT, _LONG_POLL = 60.0, 300.0, 5.0
_DONE = ("completed", "failed", "cancelled", "aborted", "error")


@command(
    "run",
    "<unit> [...] <action> [<key>=<value> ...]",
    _FORMAT,
    _WAIT,
    _BACKGROUND,
    Flag("params", default=""),
)
def run(call: Invocation) -> int:
    """Run an action on one or more units."""
    units = [word for word in call.args if "/" in word.partition("=")[0]]
    rest = call.args[len(units) :]
    if not units or call.args[: len(units)] != units:
        raise UsageError("no unit specified")
    if not rest:
        raise UsageError("no action specified")
    file = call.flags["params"]
    params = read_mapping(Path("/dev/stdin" if file == "-" else file)) if file else {}
    for word in rest[1:]:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageError(f'argument "{word}" must be of the form key.key.key...=value')
        _set(params, key.split("."), _typed(value))
    return _start(call, units, rest[0], params, "", _ACTION_WAIT)


def _typed(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"cannot parse {text!r}: {error}") from error


def _set(params: dict[str, Any], path: list[str], value: Any) -> None:
    """Set a value at a dotted key."""
    for part in path[:-1]:
        inner = params.get(part)
        params[part] = params = dict(inner) if isinstance(inner, dict) else {}
    params[path[-1]] = value


@command(
    "exec",
    "[--unit <unit>[,...] | --machine <machine>[,...] | --application <app>[,...]] -- <command>",
    Flag("unit", short="u", kind="list"),
    Flag("machine", kind="list"),
    Flag("application", short="a", kind="list"),
    _FORMAT,
    _WAIT,
    _BACKGROUND,
)
def exec_(call: Invocation) -> int:
    """Run the commands on the remote targets specified."""
    if not call.args:
        raise UsageError("no commands specified")
    apps = split_list(call.flags["application"])
    targets = split_list(call.flags["unit"] + call.flags["machine"])
    if not (apps or targets):
        raise UsageError("You must specify a target with --machine, --application or --unit")
    targets += call.client.call("receivers", apps=apps)
    if not targets:
        raise CommandError("no targets found")
    line = call.args[0] if len(call.args) == 1 else shlex.join(call.args)
    return _start(call, targets, "juju-exec", {}, line, _EXEC_WAIT)


def _start(
    call: Invocation,
    receivers: list[str],
    action: str,
    params: dict[str, Any],
    line: str,
    wait: float,
) -> int:
    """Queue an operation, wait for its tasks and print what they bring."""
    if call.flags["wait"]:
        wait = seconds(call.flags["wait"])
    started = call.client.call(
        "enqueue", receivers=receivers, action=action, params=params, command=line
    )
    tasks, number = started["tasks"], started["operation"]
    if call.flags["background"]:
        ids = ", ".join(tasks)
        say(
            f"Scheduled operation {number} with task {ids}\n"
            f"Check task status with 'juju show-task {ids}'"
        )
        return 0
    plural = "" if len(tasks) == 1 else "s"
    say(f"Running operation {number} with {len(tasks)} task{plural}")
    for task, receiver in tasks.items():
        kind = "unit" if "/" in receiver and "lxd" not in receiver else "machine"
        say(f"  - task {task} on {kind}-{receiver.replace('/', '-')}")
    say("")
    deadline = time.monotonic() + wait
    results, late = {}, []
    for task, receiver in tasks.items():
        say(f"Waiting for task {task}...")
        info = _wait(call, task, deadline)
        if info["status"] not in _DONE:
            late.append(receiver)
        else:
            results[receiver] = info
    _show(call, results)
    return _outcome(results, late)


def _wait(call: Invocation, task: str, deadline: float) -> dict[str, Any]:
    """Wait for a task, printing its log as it grows."""
    info: dict[str, Any] = {"status": "pending"}
    seen, left = 0, 0.0
    while info["status"] not in _DONE and left >= 0:
        left = deadline - time.monotonic()
        timeout = max(0.0, min(left, _LONG_POLL))
        info = call.client.call("wait_task", task=task, seen=seen, timeout=timeout)
        for message in info.get("log", [])[seen:]:
            say(message)
        seen = len(info.get("log", []))
    return info


def _show(call: Invocation, results: dict[str, Any]) -> None:
    if call.flags["format"] != "plain":
        emit(results, call.flags["format"])
        return
    if len(results) != 1:
        if results:
            emit(results, "yaml")
        return
    info = next(iter(results.values()))
    values = dict(info.get("results", {}))
    if info["status"] != "completed":
        print(f"Action id {info['id']} {info['status']}: {info.get('message', '')}")
    values.pop("return-code", None)
    out, err = values.pop("stdout", ""), values.pop("stderr", "")
    if values:
        print(to_yaml(values), end="")
    sys.stdout.write(out)
    sys.stderr.write(err)


def _outcome(results: dict[str, Any], late: list[str]) -> int:
    """Return the exit code, after telling of processes that failed and tasks that have not ended.

    An action that says itself that it failed, by `action-fail`, ends well for the client: only
    its status tells (`waitForTasks` of Juju 3.6.28 and 4.0.15, cmd/juju/action/common.go).
    """
    codes = {t["id"]: int(t.get("results", {}).get("return-code", 0)) for t in results.values()}
    codes = {task: code for task, code in codes.items() if code > 0}
    if codes:
        plural = ("", "s")[len(codes) > 1]
        lines = "\n".join(f' - id "{n}" with return code {code}' for n, code in codes.items())
        say(
            f"ERROR the following task{plural} failed:\n{lines}\n\n"
            "use 'juju show-task' to inspect the failure" + plural
        )
    if late:
        say(f"ERROR timed out waiting for results from: {', '.join(late)}")
    return 1 if codes or late else 0


@command("show-task", "<task>", format_flag("yaml", "json", "yaml"), _WAIT)
def show_task(call: Invocation) -> None:
    """Show the results of a task by ID."""
    task = call.one("task ID")
    wait = seconds(call.flags["wait"]) if call.flags["wait"] else 0.0
    info = _wait(call, task, time.monotonic() + wait)
    emit(info, call.flags["format"])
