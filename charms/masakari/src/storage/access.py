"""The key to Ceph's blocklist on one machine, for root alone."""

from __future__ import annotations

from instance_ha_common.juju.problems import Problem, waiting
from instance_ha_common.machine.awaited import AGAIN
from instance_ha_common.machine.commands import CommandError
from instance_ha_common.machine.host import Host
from instance_ha_common.machine.services import ServiceError

from relations.ceph import Ceph

DIRECTORY = "/etc/masakari-fencing/ceph"
CONFIGURATION = f"{DIRECTORY}/ceph.conf"
_KEYRING = f"{DIRECTORY}/keyring"
_NAME = f"{DIRECTORY}/name"

PACKAGE = "python3-rados"
KEEPER = "masakari-fencing-keeper"


class Access:
    """What lets this machine's root ask Ceph's monitors."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def tend(self, ceph: Ceph | None, *, related: bool) -> list[Problem]:
        """Have this unit's root know a key that may do nothing but what it is for.

        Args:
            ceph: what the relation says.
            related: whether there is one; what was said before stays until it says something.

        Returns:
            Why Ceph cannot be asked from here.
        """
        usable = ceph if ceph is not None and ceph.limited else None
        if usable is None and related:
            return []
        try:
            self.configure(usable)
        except (CommandError, ServiceError) as error:
            text = f"Ceph cannot be asked from here: {error}"
            return [waiting(text.splitlines()[0], AGAIN)]
        return []

    def configure(self, ceph: Ceph | None) -> None:
        """Have the files say what the relation says, and the keeper run where there is one.

        Args:
            ceph: the monitors and the key; None where nothing may be left.

        Raises:
            CommandError: apt failed.
            ServiceError: the keeper does not start.
            OSError: a file cannot be written.
        """
        if ceph is None:
            self.remove()
            return
        if PACKAGE not in self._host.apt.installed([PACKAGE]):
            self._host.apt.install([PACKAGE])
        texts = {
            _KEYRING: f"[{ceph.client}]\n\tkey = {ceph.key}\n",
            _NAME: f"{ceph.client}\n",
            # The last: whoever finds it finds the others.
            CONFIGURATION: (
                "[global]\n"
                f"mon host = {' '.join(ceph.monitors)}\n"
                f"keyring = {_KEYRING}\n"
                "auth client required = cephx\n"
                "log to stderr = false\n"
            ),
        }
        for path, text in texts.items():
            self._host.write(path, text, mode=0o600)
        if self._host.systemd.exists(KEEPER) and not self._host.systemd.running(KEEPER):
            self._host.systemd.restart(KEEPER)

    def remove(self) -> None:
        """Leave nothing; the keeper ends by itself, as it is not started without."""
        if self._host.read(CONFIGURATION) is None:
            return
        for path in (CONFIGURATION, _NAME, _KEYRING):
            self._host.remove(path)
        if self._host.systemd.exists(KEEPER) and self._host.systemd.running(KEEPER):
            self._host.systemd.stop(KEEPER)
