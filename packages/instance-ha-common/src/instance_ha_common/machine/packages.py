"""Debian packages, through apt and dpkg.

Not `charmlibs.apt`: it installs packages one by one at exact versions (of packages that need each
other, that is a transaction each), does not wait for another process's lock, and its update fails
altogether when one of several archives on a shared host is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from instance_ha_common.machine.commands import Runner

_APT = (
    "apt-get",
    "--yes",
    "--option=DPkg::Lock::Timeout=300",
    "--option=Dpkg::Options::=--force-confdef",
    "--option=Dpkg::Options::=--force-confold",
)
_ENV: Mapping[str, str] = {
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    "LC_ALL": "C.UTF-8",
}
_FORMAT = r"${Package}\t${db:Status-Abbrev}\t${Version}\n"
_INSTALLED = frozenset("itW")
"""Second letter of dpkg's status of a package that works: installed, or waiting for a trigger. The
first is what the operator wants of it, such as `h` for one that is to stay at its version."""

_TIMEOUT = 1800
"""Seconds for one apt run: a slow mirror, plus the wait for the lock."""


class Apt:
    """Installed and available packages of this machine.

    What dpkg said is remembered until apt has changed something: each question is a process.
    """

    def __init__(self, runner: Runner, changed: Callable[[], None] = lambda: None) -> None:
        """Work through `runner`; `changed` is called before apt changes anything."""
        self._runner = runner
        self._changed = changed
        self._said: dict[str, str | None] = {}

    def installed(self, names: Iterable[str]) -> dict[str, str]:
        """Versions of those of the named packages that are installed and configured."""
        wanted = set(names)
        unknown = sorted(wanted - self._said.keys())
        if unknown:
            result = self._runner.run(
                ["dpkg-query", "--show", f"--showformat={_FORMAT}", *unknown],
                check=False,  # fails as soon as one of them is unknown
                env=_ENV,
            )
            rows = (line.split("\t") for line in result.stdout.splitlines())
            self._said |= dict.fromkeys(unknown) | {
                row[0]: row[2]
                for row in rows
                if len(row) == 3 and row[0] in unknown and row[1][1:2] in _INSTALLED
            }
        return {name: version for name in wanted if (version := self._said[name])}

    def version(self, name: str) -> str | None:
        """Installed version of one package, or None."""
        return self.installed([name]).get(name)

    def available(self, names: Iterable[str]) -> set[str]:
        """Those of the named packages that an archive of this machine offers."""
        wanted = sorted(set(names))
        if not wanted:
            return set()
        result = self._runner.run(
            ["apt-cache", "show", "--no-all-versions", *wanted], check=False, env=_ENV
        )
        found = {
            line.split(":", 1)[1].strip()
            for line in result.stdout.splitlines()
            if line.startswith("Package:")
        }
        return found & set(wanted)

    def update(self) -> None:
        """Refresh the package lists.

        Raises:
            CommandError: apt itself failed; an archive that cannot be reached is no such failure.
        """
        self._run("update")

    def install(self, names: Iterable[str], *, upgrade: bool = False) -> bool:
        """Install packages that are not there yet, all in one transaction.

        Recommended packages are left out and configuration files on disk are kept.

        Args:
            names: the packages.
            upgrade: also bring installed ones to the archive's version.

        Returns:
            Whether apt was run.

        Raises:
            CommandError: apt failed.
        """
        wanted = sorted(set(names))
        if not upgrade:
            present = self.installed(wanted)
            wanted = [name for name in wanted if name not in present]
        if not wanted:
            return False
        self._run("--no-install-recommends", "install", *wanted)
        return True

    def remove(self, names: Iterable[str]) -> bool:
        """Remove packages; their configuration files stay.

        Returns:
            Whether apt was run.

        Raises:
            CommandError: apt failed.
        """
        present = sorted(self.installed(names))
        if not present:
            return False
        self._run("remove", *present)
        return True

    def _run(self, *arguments: str) -> None:
        self._said.clear()
        self._changed()
        self._runner.run([*_APT, *arguments], timeout=_TIMEOUT, env=_ENV)
