"""Whether an operator has paused the unit."""

from __future__ import annotations

from instance_ha_common.host import Host


class PauseFlag:
    """A flag on disk, so that it outlives hooks, upgrades and reboots."""

    def __init__(self, host: Host, name: str) -> None:
        """Take the flag of the charm `name` on `host`."""
        self._host = host
        self._path = f"/var/lib/{name}-charm/paused"

    def __bool__(self) -> bool:
        """Whether the unit is paused."""
        return self._host.path(self._path).exists()

    def set(self) -> None:
        """Remember that the unit is paused."""
        self._host.write(self._path, "")

    def clear(self) -> None:
        """Remember that the unit is in service."""
        self._host.remove(self._path)
