"""Why a unit's services must not run: an operator has paused it, or upgrades its machine."""

from __future__ import annotations

from instance_ha_common.machine.host import Host


class PauseFlag:
    """Flags on disk, so that they outlive hooks, upgrades and reboots."""

    def __init__(self, host: Host, name: str) -> None:
        """Take the flags of the charm `name` on `host`."""
        self._host = host
        self._paused = f"/var/lib/{name}-charm/paused"
        self._upgrading = f"/var/lib/{name}-charm/upgrading"

    def __bool__(self) -> bool:
        """Whether the services must not run, for either reason."""
        return self.upgrading or self._host.path(self._paused).exists()

    @property
    def upgrading(self) -> bool:
        """Whether the machine is prepared for another release of its distribution."""
        return self._host.path(self._upgrading).exists()

    def set(self) -> None:
        """Remember that the unit is paused."""
        self._host.write(self._paused, "")

    def clear(self) -> None:
        """Remember that the unit is in service."""
        self._host.remove(self._paused)

    def begin_upgrade(self) -> None:
        """Remember that `juju upgrade-machine ... prepare` was run."""
        self._host.write(self._upgrading, "")

    def end_upgrade(self) -> None:
        """Remember that `juju upgrade-machine ... complete` was run; a paused unit stays so."""
        self._host.remove(self._upgrading)
