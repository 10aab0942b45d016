"""What the tests with Ceph ask its monitor, and do to it."""

from __future__ import annotations

from jujulab.cloud import ceph
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
        self._ceph = ceph.Ceph(trial.lab)
        self.shut_out = self._ceph.shut_out

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
