"""What the tests with Ceph ask its monitor, and do to it."""

from __future__ import annotations

import json
import subprocess

from jujulab.cloud import disks
from jujulab.cloud.console import poll
from jujulab.cloud.heartbeat import Boot
from jujulab.trials.trial import Trial
from jujulab.trials.watch import PREFIX, insist


class Ceph:
    """The Ceph of a trial.

    Args:
        trial: guests, faults and the judgement.
    """

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def command(self, *words: str) -> str:
        """Run `ceph` on the monitor's machine, as its administrator."""
        return disks.monitor(self._trial.lab).run(["ceph", *words], timeout=60).stdout

    def shut_out(self) -> set[str]:
        """Return the addresses all of whose clients are on the blocklist."""
        answer = self.command("osd", "blocklist", "ls", "--format", "json")
        entries, _ = json.JSONDecoder().raw_decode(answer.strip())
        suffix = ":0/0"
        found = (str(entry["addr"]) for entry in entries)
        return {address.removesuffix(suffix) for address in found if address.endswith(suffix)}

    def address(self, host: str) -> str:
        """Return the address from which a hypervisor's clients come."""
        return str(self._trial.machine(host).addresses["storage"].ip)

    def let_in(self, host: str) -> None:
        """Take a hypervisor off the blocklist, as somebody might by hand."""
        self.command("osd", "blocklist", "rm", f"{self.address(host)}:0/0")

    def await_shut_out(self, host: str, timeout: float = 60) -> None:
        """Wait until a hypervisor is on the blocklist.

        Raises:
            TrialError: it is not, within the timeout in seconds.
        """
        reached = poll(lambda: self.address(host) in self.shut_out(), timeout, 0.5)
        insist(reached, f"{host} is not shut out within {timeout:g} s: {self.shut_out()}")

    def await_empty(self, timeout: float = 180) -> None:
        """Wait until all hypervisors have their storage again.

        Raises:
            TrialError: one has not, within the timeout in seconds.
        """

        def empty() -> bool:
            try:
                return not self.shut_out()
            except subprocess.SubprocessError:
                return False  # asked again

        insist(poll(empty, timeout, 2), "somebody is still shut out")

    def lives(self) -> dict[str, list[Boot]]:
        """Return each guest's lives, as they are on its image now."""
        return self._trial.guests.lives(PREFIX)


def older(lives: dict[str, list[Boot]]) -> dict[str, list[Boot]]:
    """Return all but the last life of each guest."""
    return {guest: boots[:-1] for guest, boots in lives.items()}
