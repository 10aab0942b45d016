"""One machine of the lab: a Juju machine, and the MAAS node or the container that it is."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jujulab.errors import LabError
from jujulab.files import LAB, replace_text
from jujulab.machines import processes
from jujulab.machines.addresses import SPACES, MachineId, check_spaces
from jujulab.machines.container import ENVIRONMENT, NAMESPACES, ContainerError
from jujulab.machines.description import Description, Site
from jujulab.machines.network import NetworkError

STOP_TIMEOUT = 60.0
"""Seconds that a clean shutdown may take before the power is cut."""


class Machine(Description):
    """A machine of the lab, which can be switched, cut off, frozen and worked in."""

    @classmethod
    def of(cls, lab: Site, machine_id: str) -> Machine:
        """Return the object for an identifier; the machine may not exist. ValueError for none."""
        return cls(lab, MachineId.parse(machine_id))

    @property
    def children(self) -> list[str]:
        """The identifiers of the containers on this node."""
        return [machine.id for machine in self._family() if machine.id != self.id]

    def start(self, wait: float = 60) -> None:
        """Boot the machine, unless it runs, and wait so many seconds. Starts no containers on it.

        Raises:
            LabError: it is a container on a node that is off.
            ContainerError: it has not booted in time.
        """
        self._launch()
        self.container.wait_booted(wait)

    def wait_booted(self, timeout: float = 60) -> None:
        """Wait until a machine that was switched on has booted; see `Container.wait_booted`."""
        self.container.wait_booted(timeout)

    def power_on(self) -> None:
        """Switch the machine and the containers on it on; do not wait until they have booted."""
        for machine in self._family():
            machine._launch()

    def power_off(self) -> None:
        """Cut the power of the machine and the containers on it; return when all are dead."""
        with self._family_lock() as family:
            self._cut_power(family)

    def ended(self, supervisor: int) -> bool:
        """Tidy up after the machine powered itself off or wants to reboot: its supervisor ended.

        The containers on a node lose their power with it.

        Returns:
            Whether it was the machine's; False when it has been started again since, or its
            power been cut.
        """
        with self._family_lock() as family:
            if not self.container.was_supervised_by(supervisor):
                return False
            self._cut_power(family)
        return True

    def stop(self) -> None:
        """Shut the machine and the containers on it down cleanly; cut the power if that hangs."""
        family = self._family()
        for machine in reversed(family):
            machine.container.shut_down()
        for machine in reversed(family):
            machine.container.wait_dead(STOP_TIMEOUT)
        self.power_off()

    def cut(self, *spaces: str, containers: bool = True) -> None:
        """Unplug the machine's and its containers' network cables in some spaces.

        Args:
            spaces: which; all of them when none is given.
            containers: also those of the containers; without, it is as if a network failed that
                only the nodes are in.

        Raises:
            ValueError: there is no such space.
        """
        self._set_cuts(check_spaces(spaces), connected=False, containers=containers)

    def restore(self, *spaces: str) -> None:
        """Plug network cables in again; see `cut`."""
        self._set_cuts(check_spaces(spaces), connected=True)

    def freeze(self, frozen: bool = True) -> None:
        """Stop every process of the machine and its containers where it is, or let it go on."""
        for machine in self._family():
            if machine.state == "on":
                machine.container.set_frozen(frozen)

    def thaw(self) -> None:
        """Let every process of the machine and its containers go on."""
        self.freeze(False)

    def panic(self, crash_kernel: Sequence[str], boots: float) -> subprocess.Popen[bytes]:
        """Have the machine's kernel panic: all that it runs is gone at once, without a word.

        The containers on it are gone as well. Its power stays on, and its crash kernel runs one
        command; only cutting the power ends that state.

        Args:
            crash_kernel: the command.
            boots: seconds until the crash kernel has booted, and the network is there again.

        Raises:
            ContainerError: it is not running, or something does not die.
        """
        with self._family_lock() as family:
            # The network goes first: nothing that dies may say goodbye to its peers.
            self.lab.network.plug([m.slug for m in family], tuple(SPACES), connected=False)
            self._cut_power([machine for machine in family if machine.id != self.id])
            init = self.container.init
            if init is None or not processes.end_all_but(init, self.container.cgroup.pids, 10):
                raise ContainerError(f"{self.hostname} is not running, or does not die")
            self.container.set_frozen(True)
            argv = ["nsenter", f"--target={init}", *(f"--{kind}" for kind in NAMESPACES)]
            argv += ["--", "sh", "-c", 'sleep "$0"; exec "$@"', str(boots), *crash_kernel]
            # Not in the control group, which is frozen; in the PID namespace, which ends it.
            running = subprocess.Popen(argv, env=ENVIRONMENT, start_new_session=True)
        time.sleep(boots)
        with self.lab.lock(self.slug):
            self.lab.network.plug([self.slug], set(SPACES) - self.cuts, connected=True)
        return running

    def destroy(self) -> None:
        """Remove the machine and the containers on it, files included."""
        self.power_off()
        for machine in reversed(self._family()):
            machine.unmount()
            machine._cuts.unlink(missing_ok=True)
            shutil.rmtree(machine.dir, ignore_errors=True)
        with self.lab.lock("lab"):
            self.lab.refresh_hosts()

    def popen(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a command in the machine; see `Container.popen`."""
        return self.container.popen(argv, **options)

    def run(self, argv: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine and return what it printed; see `Container.run`."""
        return self.container.run(argv, **options)

    def _family(self) -> list[Machine]:
        """Return the machine and, for a node, the containers on it."""
        if self.parent is not None:
            return [self]
        return [self, *(m for m in self.lab.machines() if m.parent == self.id)]

    @contextlib.contextmanager
    def _family_lock(self) -> Iterator[list[Machine]]:
        """Keep others from switching the machine and the containers on it."""
        family = self._family()
        with contextlib.ExitStack() as locks:
            for machine in family:
                locks.enter_context(self.lab.lock(machine.slug))
            yield family

    def _cut_power(self, family: Sequence[Machine]) -> None:
        # The network goes first: nothing that dies may say goodbye to its peers. A machine
        # whose start was interrupted may lack cables; it still has to die.
        with contextlib.suppress(NetworkError):
            self.lab.network.plug([m.slug for m in family], tuple(SPACES), connected=False)
        for machine in family:
            machine._firmware.unlink(missing_ok=True)
            machine.container.signal_kill()
        for machine in family:
            machine.container.kill()
            # What was set up in the namespace at run time, virtual addresses above all, must
            # not come back with the power.
            self.lab.network.detach(machine.slug)

    def _launch(self) -> None:
        with contextlib.ExitStack() as locks:
            if self.parent is not None:
                # A container must not slip in between its node's death and its own.
                locks.enter_context(self.lab.lock(MachineId.parse(self.parent).slug))
                if self.lab.machine(self.parent).state == "off":
                    raise LabError(f"machine {self.id}: node {self.parent} is off")
            locks.enter_context(self.lab.lock(self.slug))
            self._firmware.unlink(missing_ok=True)
            if self.state == "on":
                return
            self.lab.network.attach(self.slug, self.addresses, self.cuts)
            self._root.mount(self._definition["image"])
            self._root.write_identity(self.hostname, self._definition["machine_id"])
            self.write_hosts([m.hosts_entry for m in self.lab.machines()])
            python = ["env", f"PYTHONPATH={LAB}", sys.executable, "-m", "jujulab.machines.ended"]
            self.container.launch(
                hostname=self.hostname,
                network=self.lab.network.path(self.slug),
                binds=self._binds(),
                console=self.dir / "console.log",
                on_end=[*python, str(self.lab.home), self.id],
            )

    def _binds(self) -> dict[Path, str]:
        binds = {self.juju_dir: "/var/lib/juju"}
        if self.parent is None:
            binds[self.lab.instances_dir] = "/var/lib/nova/instances"
            for device in (Path("/dev/kvm"), Path("/dev/net/tun")):
                if device.exists():
                    binds[device] = str(device)
        return binds

    def _set_cuts(
        self, spaces: Sequence[str], *, connected: bool, containers: bool = True
    ) -> None:
        with self._family_lock() as locked:
            family = locked if containers else [self]
            for machine in family:
                cuts = machine.cuts - set(spaces) if connected else machine.cuts | set(spaces)
                replace_text(machine._cuts, " ".join(sorted(cuts)))
            running = [m.slug for m in family if m.state == "on"]
            self.lab.network.plug(running, spaces, connected=connected)
