"""What a machine is: its names, its addresses, its files, and what its state can be read from."""

import contextlib
import hashlib
import json
import uuid
from collections.abc import Iterator, Sequence
from functools import cached_property
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any, Literal

from jujulab.files import DEFAULT_HOME, replace_text
from jujulab.machines.addresses import DEFAULT_SPACE, MachineId, addresses
from jujulab.machines.cgroups import Cgroup, hierarchies
from jujulab.machines.container import Container
from jujulab.machines.network import Network
from jujulab.machines.root import HostsEntry, Root
from jujulab.waiting import locked

NAME = "juju-lab"
"""The name of the lab's network namespace and control group, where its home is the default."""


class Site:
    """Where the machines of a lab are."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.run_dir = home / "run"
        self.instances_dir = home / "instances"

    @cached_property
    def name(self) -> str:
        """What the lab's namespaces and control groups are called on the host."""
        if self.home == DEFAULT_HOME:
            return NAME
        return f"{NAME}-{hashlib.sha256(str(self.home).encode()).hexdigest()[:6]}"

    @cached_property
    def network(self) -> Network:
        """The lab's networks."""
        return Network(self.name)

    @cached_property
    def cgroup_mounts(self) -> dict[str, Path]:
        """The host's control group hierarchies."""
        return hierarchies(Path("/proc/mounts").read_text())

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold a lock that all processes of this lab share."""
        folder = self.run_dir / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / name):
            yield

    def machines(self) -> Sequence[Any]:
        """Return all machines, nodes before their containers."""
        raise NotImplementedError

    def machine(self, machine_id: str) -> Any:
        """Return a machine, or raise KeyError."""
        raise NotImplementedError

    def refresh_hosts(self) -> None:
        """Bring /etc/hosts of all machines up to date, running or not yet started."""
        machines = self.machines()
        entries = [m.hosts_entry for m in machines]
        for machine in machines:
            machine.write_hosts(entries)


class Description:
    """A machine of a lab as its files describe it."""

    def __init__(self, lab: Site, identity: MachineId) -> None:
        self.lab = lab
        self.identity = identity
        self.id = str(identity)
        self.slug = identity.slug
        self.hostname = identity.hostname
        self.fqdn = identity.fqdn
        self.parent = identity.parent
        self.dir = lab.home / "machines" / self.slug
        self._root = Root(self.dir)
        self.root = self._root.path
        self.juju_dir = self.dir / "juju"
        self._cuts = lab.run_dir / f"{self.slug}.cuts"
        self._firmware = lab.run_dir / f"{self.slug}.firmware"

    @property
    def exists(self) -> bool:
        """Whether the machine has been created and not destroyed."""
        return (self.dir / "machine.json").exists()

    @cached_property
    def _definition(self) -> dict[str, Any]:
        return dict(json.loads((self.dir / "machine.json").read_text()))

    @property
    def host_part(self) -> int:
        """The last octet of the machine's addresses."""
        return int(self._definition["host_part"])

    @property
    def addresses(self) -> dict[str, IPv4Interface]:
        """The machine's address in each space."""
        return addresses(self.host_part)

    @property
    def hosts_entry(self) -> HostsEntry:
        """The machine's line in /etc/hosts."""
        address = self.addresses[DEFAULT_SPACE].ip
        return HostsEntry(address=address, fqdn=self.fqdn, hostname=self.hostname)

    @cached_property
    def container(self) -> Container:
        """The processes of the machine."""
        return Container(
            name=f"{self.lab.name}.{self.slug}",
            root=self.root,
            pid_file=self.lab.run_dir / f"{self.slug}.pid",
            cgroup=Cgroup(f"{self.lab.name}/{self.slug}", self.lab.cgroup_mounts),
        )

    @property
    def state(self) -> Literal["on", "off"]:
        """Whether anything of the machine runs."""
        return "on" if self.container.running else "off"

    @property
    def boot_id(self) -> str | None:
        """A text that differs at every boot, a reboot from inside included; None while off."""
        return self.container.boot_id

    @property
    def frozen(self) -> bool:
        """Whether the machine's processes are stopped."""
        return self.container.cgroup.frozen

    @property
    def cuts(self) -> frozenset[str]:
        """The spaces whose cable is unplugged; a power cycle does not plug it in again."""
        with contextlib.suppress(FileNotFoundError):
            return frozenset(self._cuts.read_text().split())
        return frozenset()

    @property
    def firmware_until(self) -> float | None:
        """When a node that was switched on leaves its firmware and boots, in epoch seconds.

        None for a node that is off, or has booted. The power controller sets it; cutting the
        power and booting both end it.
        """
        with contextlib.suppress(FileNotFoundError, ValueError):
            return float(self._firmware.read_text())
        return None

    @firmware_until.setter
    def firmware_until(self, due: float) -> None:
        replace_text(self._firmware, repr(due))

    @property
    def mounted(self) -> bool:
        """Whether the machine's root is there to be read and written."""
        return self._root.mounted

    def write(self, *, image: str, host_part: int) -> None:
        """Write the machine's definition; the caller holds the lab's lock.

        Args:
            image: what its root lies above: the image's path, those of layers before it, with
                colons between them.
            host_part: the last octet of its addresses.
        """
        self._root.create()
        self.juju_dir.mkdir(exist_ok=True)
        definition = {"id": self.id, "image": image, "host_part": host_part}
        definition["machine_id"] = uuid.uuid4().hex
        replace_text(self.dir / "machine.json", json.dumps(definition, indent=1))

    def unmount(self) -> None:
        """Unmount the root of a machine that is off."""
        self._root.unmount()

    def write_hosts(self, entries: Sequence[HostsEntry]) -> None:
        """Bring /etc/hosts up to date, unless the machine has never been started."""
        if self.mounted:
            self._root.write_hosts(entries)
