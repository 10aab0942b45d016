"""The Debian packages of this charm."""

from __future__ import annotations

import re

from instance_ha_common.juju.problems import Problem, waiting
from instance_ha_common.machine.awaited import AGAIN
from instance_ha_common.machine.commands import CommandError
from instance_ha_common.machine.host import Host

from workload import services

PACKAGES = ("haproxy", "masakari-api", "masakari-engine", "python3-masakari", "python3-pymysql")

SUPPORTED = range(13, 23)
"""Major releases of Masakari, of OpenStack Yoga to 2026.2; `docs/releases.md` says what was seen
with which."""

KDUMP = "fence-agents"
"""What has the program that listens to kdump; Ubuntu's depends on the part that has it."""

_KDUMP_PROGRAM = "/usr/sbin/fence_kdump"
_DUE = "/var/lib/masakari-charm/packages-due"
"""There while it has to be looked what is missing."""

_MODULES = "/usr/lib/python3/dist-packages"
_METADATA = re.compile(r"masakari-(\d[^-]*)\.(?:egg|dist)-info")


class Packages:
    """The packages of this charm on one machine."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def version(self) -> str:
        """Version of the Masakari that is there; empty if there is none.

        Read from its Python metadata: hooks need it all the time, and dpkg takes its time.
        """
        try:
            names = [entry.name for entry in self._host.path(_MODULES).iterdir()]
        except FileNotFoundError:
            return ""
        found = (match for name in names if (match := _METADATA.fullmatch(name)))
        return next((match[1] for match in found), "")

    @property
    def unsupported(self) -> str | None:
        """Why nothing is done with the Masakari that is there; None where its release is known."""
        major = self.version.partition(".")[0]
        if not major.isdigit() or int(major) in SUPPORTED:
            return None
        return (
            f"Masakari {self.version} is not supported, only {SUPPORTED[0]} to {SUPPORTED[-1]} are"
            " (set openstack-origin): nothing of it is touched"
        )

    @property
    def missing(self) -> bool:
        """Whether any of them is not installed."""
        return len(self._host.apt.installed(PACKAGES)) < len(PACKAGES)

    @property
    def due(self) -> bool:
        """Whether it has to be looked anew what is missing."""
        return self._host.path(_DUE).exists()

    def recheck(self) -> None:
        """Have a hook check what is missing: this one, or the first that can."""
        self._host.write(_DUE, "")

    def checked(self) -> None:
        """Remember that everything is there."""
        self._host.remove(_DUE)

    def install_kdump(self) -> list[Problem]:
        """Install the program that listens to kdump, where it is missing.

        Returns:
            Why it cannot be; without it a hypervisor is fenced all the same, by its power.
        """
        if self._host.path(_KDUMP_PROGRAM).exists() or self._host.apt.installed([KDUMP]):
            return []
        try:
            self._host.apt.update()
            self._host.apt.install([KDUMP], upgrade=False)
        except CommandError as error:
            text = f"kdump-fencing-timeout needs the package {KDUMP} (or set it to 0): {error}"
            return [waiting(text.splitlines()[0], AGAIN)]
        return []

    def install(self, supervisor: services.Services, *, upgrade: bool = False) -> bool:
        """Install what is missing; apt starts no service, nor restarts one that runs.

        Args:
            supervisor: holds the services back.
            upgrade: also bring what is installed to the archive's version.

        Returns:
            Whether apt was run.

        Raises:
            CommandError: apt failed.
        """
        if not upgrade and not self.missing:
            return False
        running = supervisor.hold_back((services.API, services.ENGINE))
        try:
            self._host.apt.update()
            return self._host.apt.install(PACKAGES, upgrade=upgrade)
        finally:
            supervisor.release(running)
