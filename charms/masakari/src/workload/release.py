"""The OpenStack release of this machine, as `openstack-origin` asks for it."""

from __future__ import annotations

from collections.abc import Callable

from instance_ha_common.machine.host import Host

from workload import legacy
from workload.package_sources import Origin, Sources
from workload.packages import Packages
from workload.services import Services

Say = Callable[[str], None]


class Release:
    """What is installed, and what the archives offer."""

    def __init__(self, host: Host, packages: Packages, services: Services) -> None:
        """Keep `services` from running what is not configured."""
        self._host = host
        self._packages = packages
        self._services = services
        self._sources = Sources(host)

    def differs_from(self, origin: Origin) -> bool:
        """Whether the packages come from another origin, or may still do so."""
        return self._sources.differ_from(origin)

    def prepare(self, origin: Origin, say: Say, *, managed: bool, again: bool) -> tuple[str, bool]:
        """Have the packages that the options ask for, from where they ask for.

        Args:
            origin: where from.
            say: called with what is being done when that takes its time.
            managed: an operator changes the release, by an action.
            again: try once more what could not be done before.

        Returns:
            Why the origin cannot be used, if so: without packages nothing is installed then. And
            whether there may be other packages now.

        Raises:
            CommandError: apt failed; the next hook goes on.
        """
        new = not self._packages.version
        refused, changed = "", False
        try:
            changed = self._follow(origin, say, new=new, managed=managed, again=again)
        except ValueError as error:
            refused = str(error)
            if new:
                return refused, False
        if new or self._packages.due:
            self._packages.recheck()
            if self._packages.missing:
                say("Installing packages")
            self._packages.install(self._services)
            legacy.retire_apache(self._host)
            if new:
                self._sources.complete(origin)
            self._packages.checked()
            changed = True
        return refused, changed

    def _follow(self, origin: Origin, say: Say, *, new: bool, managed: bool, again: bool) -> bool:
        """Take packages from the origin, unless an operator does that; say if they are upgraded.

        Raises:
            ValueError: the origin is not for this machine, or cannot be added.
            CommandError: apt failed.
        """
        if not self.differs_from(origin):
            return False
        follow = new or not managed
        if not (follow and again):
            self._sources.check(origin)
        if new:
            self._sources.apply(origin)
        elif follow and again:
            self.upgrade(origin, say)
            return True
        return False

    def upgrade(self, origin: Origin, say: Say) -> None:
        """Bring the packages to what the origin offers.

        Raises:
            ValueError: the origin is not for this machine, or cannot be added.
            CommandError: apt failed.
        """
        self._sources.apply(origin)
        say("Upgrading packages")
        self._packages.install(self._services, upgrade=True)
        self._sources.complete(origin)
