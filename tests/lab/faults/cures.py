"""What the charm's status tells an operator to do while hosts are recovered, done as it says."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from jujulab.cloud.connection import CloudError
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
        """Stop each instance where its evacuation broke off; Nova cannot, as it does not know.

        What does not answer just now is asked the next time.
        """
        named = set(self._named()) - self._stopped
        if not named:
            return
        try:
            servers = {one["id"]: one for one in self.trial.guests.find(PREFIX).values()}
        except CloudError:
            return
        for uuid, host in named:
            if uuid in servers:
                self._stop(servers[uuid], host)
                self._stopped.add((uuid, host))

    def _named(self) -> Iterator[tuple[str, str]]:
        for member in self.trial.cluster.members:
            # One may be lost, or be booting.
            with contextlib.suppress(LabError):
                if member.container.running:
                    said = member.run(["sh", "-c", f"cat {REFUSALS}/*.json"], check=False)
                    yield from to_be_stopped(said.stdout)

    def _stop(self, server: dict[str, Any], host: str) -> None:
        try:
            domain = server["OS-EXT-SRV-ATTR:instance_name"]
            self.trial.faults.kill(self.trial.machine(host), f"guest={domain},")
        except LabError:
            return  # It does not run there.
        self.trial.say(f"The status has {server['name']} stopped on {host}")
