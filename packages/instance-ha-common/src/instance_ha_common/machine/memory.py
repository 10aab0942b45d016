"""What a charm remembers from one hook to the next."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from instance_ha_common.machine.host import Host

T = TypeVar("T", dict[str, Any], list[Any])


class Memory:
    """JSON files that only root can read, in the charm's directory on the machine."""

    def __init__(self, host: Host, charm: str) -> None:
        """Remember for a charm, such as `masakari`, on `host`."""
        self._host = host
        self._directory = f"/var/lib/{charm}-charm"

    def read(self, name: str, kind: type[T]) -> T:
        """What was written under a name; empty if there is nothing of this kind."""
        try:
            data = json.loads(self._host.read(self._path(name)) or "null")
        except ValueError:
            return kind()
        return data if isinstance(data, kind) else kind()

    def write(self, name: str, data: dict[str, Any] | list[Any]) -> None:
        """Remember under a name; nothing is remembered of what is empty.

        Raises:
            OSError: the file cannot be written.
        """
        if data:
            text = json.dumps(data, sort_keys=True)
            self._host.write(self._path(name), text, mode=0o600)
        else:
            self._host.remove(self._path(name))

    def forget(self) -> None:
        """Remember nothing any more."""
        for path in self._host.path(self._directory).glob("*.json"):
            path.unlink()

    def _path(self, name: str) -> str:
        return f"{self._directory}/{name}.json"
