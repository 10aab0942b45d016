"""A machine's root directory: a layer of its own over the image, and what the lab writes in it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from jujulab.errors import LabError
from jujulab.files import replace_text
from jujulab.machines import hostsfile


class Root:
    """The root directory of one machine.

    Args:
        folder: the machine's directory, which holds the layer and the mount point.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "root"
        self._upper = folder / "upper"
        self._work = folder / "work"

    @property
    def mounted(self) -> bool:
        """Whether the directory is there to be read and written."""
        return self.path.is_mount()

    def create(self) -> None:
        """Make the directories."""
        for folder in (self.path, self._upper, self._work):
            folder.mkdir(parents=True, exist_ok=True)

    def mount(self, image: Path) -> None:
        """Mount the machine's layer over the image, unless it is mounted.

        Raises:
            LabError: the kernel refuses.
        """
        if self.mounted:
            return
        # A volatile overlay skips fsync. Power cuts in the lab spare the host's page cache, so
        # nothing is lost by it; the kernel wants to be told that a host crash is no concern.
        shutil.rmtree(self._work / "work/incompat", ignore_errors=True)
        layers = f"lowerdir={image},upperdir={self._upper},workdir={self._work},volatile"
        argv = ["mount", "-t", "overlay", "juju-lab", "-o", layers, str(self.path)]
        result = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
        if result.returncode:
            raise LabError(f"{self.path}: {result.stderr.strip()}")

    def unmount(self) -> None:
        """Unmount the directory, if it is mounted; nothing may run in it."""
        if self.mounted:
            subprocess.run(["umount", str(self.path)], check=True, timeout=30)

    def write_identity(self, hostname: str, machine_id: str) -> None:
        """Write the host name and systemd's machine identifier, before the machine boots."""
        (self.path / "etc/hostname").write_text(f"{hostname}\n")
        (self.path / "etc/machine-id").write_text(f"{machine_id}\n")

    def write_hosts(self, entries: Sequence[hostsfile.Entry]) -> None:
        """Bring the lab's block of /etc/hosts up to date."""
        path = self.path / "etc/hosts"
        current = path.read_text() if path.exists() else ""
        text = hostsfile.render(current, entries)
        if text != current:
            replace_text(path, text)
