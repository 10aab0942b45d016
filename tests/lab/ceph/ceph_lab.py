"""What the tests with Ceph ask its monitor, and do to it."""

from __future__ import annotations

import json

from jujulab.cloud import ceph, disks
from jujulab.cloud.heartbeat import Boot
from jujulab.machines.lab import Machine
from jujulab.trials.trial import Trial
from jujulab.trials.watch import PREFIX, insist
from jujulab.waiting import poll

ATTRIBUTE = "instance-ha-storage"
"""Attribute of a node in the cluster: a hypervisor's addresses as a client of Ceph."""


class Ceph:
    """The Ceph of a trial.

    Args:
        trial: guests, faults and the judgement.
    """

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._ceph = ceph.Ceph(trial.lab)
        self.shut_out = self._ceph.shut_out
        self.command = self._ceph.command

    @property
    def monitor(self) -> Machine:
        """The monitor's machine."""
        return disks.monitor(self._trial.lab)

    def keys(self, name: str) -> dict[str, dict[str, str]]:
        """Return the clients whose names contain something, and their capabilities."""
        known = json.loads(self.command("auth", "ls", "--format", "json"))["auth_dump"]
        return {item["entity"]: item["caps"] for item in known if name in item["entity"]}

    def attribute(self, host: str) -> str:
        """Return what a hypervisor has recorded of itself in the cluster."""
        return self._crm_attribute(host, "--query", "--quiet").strip()

    def set_attribute(self, host: str, text: str) -> None:
        """Record it in its place."""
        self._crm_attribute(host, "--update", text)

    def _crm_attribute(self, host: str, *words: str) -> str:
        command = ["crm_attribute", "--type", "nodes", "--node", host, "--name", ATTRIBUTE]
        member = next(m for m in self._trial.cluster.members if m.state == "on")
        return member.run([*command, *words], timeout=30).stdout

    def mute(self, host: str) -> None:
        """Have a hypervisor's power controller answer nothing until the end of the trial."""
        self._trial.repair(self._trial.faults.mute_controllers)
        self._trial.faults.mute_controllers(self._trial.machine(host).hostname)

    def address(self, host: str) -> str:
        """Return the address from which a hypervisor's clients come."""
        return ceph.address(self._trial.machine(host))

    def let_in(self, host: str) -> None:
        """Take a hypervisor off the blocklist, as somebody might by hand."""
        self._ceph.let_in(self.address(host))

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
        insist(self._ceph.await_empty(timeout), "somebody is still shut out")

    def lives(self) -> dict[str, list[Boot]]:
        """Return each guest's lives, as they are on its image now."""
        return self._trial.guests.lives(PREFIX)


def older(lives: dict[str, list[Boot]]) -> dict[str, list[Boot]]:
    """Return all but the last life of each guest."""
    return {guest: boots[:-1] for guest, boots in lives.items()}
