"""The monitors of one machine: packages, files and services. Knows nothing of Juju."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from instance_ha_common.machine.commands import MachineError
from instance_ha_common.machine.host import Host
from instance_ha_common.machine.memory import Memory
from instance_ha_common.machine.services import ServiceError
from instance_ha_common.machine.templates import Templates

from workload import files, witness
from workload.files import Desired
from workload.table import MONITORS, Monitor
from workload.witness import Witness

if TYPE_CHECKING:
    from config import Config

SUPPORTED = range(13, 23)
"""Major releases of the monitors, of OpenStack Yoga to 2026.2, as those of Masakari itself; that
they have what the charm configures and replaces was read in each."""

_MAJOR = re.compile(r"(?:\d+:)?(\d+)[.~]")
"""The first number of a Debian package's version, which may have an epoch before it."""

_DAEMONS = ("/usr/sbin/pacemakerd", "/usr/sbin/pacemaker-remoted")
"""Of a full member, and of a remote node."""

PACEMAKER = ("pacemaker", "pacemaker_remote")
"""Services of a full member, and of a remote node."""

_STALE = "stale"
"""The services that run with what was configured before, kept until they have been restarted."""


class PackageMissingError(MachineError):
    """No archive of this machine offers a package that an option asks for."""


class Monitors:
    """The monitors on one machine."""

    def __init__(self, host: Host, memory: Memory) -> None:
        self._host = host
        self._memory = memory
        host.systemd.ask_together((*(m.service for m in MONITORS), witness.SERVICE, *PACEMAKER))
        self.witness = Witness(host)
        templates = Templates(host, memory, Path(__file__).parents[1] / "templates")
        self._files = files.Files(host, templates, self.witness)

    # Packages

    def install(self, config: Config) -> bool:
        """Install the packages of the enabled monitors, with their services not running.

        Returns:
            Whether any was missing.

        Raises:
            PackageMissingError: the archive lacks a monitor's package.
            CommandError: apt failed.
        """
        wanted = {monitor.service for monitor in files.enabled(config)}
        wanted |= {"masakari-monitors-common", "pacemaker-cli-utils", "sudo"}
        # Pacemaker's tools want the daemon of a full member or of a remote node; left to itself,
        # apt makes this hypervisor a full member.
        present = self._host.apt.installed([*wanted, "pacemaker", "pacemaker-remote"])
        # The programs stay while somebody upgrades the packages, which counts as absent meanwhile.
        alone = not (
            present.keys() & {"pacemaker", "pacemaker-remote"}
            or any(self._host.path(program).exists() for program in _DAEMONS)
        )
        if alone:
            wanted.add("pacemaker-remote")
        missing = wanted - present.keys()
        if not missing:
            return False
        self._host.apt.update()
        unknown = missing - self._host.apt.available(missing)
        if unknown:
            raise PackageMissingError(f"No such package for this series: {min(unknown)}")
        early = [monitor.service for monitor in MONITORS if monitor.service in missing]
        if alone:
            # Until the pacemaker-remote charm has a cluster's key for it.
            early.append("pacemaker_remote")
        with self._host.systemd.held_back(early):
            self._host.apt.install(missing)
        self._down(*early)
        return True

    def version(self) -> str | None:
        """Version of the installed packages."""
        return self._host.apt.version("masakari-monitors-common")

    def check_release(self) -> None:
        """Refuse monitors of a release that is not known.

        Raises:
            ValueError: it is none of `SUPPORTED`; the text says which are.
        """
        version = self.version() or ""
        major = _MAJOR.match(version)
        if major is None or int(major[1]) in SUPPORTED:
            return
        raise ValueError(
            f"Masakari's monitors {version} are not supported, only {SUPPORTED[0]} to"
            f" {SUPPORTED[-1]} are (they come from nova-compute's openstack-origin): nothing of"
            " them is touched"
        )

    # Files

    def configure(self, desired: Desired) -> set[str]:
        """Write all files.

        Returns:
            The services that have to be restarted, if they run: for what changed now, or before
            something else kept them from it.

        Raises:
            MachineError: the packages' account does not exist, or a program failed.
            ServiceError: systemctl failed.
        """
        stale = set(self._memory.read(_STALE, list))
        try:
            self._files.write(desired, stale)
        finally:
            self._memory.write(_STALE, sorted(stale))
        return stale

    # Services

    def run(self, config: Config, stale: Collection[str], *, witnessed: bool = False) -> None:
        """Have the enabled monitors run, and no others; one that fails keeps no other from it.

        Args:
            config: the options.
            stale: services that have to be restarted if they run.
            witnessed: whether the network witness runs, too.

        Raises:
            ServiceError: one does not start, or does not stop.
        """
        wanted = {monitor.service for monitor in files.enabled(config)}
        services = [monitor.service for monitor in MONITORS]
        if witnessed:
            wanted.add(witness.SERVICE)
            services.insert(0, witness.SERVICE)
        left, failed = set(stale), []
        for service in services:
            try:
                if service in wanted:
                    self._host.systemd.keep_running(service, restart=service in stale)
                else:
                    self._down(service)
                left.discard(service)
            except ServiceError as error:
                failed.append(error)
        self._memory.write(_STALE, sorted(left))
        if failed:
            raise failed[0]

    def running(self) -> set[str]:
        """Services of the monitors that run."""
        return {m.service for m in MONITORS if self._host.systemd.running(m.service)}

    def pause(self) -> None:
        """Stop all monitors and let nothing start them.

        Raises:
            ServiceError: one still runs.
        """
        self.witness.stop()
        for monitor in MONITORS:
            if self._host.systemd.exists(monitor.service):
                self._host.systemd.pause(monitor.service)

    def unpause(self) -> None:
        """Let paused monitors be started again.

        Raises:
            CommandError: systemctl failed.
        """
        for monitor in MONITORS:
            if self._host.systemd.masked(monitor.service):
                self._host.systemd.unmask(monitor.service)

    def pacemaker_runs(self) -> bool:
        """Whether this machine takes part in a cluster, as the host monitor needs it."""
        return any(self._host.systemd.running(service) for service in PACEMAKER)

    def shut_down(self) -> None:
        """Stop the monitors and remove their configuration, the password with it."""
        self.witness.stop()
        for monitor in MONITORS:
            self._stop(monitor)
        self._forget()

    def _forget(self) -> None:
        self._files.remove_secrets()
        self._memory.write(_STALE, [])

    def removal(self) -> list[Callable[[], object]]:
        """What stops the monitors and removes everything that `configure` wrote, step by step."""
        return [
            self.unpause,
            *(functools.partial(self._stop, monitor) for monitor in MONITORS),
            self._forget,
            *(
                functools.partial(self._files.leave_groups, user, check=False)
                for user in files.USERS
            ),
            self.witness.remove,
            self._files.remove,
            self._memory.forget,
        ]

    def _stop(self, monitor: Monitor) -> None:
        self._down(monitor.service)

    def _down(self, *services: str) -> None:
        systemd = self._host.systemd
        for service in services:
            systemd.stop(service)
        enabled = [service for service in services if systemd.enabled(service)]
        if enabled:
            systemd.disable(*enabled)
