"""Puts the package `masakari_fencing` where masakari-engine, Pacemaker and systemd find it."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from instance_ha_common.juju.problems import Problem, blocked
from instance_ha_common.machine import awaited, packed
from instance_ha_common.machine.host import Host
from instance_ha_common.machine.services import ServiceError

from workload import services

logger = logging.getLogger(__name__)

GROUP = "haclient"
"""Pacemaker's group: its members may read and change everything in the cluster."""

HOME = "/usr/share/masakari-fencing"
ALERT_AGENT = f"{HOME}/masakari_fencing/alert.py"
REFUSALS = "/var/lib/masakari-fencing/refusals"
SPOOL = "/var/lib/masakari-fencing/spool"
TALLY = "/var/lib/masakari-fencing/tally"
GUARD_AGENT = "/usr/sbin/fence_masakari_guard"
_BESIDE = ("unblocker", "exporter", "keeper")
UNITS = tuple(
    f"/usr/local/lib/systemd/system/{name}.service"
    for name in (services.NOTIFIER, *(f"masakari-fencing-{rest}" for rest in _BESIDE))
)
"""The notifier's, and those of what starts and stops with it."""

NRPE_CHECK = "/etc/nagios/nrpe.d/check_masakari.cfg"
_NRPE = "nagios-nrpe-server"
_NRPE_COMMAND = (
    f"command[check_masakari]=/usr/bin/env PYTHONPATH={HOME} /usr/bin/python3"
    " -m masakari_fencing.exporter.nagios\n"
)
_STATE = "/var/lib/masakari-fencing"
_GUARD_STATE = "/var/lib/masakari-fencing/guard"
_USER = "masakari"


class Installation:
    """The fencing package on one machine."""

    def __init__(self, host: Host, source: Path | None = None) -> None:
        """Take the package from `source`, or from where this charm would import it."""
        host.systemd.ask_together([_NRPE])
        self._host = host
        self._source = source

    def install(self) -> str:
        """Install or refresh everything that needs no Pacemaker.

        Returns:
            What stands for what is installed; see `services.digest`.
        """
        source = self._source or packed.directory("masakari_fencing")
        contents = dict(sorted(self._contents(source)))
        for path, data in contents.items():
            changed = self._host.write(path, data, mode=0o755 if path in _PROGRAMS else 0o644)
            if changed and path in UNITS:
                self._host.systemd.daemon_reload()
        self._remove_others(contents)
        for directory in (REFUSALS, TALLY):
            self._directory(directory, 0o755, _USER, _USER)
        self._directory(_GUARD_STATE, 0o755, "root", "root")
        digests = {path: hashlib.sha256(data).hexdigest() for path, data in contents.items()}
        return services.digest(digests)

    @property
    def joined(self) -> bool:
        """Whether Pacemaker is installed, and its group with it."""
        return GROUP in self._host.groups

    @property
    def ready(self) -> bool:
        """Whether Pacemaker can run the alert agent and the guard here."""
        there = all(self._host.path(path).exists() for path in (*_PROGRAMS, SPOOL))
        return there and self.joined

    def join_cluster(self) -> bool:
        """Let Pacemaker leave its events for the notifier, once Pacemaker is installed.

        Returns:
            Whether it is.
        """
        if not self.joined:
            return False
        self._leave_group()
        self._directory(SPOOL, 0o2770, "root", GROUP)
        return True

    def tell_nrpe(self, *, related: bool) -> list[Problem]:
        """Let NRPE run the check, where it is related and there, or no more.

        Returns:
            That NRPE has failed, as it does for any check: this unit's or another charm's.
        """
        wanted = related and self._host.path(NRPE_CHECK).parent.is_dir()
        changed = (
            self._host.write(NRPE_CHECK, _NRPE_COMMAND)
            if wanted
            else self._host.remove(NRPE_CHECK)
        )
        if changed and self._host.systemd.running(_NRPE):  # it reads the file when it starts
            try:
                self._host.systemd.restart(_NRPE)
            except ServiceError as error:
                logger.warning("%s", error)
        if not wanted or self._host.systemd.state(_NRPE) != "failed":
            return []
        text = f"{_NRPE} has failed, so Nagios does not see this unit: see journalctl -u {_NRPE}"
        return [blocked(text, awaited.runs([_NRPE]))]

    def _leave_group(self) -> None:
        """Older versions had the account join it; now each service says for itself if it does."""
        if _USER in self._host.groups.get(GROUP, ()):
            self._host.runner.run(["gpasswd", "--delete", _USER, GROUP], check=False)

    def remove(self) -> None:
        """Remove what `install` and `join_cluster` have put there, with what was written since."""
        for directory in (HOME, _STATE):
            shutil.rmtree(self._host.path(directory), ignore_errors=True)
        for path in (GUARD_AGENT, *UNITS):
            self._host.remove(path)
        self.tell_nrpe(related=False)
        self._leave_group()

    def _contents(self, package: Path) -> Iterator[tuple[str, bytes]]:
        for folder, names in _folders(str(package)):
            inside = folder.removeprefix(str(package))
            for name in names:
                yield f"{HOME}/{package.name}{inside}/{name}", Path(folder, name).read_bytes()
        for path in sorted(package.parent.glob(f"{package.name}-*.dist-info/*")):
            if path.name in ("METADATA", "entry_points.txt"):
                yield f"{HOME}/{path.parent.name}/{path.name}", path.read_bytes()
        data = package / "data"
        for installed in (GUARD_AGENT, *UNITS):
            yield installed, (data / Path(installed).name).read_bytes()

    def _remove_others(self, keep: dict[str, bytes]) -> None:
        """Remove modules of older versions, which could otherwise still be imported."""
        home = str(self._host.path(HOME))
        kept = {home + path.removeprefix(HOME) for path in keep}
        for folder, names in _folders(home):
            for name in names:
                if (path := f"{folder}/{name}") not in kept:
                    Path(path).unlink()
            if folder != home and not any(Path(folder).iterdir()):
                Path(folder).rmdir()

    def _directory(self, path: str, mode: int, user: str, group: str) -> None:
        directory = self._host.path(path)
        directory.mkdir(parents=True, exist_ok=True)
        if not self._host.ownership.matches(directory, user, group):
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            try:
                self._host.ownership.set(fd, directory, user, group)
            finally:
                os.close(fd)
        if directory.stat().st_mode & 0o7777 != mode:
            directory.chmod(mode)


def _folders(top: str) -> Iterator[tuple[str, list[str]]]:
    """Each folder of a package with its files, those inside before it; without byte code.

    Not by `Path.rglob`, which takes several times as long: each hook looks at all of them.
    """
    for folder, _, names in os.walk(top, topdown=False):
        yield folder, [] if folder.endswith("/__pycache__") else names


_PROGRAMS = (ALERT_AGENT, GUARD_AGENT)
