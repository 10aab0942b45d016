"""Logs: one file for each unit and machine, as on a Juju machine.

All are below `$LAB_HOME/logs`. Charms decide what they log; nothing else of a hook is kept here
but what it prints.
"""

import threading
import time
from pathlib import Path

_LIMIT = 64 * 2**20
_LEVELS = {"TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}


class Logs:
    """Writes the logs of agents and charms; any thread may."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def write(self, entity: str, level: str, module: str, message: str) -> None:
        """Add a message, each of its lines a record; levels that Juju has not count as INFO.

        Entities are ``unit-keystone-0`` or ``machine-0``, modules ``unit.keystone/0.juju-log``.
        """
        level = {"WARN": "WARNING"}.get(level, level)
        level = level if level in _LEVELS else "INFO"
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        lines = message.splitlines() or [""]
        text = "".join(f"{stamp} {level} {module} {line}\n" for line in lines)
        with self._lock:
            self._append(self._directory / f"{entity}.log", text)

    def _append(self, path: Path, text: str) -> None:
        if path.exists() and path.stat().st_size > _LIMIT:
            path.replace(path.with_suffix(path.suffix + ".1"))
        with path.open("a", encoding="utf-8") as stream:
            stream.write(text)
