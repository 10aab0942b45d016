"""The lab's machines: system containers on overlays of one image, on the lab's networks.

All state is in files below the lab's home directory, so that any number of processes may use
the lab at once: `Lab` and `Machine` objects hold no more than paths.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

from jujulab import host
from jujulab.errors import LabError
from jujulab.files import cache_dir, lab_home, replace_text
from jujulab.image import image, layer
from jujulab.machines.addresses import MachineId
from jujulab.machines.cgroups import Cgroup
from jujulab.machines.description import Site
from jujulab.machines.maasprocess import MaasProcess
from jujulab.machines.machine import Machine

STORAGE = "LAB_STORAGE"
"""Environment variable: where the guests' disks are, `ceph`, where it is not the lab's default."""

_SPACE = 2.0
"""GB that the machines need beside the image."""

JUJU_MACHINES = "juju-machines.json"
"""Where a real Juju's identifiers of the machines are, in `run_dir`, with the lab's own."""

_MARKER = "this-is-a-juju-lab"
"""The file by which `Lab.clean` knows that it may remove a directory."""

_ENGINE_FOLDERS = {"charms", "logs", "run"}
"""What the Juju engine makes in the home directory, perhaps before the machine layer does."""


class Lab(Site):
    """All machines of one lab.

    Args:
        home: its directory; ``$LAB_HOME`` or the default when not given.
        cache: the image cache; ``$LAB_CACHE`` or the default when not given.
    """

    def __init__(self, home: Path | None = None, cache: Path | None = None) -> None:
        super().__init__(home.absolute() if home else lab_home())
        self.cache = cache or cache_dir()
        self._storage = self.home / "storage"

    @property
    def storage(self) -> str:
        """What its machines have packages for beside the image's: `ceph`, or nothing."""
        return self._storage.read_text() if self._storage.exists() else ""

    @cached_property
    def maas(self) -> MaasProcess:
        """The process of the MAAS look-alike."""
        return MaasProcess(self.home, self.cache, self.network.path())

    def up(self) -> None:
        """Make the image if need be, the networks and the power controller; start no machine.

        What an earlier run left half done or behind is finished or removed.

        Raises:
            LabError: the home directory holds something else, the user is not root, or the
                environment asks for a storage that there is not, or not here.
            ImageError: the image could not be built.
        """
        require_root()
        self._check_home()
        host.install_packages()
        host.raise_limits()
        storage = self._wanted_storage()
        root = image.ensure(self.cache)
        if storage:
            layer.ensure(storage, self.cache)
        self._make_home(root)
        if storage:
            replace_text(self._storage, storage)
        if not self.machines():
            host.check_space(self.home, _SPACE)
        with self.lock("lab"):
            self.network.up()
            machines = self.machines()
            # A container that died by itself leaves its namespace, addresses included.
            for slug in self.network.machines() - {m.slug for m in machines if m.state == "on"}:
                self.network.detach(slug)
            self.maas.ensure()

    def down(self) -> None:
        """Cut the power of all machines; remove namespaces and mounts. The files stay."""
        self.maas.stop()
        machines = self.machines()
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(Machine.power_off, (m for m in machines if m.parent is None)))
        for machine in machines:
            machine.unmount()
        self.network.down()
        Cgroup(self.name, self.cgroup_mounts).remove()

    def clean(self) -> None:
        """Remove the lab with everything in it, but not the image.

        Raises:
            LabError: the home directory is not a lab's, or something is still mounted in it.
        """
        if not self.home.exists():
            return
        if not (self.home / _MARKER).exists():
            raise LabError(f"{self.home} is not a lab's home directory")
        self.down()
        inside = f" {self.home}/"
        if any(inside in line for line in Path("/proc/self/mountinfo").read_text().splitlines()):
            raise LabError(f"something is still mounted below {self.home}")
        shutil.rmtree(self.home)

    def create(self, machine_id: str) -> Machine:
        """Make a machine that is off, or return the one that exists.

        Args:
            machine_id: a Juju identifier, ``3`` or ``3/lxd/0``.

        Raises:
            LabError: the identifier is none, or a container's node does not exist.
        """
        try:
            identity = MachineId.parse(machine_id)
        except ValueError as error:
            raise LabError(str(error)) from error
        root = image.ensure(self.cache)
        self._make_home(root)
        with self.lock("lab"):
            machine = Machine(self, identity)
            if machine.exists:
                return machine
            if identity.parent is not None and not Machine.of(self, identity.parent).exists:
                raise LabError(f"machine {identity.parent}, on which {identity} would be, is none")
            taken = {m.host_part for m in self.machines()}
            above = [layer.ensure(self.storage, self.cache)] if self.storage else []
            try:
                machine.write(
                    image=":".join(map(str, [*above, root])), host_part=identity.host_part(taken)
                )
            except ValueError as error:
                raise LabError(str(error)) from error
            self.refresh_hosts()
        return machine

    def machine(self, machine_id: str) -> Machine:
        """Return a machine, as Juju names it, or raise KeyError.

        A real Juju knows containers as machines of their own.
        """
        with contextlib.suppress(FileNotFoundError):
            names = json.loads((self.run_dir / JUJU_MACHINES).read_text())
            machine_id = names.get(machine_id, machine_id)
        with contextlib.suppress(ValueError):
            machine = Machine.of(self, machine_id)
            if machine.exists:
                return machine
        raise KeyError(f"no machine {machine_id}")

    def machines(self) -> list[Machine]:
        """Return all machines, nodes before their containers."""
        folders = (self.home / "machines").glob("*/machine.json")
        identities = (json.loads(path.read_text())["id"] for path in folders)
        machines = [Machine.of(self, identity) for identity in identities]
        return sorted(
            machines, key=lambda m: (m.identity.node, m.identity.container or 0, m.id.count("/"))
        )

    def find(self, name: str) -> Machine:
        """Return the machine with this identifier, host name or full name, or raise KeyError."""
        for machine in self.machines():
            if name in (machine.id, machine.hostname, machine.fqdn):
                return machine
        raise KeyError(f"no machine {name}")

    @contextlib.contextmanager
    def claim(self) -> Iterator[None]:
        """Have the lab to oneself: while a program follows a recovery, no other breaks things.

        The lock is not in the lab's directory, which may not exist yet, and ends with the process.

        Raises:
            LabError: this computer's lab is another program's now, or the user is not root.
        """
        require_root()
        self.cache.mkdir(parents=True, exist_ok=True)
        with (self.cache / f"{self.name}.lock").open("a+") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                handle.seek(0)
                raise LabError(
                    f"process {handle.read().strip()} uses the lab in {self.home}: wait for its"
                    " end, or name a home of its own for this one, as in"
                    " `LAB_HOME=/var/lib/juju-lab-2 make demo`"
                ) from None
            handle.truncate(0)
            handle.write(str(os.getpid()))
            handle.flush()
            yield

    def _wanted_storage(self) -> str:
        """Return what the environment asks for, if anything; LabError if it cannot be had here."""
        name = os.environ.get(STORAGE, "")
        if name and name not in layer.PACKAGES:
            raise LabError(f"{STORAGE}={name}: there is only {', '.join(layer.PACKAGES)}")
        if name and name != self.storage and self.machines():
            raise LabError(f"this lab was made without {STORAGE}={name}: `make clean` first")
        return name

    def _check_home(self) -> None:
        """Raise LabError where the home directory holds something else: nothing is done then."""
        try:
            if (self.home / _MARKER).exists() or not self.home.exists():
                return
            other = {path.name for path in self.home.iterdir()} - _ENGINE_FOLDERS
        except OSError as error:
            raise LabError(f"LAB_HOME: {self.home} cannot be used: {error.strerror}") from error
        if other:
            raise LabError(f"{self.home} exists and is not a lab's home directory")

    def _make_home(self, image_root: Path) -> None:
        self._check_home()
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / _MARKER).touch()
        for folder in (self.run_dir, self.home / "machines"):
            folder.mkdir(exist_ok=True)
        if not self.instances_dir.exists():
            user, group = nova_owner((image_root / "etc/passwd").read_text())
            self.instances_dir.mkdir()
            os.chown(self.instances_dir, user, group)


def require_root() -> None:
    """Raise LabError unless the user is root."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root, as it makes containers, networks and mounts: use sudo")


def nova_owner(passwd: str) -> tuple[int, int]:
    """Return the user and group numbers of nova in the text of /etc/passwd, or raise LabError."""
    for line in passwd.splitlines():
        fields = line.split(":")
        if fields[0] == "nova":
            return int(fields[2]), int(fields[3])
    raise LabError("the image has no user nova")
