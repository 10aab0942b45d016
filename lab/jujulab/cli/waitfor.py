"""`juju wait-for`: waits until something of the model satisfies a query."""

from __future__ import annotations

import time

from jujulab.cli.command import CommandError, Invocation, command, say
from jujulab.cli.query import QueryError, compile_query
from jujulab.juju.gnuflag import Flag, UsageError
from jujulab.juju.names import MODEL, seconds

_DEFAULT = {
    "application": 'life=="alive" && status=="active"',
    "machine": 'life=="alive" && status=="started"',
    "model": 'life=="alive" && status=="available"',
    "unit": 'life=="alive" && workload-status=="active"',
}
_POLL = 0.5


@command(
    "wait-for",
    "application|machine|model|unit <name>",
    Flag("query", default=""),
    Flag("timeout", default="10m"),
    Flag("summary", kind="bool", default=True),
)
def wait_for(call: Invocation) -> None:
    """Wait for an entity to reach a specified state."""
    if not call.args or call.args[0] not in _DEFAULT:
        raise UsageError("specify one of: application, machine, model, unit")
    kind = call.args[0]
    if len(call.args) != 2:
        raise UsageError(f"{kind} name must be supplied")
    name = (
        call.args[1].rpartition(":")[2].removeprefix("admin/") if kind == "model" else call.args[1]
    )
    if kind == "model" and name != MODEL:
        raise CommandError(f'model "{name}" not found')
    deadline = time.monotonic() + seconds(call.flags["timeout"])
    try:
        satisfied = compile_query(call.flags["query"] or _DEFAULT[kind])
    except QueryError as error:
        raise UsageError(f"invalid query: {error}") from error
    shown = ""
    while True:
        thing = call.client.call("entities")[kind].get(name)
        try:
            if thing is not None and satisfied(thing):
                return
        except QueryError as error:
            raise CommandError(f"query: {error}") from error
        text = _describe(kind, name, thing)
        if call.flags["summary"] and text != shown:
            say(text)
            shown = text
        if time.monotonic() >= deadline:
            raise CommandError(f'timed out waiting for {kind} "{name}" to reach goal state')
        time.sleep(_POLL)


def _describe(kind: str, name: str, thing: dict[str, object] | None) -> str:
    if thing is None:
        return f'{kind} "{name}" not found, waiting...'
    current = thing.get("workload-status") or thing.get("status")
    message = thing.get("workload-message") or thing.get("status-message") or ""
    return f'{kind} "{name}" is {current}{": " if message else ""}{message}'
