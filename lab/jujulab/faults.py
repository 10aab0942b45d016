"""Faults on purpose, each with a line in a journal so that what follows can be timed."""

from __future__ import annotations

import signal
from pathlib import Path

from jujulab.addresses import check_spaces
from jujulab.errors import LabError
from jujulab.machines import Lab, Machine
from jujulab.power import Journal, Settings


class Faults:
    """Injects faults into a lab and takes them back.

    The journal, ``run/faults.jsonl``, gets its entry just before a fault and just after a repair.

    Args:
        lab: the lab.
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

    def cut(self, machine: Machine, *spaces: str) -> None:
        """Unplug network cables, of all spaces when none is named."""
        self._journal.write("cut", machine.hostname, " ".join(check_spaces(spaces)))
        machine.cut(*spaces)

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

    def kill(self, machine: Machine, pattern: str, number: int = signal.SIGKILL) -> list[int]:
        """Send a signal to processes in a machine.

        Args:
            machine: the machine.
            pattern: a regular expression that the command lines contain.
            number: the signal's number.

        Returns:
            The processes' identifiers in the machine.

        Raises:
            LabError: no command line matches.
        """
        found = machine.run(["pgrep", "--full", "--", pattern], check=False).stdout.split()
        if not found:
            raise LabError(f'no process on {machine.hostname} matches "{pattern}"')
        self._journal.write("kill", machine.hostname, f"{pattern}: {' '.join(found)}")
        machine.run(["kill", f"-{number}", "--", *found], check=False)
        return [int(pid) for pid in found]

    def maas_outage(self, down: bool) -> None:
        """Make the power API answer every request with status 503, or work again."""
        self._journal.write("maas-outage", "", "on" if down else "off")
        self._settings.outage = down
