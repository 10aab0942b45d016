"""Strikes engines that are dead out of the records of recoveries.

The notifier on its own machine knows whether an engine lives, should systemd not have struck it
out as it ended (see `masakari_fencing.workflow.ended`). Where the machine is gone from the
cluster, the first member in order strikes it out: at once where the machine is the hypervisor
that was fenced.
"""

from __future__ import annotations

import logging
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field

from masakari_fencing import processes
from masakari_fencing.notifier.watchers.watcher import Since, Watcher
from masakari_fencing.pacemaker import cibadmin, crm_mon, machines
from masakari_fencing.records import recoveries

LOG = logging.getLogger(__name__)

GRACE = 20.0
"""Seconds for which a machine must be gone before its recoveries go to others. An engine looks
for quorum before each instance, and gives up a request after as long (`REQUEST_TIMEOUT`)."""


@dataclass
class DeadEngines(Watcher):
    """Strikes dead engines out of the records.

    Attributes:
        configuration: returns the cluster's.
        lives: whether a process of this machine lives; None for another machine's.
        clock: seconds, only ever compared with each other.
    """

    configuration: Callable[[], ET.Element]
    lives: Callable[[str], bool | None] = processes.lives
    clock: Callable[[], float] = time.monotonic
    _gone: Since = field(init=False)

    def __post_init__(self) -> None:
        self._gone = Since(self.clock)

    def check(self) -> list[str]:
        """Strike out those that are dead.

        Returns:
            the hosts whose recoveries they carried out.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        struck = []
        for host in recoveries.strike_out(self.runner, self.configuration(), self._dead):
            LOG.info("The engine that recovered %s is dead", host)
            struck.append(host)
        return struck

    def _dead(self, engine: str) -> bool:
        here = self.lives(engine)
        if here is not None:
            return not here
        machine = processes.machine(engine)
        status = crm_mon.status(self.runner)
        online = [node for node in status.nodes if node.kind == "member" and node.online]
        if any(_same(node.name, machine) for node in online) or not status.quorum:
            self._gone.forget(engine)
            return False
        gone = self._gone.seconds(engine)
        return self.controls(status) and (gone >= GRACE or self._fenced(status, machine))

    def _fenced(self, status: crm_mon.Status, unit: str) -> bool:
        """Whether the machine that carries a unit was fenced, and is not back."""
        cib = cibadmin.cib(self.runner)
        carriers = machines.recorded(cib)
        carrier = next((m for node, m in carriers.items() if _same(node, unit)), None)
        return carrier is not None and any(
            cibadmin.remote_record(self.runner, name).fenced is not None
            for name in [node.name for node in status.remotes]
            if carriers.get(name) == carrier
        )


def _same(first: str, second: str) -> bool:
    """Whether two names are of the same machine, with or without a domain."""
    return first.split(".")[0].lower() == second.split(".")[0].lower()
