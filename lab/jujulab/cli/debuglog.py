"""`juju debug-log`: what agents and charms have logged."""

from __future__ import annotations

import fnmatch
import json
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jujulab.cli.command import Invocation, command
from jujulab.juju.gnuflag import Flag
from jujulab.juju.logs import DEBUG_LOG

_LEVELS = ("TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_BACKLOG = 10
_POLL = 0.2


@command(
    "debug-log",
    "",
    Flag("include", short="i", kind="list"),
    Flag("exclude", short="x", kind="list"),
    Flag("include-module", kind="list"),
    Flag("exclude-module", kind="list"),
    Flag("level", short="l", default="TRACE", choices=_LEVELS),
    Flag("limit", kind="int", default=0),
    Flag("lines", short="n", kind="int"),
    Flag("replay", kind="bool"),
    Flag("tail", kind="bool"),
    Flag("no-tail", kind="bool"),
    Flag("ms", kind="bool"),
    Flag("date", kind="bool"),
    Flag("utc", kind="bool"),
)
def debug_log(call: Invocation) -> None:
    """Display log messages for the model."""
    call.expect(0, 0, "argument")
    flags = call.flags
    path = call.client.home / "logs" / DEBUG_LOG
    once = flags["no-tail"] or flags["limit"]
    follow = flags["tail"] or (sys.stdout.isatty() and not once)
    found = (r for r in _read(path) if _wanted(flags, r))
    backlog = _BACKLOG if follow and not flags["replay"] else None
    most = flags["limit"] or flags["lines"] or backlog
    for record in deque(found, maxlen=most):
        print(_line(flags, record))
    if follow:
        for record in _follow(path):
            if _wanted(flags, record):
                print(_line(flags, record), flush=True)


def _read(path: Path) -> Iterator[list[Any]]:
    for file in (path.with_suffix(path.suffix + ".1"), path):
        if file.exists():
            with file.open(encoding="utf-8") as stream:
                for line in stream:
                    yield json.loads(line)


def _follow(path: Path) -> Iterator[list[Any]]:
    """Yield the records that are added from now on."""
    place = path.stat().st_size if path.exists() else 0
    while True:
        size = path.stat().st_size if path.exists() else 0
        if size < place:
            place = 0
        if size > place:
            with path.open(encoding="utf-8") as stream:
                stream.seek(place)
                text = stream.read()
            whole = text.rpartition("\n")[0]
            place += len(whole.encode()) + bool(whole)
            for line in whole.splitlines():
                yield json.loads(line)
        time.sleep(_POLL)


def _wanted(flags: dict[str, Any], record: list[Any]) -> bool:
    _, entity, level, module, _ = record
    if _LEVELS.index(level) < _LEVELS.index(flags["level"]):
        return False
    if flags["include"] and not _names(flags["include"], entity):
        return False
    if _names(flags["exclude"], entity):
        return False
    if flags["include-module"] and not module.startswith(tuple(flags["include-module"])):
        return False
    return not module.startswith(tuple(flags["exclude-module"]))


def _names(patterns: list[str], entity: str) -> bool:
    """Whether one of ``keystone/0``, ``unit-keystone-*`` or ``machine-0`` names an entity."""
    kinds = ("", "unit-", "machine-")
    return any(
        fnmatch.fnmatch(entity, kind + pattern.replace("/", "-"))
        for pattern in patterns
        for kind in kinds
    )


def _line(flags: dict[str, Any], record: list[Any]) -> str:
    at, entity, level, module, message = record
    moment = time.gmtime(at) if flags["utc"] else time.localtime(at)
    stamp = time.strftime("%Y-%m-%d %H:%M:%S" if flags["date"] else "%H:%M:%S", moment)
    if flags["ms"]:
        stamp += f".{int(at % 1 * 1000):03}"
    return f"{entity}: {stamp} {level} {module} {message}"
