"""Faults on purpose, each with a line in a journal so that what follows can be timed."""

import signal
from collections.abc import Sequence
from pathlib import Path

from jujulab.errors import LabError
from jujulab.files import LAB
from jujulab.maas.power import Journal, Settings
from jujulab.machines.addresses import check_spaces
from jujulab.machines.lab import Lab, Machine
from jujulab.machines.machine import STOP_TIMEOUT

_QEMU = "/usr/bin/qemu-system-x86_64"
_TAKEN = "/run/systemd/system/{}.service.d"
_WITHOUT_LOCKS = LAB / "inside" / "qemu_without_locks.py"


class Faults:
    """Injects faults into a lab and takes them back.

    The journal, ``run/faults.jsonl``, gets its entry just before a fault and just after a repair.
    What systemd does not do is a LabError.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._settings = Settings(lab.run_dir)
        self._journal = Journal(lab.run_dir / "faults.jsonl")

    @property
    def journal(self) -> Path:
        """The file with one JSON object per fault or repair."""
        return self._journal.path

    def power_off(self, machine: Machine) -> None:
        """Cut a machine's power."""
        self._journal.write("power-off", machine.hostname, "")
        machine.power_off()

    def power_on(self, machine: Machine) -> None:
        """Give a machine its power back; it boots at once, without the time in firmware."""
        machine.power_on()
        self._journal.write("power-on", machine.hostname, "")

    def cut(self, machine: Machine, *spaces: str, containers: bool = True) -> None:
        """Unplug network cables, of all spaces when none is named; see `Machine.cut`."""
        self._journal.write("cut", machine.hostname, " ".join(check_spaces(spaces)))
        machine.cut(*spaces, containers=containers)

    def restore(self, machine: Machine, *spaces: str) -> None:
        """Plug network cables in again, of all spaces when none is named."""
        machine.restore(*spaces)
        self._journal.write("restore", machine.hostname, " ".join(check_spaces(spaces)))

    def freeze(self, machine: Machine) -> None:
        """Hang a machine: all its processes stop where they are."""
        self._journal.write("freeze", machine.hostname, "")
        machine.freeze()

    def thaw(self, machine: Machine) -> None:
        """Let a hung machine go on."""
        machine.thaw()
        self._journal.write("thaw", machine.hostname, "")

    def panic(self, machine: Machine, crash_kernel: Sequence[str], boots: float = 3.0) -> None:
        """Have a machine's kernel panic, and its crash kernel run a command; see `Machine.panic`.

        It stays so until its power is cut.
        """
        self._journal.write("panic", machine.hostname, "")
        machine.panic(crash_kernel, boots)

    def kill(self, machine: Machine, pattern: str, number: int = signal.SIGKILL) -> list[int]:
        """Send a signal to the processes in a machine whose command lines match a pattern.

        Returns:
            Their identifiers in the machine.

        Raises:
            LabError: there is none.
        """
        found = machine.run(["pgrep", "--full", "--", pattern], check=False).stdout.split()
        if not found:
            raise LabError(f'no process on {machine.hostname} matches "{pattern}"')
        self._journal.write("kill", machine.hostname, f"{pattern}: {' '.join(found)}")
        machine.run(["kill", f"-{number}", "--", *found], check=False)
        return [int(pid) for pid in found]

    def service(self, machine: Machine, action: str, unit: str, timeout: float = 120) -> None:
        """Have systemd do something to a service, such as ``restart``, within some seconds."""
        self._journal.write(action, machine.hostname, unit)
        result = machine.run(["systemctl", action, unit], timeout=timeout, check=False)
        if result.returncode:
            raise LabError(f"systemctl {action} {unit}: {result.stderr.strip()}")

    def take_away(self, machine: Machine, unit: str) -> None:
        """Stop a service, and have nobody start it before it is given back or the machine boots.

        A mask would not do: charms take one away in order to start their services.
        """
        self._drop_in(machine, unit, "[Unit]\nConditionPathExists=/run/given-back\n")
        self.service(machine, "stop", unit)

    def kill_for_good(self, machine: Machine, unit: str) -> None:
        """Kill a service, and have systemd not restart it before it is given back or a boot."""
        self._drop_in(machine, unit, "[Service]\nRestart=no\n")
        self._journal.write("kill", machine.hostname, unit)
        machine.run(["systemctl", "kill", "--signal=KILL", unit])

    def give_back(self, machine: Machine, unit: str) -> None:
        """Start a service that was taken away."""
        machine.run(["rm", "-rf", _TAKEN.format(unit)])
        self._reload(machine)
        self.service(machine, "start", unit)

    def _drop_in(self, machine: Machine, unit: str, text: str) -> None:
        """Have a service be otherwise, until it is given back or the machine boots."""
        script = f"mkdir -p {_TAKEN.format(unit)} && cat > {_TAKEN.format(unit)}/taken.conf"
        machine.run(["/bin/sh", "-c", script], input=text)
        self._reload(machine)

    def _reload(self, machine: Machine) -> None:
        machine.run(["systemctl", "daemon-reload"], timeout=60)

    def reboot(self, machine: Machine) -> None:
        """Have a machine reboot in an orderly way, as its administrator would.

        It shuts the containers on it down first, as LXD does.
        """
        self._journal.write("reboot", machine.hostname, "")
        for child in machine.children:
            container = self._lab.machine(child).container
            container.shut_down()
            container.wait_dead(STOP_TIMEOUT)
        machine.run(["systemctl", "reboot"], check=False)

    def maas_outage(self, down: bool) -> None:
        """Make the power API answer every request with status 503, or work again."""
        self._journal.write("maas-outage", "", "on" if down else "off")
        self._settings.outage = down

    def maas_forget(self, *hostnames: str) -> None:
        """Have the power API know no node of these names; without any, all are known again."""
        self._journal.write("maas-forget", " ".join(hostnames), "")
        self._settings.forgotten = frozenset(hostnames)

    def mute_controllers(self, *hostnames: str) -> None:
        """Have the power controllers of these nodes answer nothing; without any, all answer."""
        self._journal.write("mute-controllers", " ".join(hostnames), "")
        self._settings.mute = frozenset(hostnames)

    def image_locks(self, machine: Machine, kept: bool) -> None:
        """Have QEMU lock its disks' files or not, from the next start of a guest on.

        Without locks the shared storage is as one that knows none: what runs twice, writes twice.
        """
        self._journal.write("image-locks", machine.hostname, "kept" if kept else "off")
        if kept:
            script = 'test ! -e "$0.real" || mv -f "$0.real" "$0"'
        else:
            script = 'test -e "$0.real" || mv "$0" "$0.real"; cat >"$0"; chmod 755 "$0"'
        machine.run(["sh", "-ec", script, _QEMU], input=_WITHOUT_LOCKS.read_text())
