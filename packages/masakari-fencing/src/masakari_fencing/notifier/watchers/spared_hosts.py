"""Takes hypervisors back that Pacemaker has lost, and that need not be fenced.

Such a hypervisor stays unclean: Pacemaker wants to fence it for as long as it exists, be it that
its power controller is away, or that the witnesses object. Once its pacemaker_remote answers
again, nothing is left to fence it for, if it has been running all the time: its instances have,
too. One that was started anew in between has lost its instances, and is fenced, which begins their
recovery; unless Masakari does not look after it (`unserved_hosts`), or an operator has disarmed
its part of the cloud.
"""

from __future__ import annotations

import logging
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field

from masakari_fencing.commands import Runner
from masakari_fencing.notifier.watchers.watcher import RANK_DELAY, Turns
from masakari_fencing.openstack.rest import ApiError
from masakari_fencing.pacemaker import cibadmin, crm_mon, properties, readmission, remote_nodes
from masakari_fencing.pacemaker.remote_nodes import answers
from masakari_fencing.records import disarmed, storage_fences

LOG = logging.getLogger(__name__)

PAUSE = 60.0
"""Seconds before one is tried again that was taken back in vain: its pacemaker_remote accepts
connections and does not answer, say. Each further time it is twice as long."""

PAUSE_MAX = 900.0

UPTIME_MARGIN = 120.0
"""Seconds by which it must be up for longer than it is lost: it is told to the minute, and a loss
takes Pacemaker some seconds to notice."""


@dataclass
class SparedHosts:
    """Looks for such hypervisors.

    Attributes:
        runner: runs Pacemaker's commands.
        configuration: returns the cluster's, as it was a moment ago.
        status: returns what the cluster shows, likewise.
        rank: this member's place among the members; the first acts at once.
        up_for: for how many seconds a hypervisor is up; see `NovaApi.up_for`.
        reachable: whether a daemon answers.
        readmit: takes hypervisors back.
        clock: seconds, only ever compared with each other.
        now: seconds since the epoch.
    """

    runner: Runner
    configuration: Callable[[], ET.Element]
    status: Callable[[], crm_mon.Status]
    rank: Callable[[str], int | None]
    up_for: Callable[[str], float]
    reachable: Callable[[str, int], bool] = answers
    readmit: Callable[..., list[str]] = readmission.readmit
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    _turns: Turns = field(init=False)
    _pauses: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Until when each that was taken back in vain is left alone, and how long that is."""

    def __post_init__(self) -> None:
        self._turns = Turns(self.clock, self.rank, RANK_DELAY)

    def check(self) -> list[str]:
        """Take back every hypervisor that can be.

        Returns:
            those that are connected again.

        Raises:
            PacemakerError: the cluster does not answer, or refused.
        """
        ready = [name for name in self._candidates() if self._turns.mine(name)]
        if not ready:
            return []
        back = self.readmit(self.runner, only=ready)
        for name in ready:
            if name in back:
                LOG.info("%s is back, unfenced", name)
            else:
                self._postpone(name)
        return back

    def _postpone(self, name: str) -> None:
        _, last = self._pauses.get(name, (0.0, PAUSE / 2))
        pause = min(2 * last, PAUSE_MAX)
        self._pauses[name] = (self.clock() + pause, pause)
        LOG.warning("%s answers, but no connection comes about; again in %g s", name, pause)

    def spares(self, name: str) -> bool:
        """Whether a lost hypervisor is not to be fenced now, by whoever can choose.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        configuration = cibadmin.configuration(self.runner)
        if storage_fences.counts(configuration, name):
            return False
        known = remote_nodes.addresses(configuration)
        if not self.reachable(*known.get(name, (name, remote_nodes.PORT))):
            return False
        # Where Nova does not answer, nothing of it could be recovered.
        return self._lives(name, crm_mon.status(self.runner), unknown=True)

    def _candidates(self) -> list[str]:
        """Return the lost hypervisors that answer again and are not to be fenced."""
        status = self.status()
        lost = [node.name for node in status.remotes if node.unclean]
        self._pauses = {name: kept for name, kept in self._pauses.items() if name in lost}
        lost = [name for name in lost if self.clock() >= self._pauses.get(name, (0.0, 0.0))[0]]
        configuration = self.configuration() if lost else ET.Element("configuration")
        lost = [name for name in lost if not storage_fences.counts(configuration, name)]
        there = remote_nodes.answering(remote_nodes.addresses(configuration), lost, self.reachable)
        found = [
            name
            for name in there
            if properties.reason(configuration, name)
            or disarmed.withheld(configuration, name, self.now())
            or self._lives(name, status, unknown=False)
        ]
        self._turns.keep(found)
        return found

    def _lives(self, name: str, status: crm_mon.Status, *, unknown: bool) -> bool:
        """Whether one has been running since before Pacemaker lost it, by its nova-compute."""
        lost = status.lost_at(name)
        try:
            return lost is not None and self.up_for(name) > self.now() - lost + UPTIME_MARGIN
        except ApiError:
            return unknown
