"""The distribution's packages."""

from __future__ import annotations

import re

from instance_ha_common.host import Host

import services

PACKAGES = ("haproxy", "masakari-api", "masakari-engine", "python3-masakari", "python3-pymysql")

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
    def missing(self) -> bool:
        """Whether any of them is not installed."""
        return len(self._host.apt.installed(PACKAGES)) < len(PACKAGES)

    def install(self, supervisor: services.Services, *, upgrade: bool = False) -> bool:
        """Install what is missing; the services stay down until they are configured.

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
        supervisor.hold_back((services.API, services.ENGINE))
        self._host.apt.update()
        return self._host.apt.install(PACKAGES, upgrade=upgrade)
