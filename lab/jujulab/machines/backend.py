"""What runs the machines: the lab's system containers, or plain directories on this host.

The engine needs little of a machine. In a `LocalLab` machines are directories, and their processes
run on this host. With it the whole engine runs in seconds and without privileges, charms and hook
tools being real; it isolates nothing, so it is for charms that touch nothing but their own
directory.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from jujulab.machines.addresses import addresses

if TYPE_CHECKING:
    from jujulab.machines.lab import Lab
    from jujulab.machines.machine import Machine

INSIDE = "/var/lib/juju"

LabMachine: TypeAlias = "Machine | LocalMachine"
LabBackend: TypeAlias = "Lab | LocalLab"
"""The engine uses what both have."""


def open_lab(home: Path) -> LabBackend:
    """Return the lab of system containers, or `LocalLab` where LAB_BACKEND is ``local``."""
    if os.environ.get("LAB_BACKEND") == "local":
        return LocalLab(home)
    from jujulab.machines.lab import Lab  # root and containers are needed from here on

    return Lab(home)


def inside_dir(machine: LabMachine) -> str:
    """Return the path by which processes in the machine know its `juju_dir`."""
    return str(machine.juju_dir) if isinstance(machine, LocalMachine) else INSIDE


class LocalMachine:
    """A directory that stands for a machine; its power is a file."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        record = json.loads((directory / "machine.json").read_text(encoding="utf-8"))
        self.id: str = record["id"]
        self.hostname = self.id.replace("/", "-") if "/" in self.id else f"node{self.id}"
        self.fqdn = f"{self.hostname}.maas"
        self.juju_dir = directory / "juju"
        self.addresses = addresses(record["host"])
        self._boot = directory / "boot"

    @property
    def boot_id(self) -> str | None:
        """Another one after each start; None without power."""
        with contextlib.suppress(FileNotFoundError):
            return self._boot.read_text(encoding="utf-8")
        return None

    @property
    def state(self) -> str:
        """``on`` or ``off``."""
        return "on" if self._boot.exists() else "off"

    def start(self, wait: float = 60) -> None:
        """Switch on."""
        del wait
        self._boot.write_text(str(time.monotonic_ns()), encoding="utf-8")

    def wait_booted(self, timeout: float = 60) -> None:
        """Return at once: there is nothing to boot."""

    def power_off(self) -> None:
        """Switch off, killing what runs."""
        self._boot.unlink(missing_ok=True)
        for name in self._directory.glob("pid-*"):
            name.unlink()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(name.name.removeprefix("pid-")), signal.SIGKILL)

    def popen(
        self, argv: list[str], *, env: dict[str, str] | None = None, **popen_kw: Any
    ) -> subprocess.Popen[bytes]:
        """Run a process on this host, in a session of its own."""
        if self.state != "on":
            raise OSError(f"machine {self.id} is off")
        process = subprocess.Popen(argv, env=env or {}, start_new_session=True, **popen_kw)
        (self._directory / f"pid-{process.pid}").touch()
        return process

    def destroy(self) -> None:
        """Switch off and forget."""
        self.power_off()
        (self._directory / "machine.json").unlink()


class LocalLab:
    """Machines that are directories below `home`."""

    def __init__(self, home: Path) -> None:
        self._machines = home / "machines"

    def up(self) -> None:
        """Make ready for machines."""
        self._machines.mkdir(parents=True, exist_ok=True)
        (self._machines.parent / "run").mkdir(exist_ok=True)

    def create(self, machine_id: str) -> LocalMachine:
        """Create a machine without starting it."""
        directory = self._machines / machine_id.replace("/", "-")
        (directory / "juju").mkdir(parents=True)
        parent, _, number = machine_id.rpartition("/lxd/")
        host = 100 + 10 * int(parent) + int(number) if parent else 10 + int(machine_id)
        record = json.dumps({"id": machine_id, "host": host})
        (directory / "machine.json").write_text(record, encoding="utf-8")
        return LocalMachine(directory)

    def machine(self, machine_id: str) -> LocalMachine:
        """Return a machine that was created, or raise KeyError."""
        try:
            return LocalMachine(self._machines / machine_id.replace("/", "-"))
        except FileNotFoundError:
            raise KeyError(f"machine {machine_id} does not exist") from None
