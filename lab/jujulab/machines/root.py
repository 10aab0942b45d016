"""A machine's root directory: a layer of its own over the image, and what the lab writes in it."""

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from jujulab.errors import LabError
from jujulab.files import replace_text

BEGIN = "# BEGIN lab machines"
END = "# END lab machines"
"""They enclose the block of /etc/hosts that the lab keeps current in every machine."""

_LOCAL = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"


@dataclass(frozen=True)
class HostsEntry:
    """One machine's line in /etc/hosts."""

    address: IPv4Address
    fqdn: str
    hostname: str

    def __str__(self) -> str:
        return f"{self.address} {self.fqdn} {self.hostname}"


def render_hosts(current: str, entries: Iterable[HostsEntry]) -> str:
    """Return a hosts file, or a new one, with the given entries.

    What others wrote outside of the lab's block stays as it is.
    """
    lines = iter(current.splitlines(keepends=True))
    kept = []
    for line in lines:
        if line.rstrip("\n") != BEGIN:
            kept.append(line if line.endswith("\n") else f"{line}\n")
            continue
        for inner in lines:
            if inner.rstrip("\n") == END:
                break
    others = "".join(kept) or _LOCAL
    block = "".join(f"{entry}\n" for entry in sorted(entries, key=lambda entry: entry.address))
    return f"{others}{BEGIN}\n{block}{END}\n"


class Root:
    """The root directory of one machine; its folder holds the layer and the mount point."""

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

    def mount(self, image: str) -> None:
        """Mount the machine's layer over the image, unless it is mounted.

        The paths of layers over the image come before its own, with colons between them.

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

    def write_hosts(self, entries: Sequence[HostsEntry]) -> None:
        """Bring the lab's block of /etc/hosts up to date."""
        path = self.path / "etc/hosts"
        current = path.read_text() if path.exists() else ""
        text = render_hosts(current, entries)
        if text != current:
            replace_text(path, text)
