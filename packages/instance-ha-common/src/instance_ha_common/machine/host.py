"""The machine that a charm works on, as one value that tests can replace."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from instance_ha_common.machine import files
from instance_ha_common.machine.commands import Runner
from instance_ha_common.machine.packages import Apt
from instance_ha_common.machine.services import Systemd


@dataclasses.dataclass(frozen=True)
class Host:
    """A machine: where its files are, and how to change what it runs.

    Attributes:
        root: directory that stands for `/`.
        runner: starts commands.
        apt: packages.
        systemd: services.
        ownership: how files get their owner.
    """

    root: Path
    runner: Runner
    apt: Apt
    systemd: Systemd
    ownership: files.Ownership = files.SYSTEM

    @classmethod
    def local(cls) -> Host:
        """This machine."""
        runner = Runner()
        systemd = Systemd(runner)
        return cls(Path("/"), runner, Apt(runner, systemd.forget), systemd)

    def path(self, *parts: str) -> Path:
        """Where an absolute path of the machine lies: `path("/etc", "nova")`."""
        return self.root.joinpath(*(part.lstrip("/") for part in parts))

    def read(self, path: str) -> str | None:
        """Content of a text file of the machine; None when there is none."""
        try:
            return self.path(path).read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    @property
    def groups(self) -> dict[str, set[str]]:
        """The groups of the machine, by name, and those who are in each (group(5))."""
        rows = (line.split(":") for line in (self.read("/etc/group") or "").splitlines())
        return {row[0]: set(row[3].split(",")) - {""} for row in rows if len(row) == 4}

    def write(
        self,
        path: str,
        content: str | bytes,
        *,
        mode: int = 0o644,
        user: str = "root",
        group: str = "root",
    ) -> bool:
        """Write a file of the machine; see `files.write`.

        Raises:
            KeyError: `user` or `group` does not exist.
            OSError: the file cannot be written.
        """
        return files.write(
            self.path(path), content, mode=mode, user=user, group=group, ownership=self.ownership
        )

    def remove(self, path: str) -> bool:
        """Remove a file of the machine; say whether there was one."""
        return files.remove(self.path(path))
