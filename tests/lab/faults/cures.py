"""What the charm's status tells an operator to do while hosts are recovered, done as it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from jujulab.errors import LabError
from jujulab.trials.failover import Failover
from jujulab.trials.watch import PREFIX

REFUSALS = "/var/lib/masakari-fencing/refusals"
"""Where a unit has what its status says of recoveries (masakari_fencing.records.refusals)."""

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_MAY_RUN = re.compile(
    rf"({_UUID}) \((?:(?!{_UUID}).)*?it may run on ([^,]+), where.*?stop it there"
)


def to_be_stopped(text: str) -> Iterator[tuple[str, str]]:
    """Yield the instances that a status has stopped, each with a host that it may run on.

    >>> list(to_be_stopped("nothing of that kind"))
    []
    """
    for uuid, hosts in _MAY_RUN.findall(text):
        for host in hosts.split(" or "):
            yield uuid, host


@dataclass
class Obedient:
    """An operator who reads the status of masakari's units.

    Attributes:
        trial: the trial.
    """

    trial: Failover
    _stopped: set[tuple[str, str]] = field(default_factory=set)

    def stop_what_is_named(self) -> None:
        """Stop each instance where its evacuation broke off; Nova cannot, as it does not know."""
        known = {one["id"]: name for name, one in self.trial.guests.find(PREFIX).items()}
        for member in self.trial.cluster.members:
            if not member.container.running:
                continue
            said = member.run(["sh", "-c", f"cat {REFUSALS}/*.json"], check=False).stdout
            for uuid, host in to_be_stopped(said):
                if uuid in known and (uuid, host) not in self._stopped:
                    self._stop(known[uuid], host)
                    self._stopped.add((uuid, host))

    def _stop(self, name: str, host: str) -> None:
        domain = str(self.trial.server(name)["OS-EXT-SRV-ATTR:instance_name"])
        try:
            self.trial.faults.kill(self.trial.machine(host), f"guest={domain},")
        except LabError:
            return  # It does not run there.
        self.trial.say(f"The status has {name} stopped on {host}")
