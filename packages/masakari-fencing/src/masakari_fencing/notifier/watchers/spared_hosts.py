"""Takes hypervisors back that Pacemaker is not connected to, and that answer again.

One that is lost, and need not be fenced, stays unclean: Pacemaker wants to fence it for as long as
it exists, be it that its power controller is away, or that the witnesses object. Once its
pacemaker_remote answers again, nothing is left to fence it for, if it has been running all the
time: its instances have, too. One that was started anew in between has lost its instances, and is
fenced, which begins their recovery; unless Masakari does not look after it (`unserved_hosts`), or
an operator has disarmed its part of the cloud.

One that was fenced Pacemaker tries to connect to once in `reconnect_interval` only, since an
attempt on one that is off holds everything else up. Until then its fence is on record, whatever it
does. So it is connected to as soon as it answers: from then on its fence proves nothing.
"""

from __future__ import annotations

import logging
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from masakari_fencing.commands import Runner
from masakari_fencing.notifier.watchers.watcher import RANK_DELAY, RankDelay
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
        seen: when each was seen connected last, in seconds since the epoch, as far as known.
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
    seen: Mapping[str, float]
    up_for: Callable[[str], float]
    reachable: Callable[[str, int], bool] = answers
    readmit: Callable[..., list[str]] = readmission.readmit
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    _rank_delay: RankDelay = field(init=False)
    _pauses: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Until when each that was taken back in vain is left alone, and how long that is."""

    def __post_init__(self) -> None:
        self._rank_delay = RankDelay(self.clock, self.rank, RANK_DELAY)

    def check(self) -> list[str]:
        """Take back every hypervisor that can be.

        Returns:
            those that were lost, and are connected again.

        Raises:
            PacemakerError: the cluster does not answer, or refused.
        """
        lost, fenced = self._candidates()
        self._rank_delay.keep([*lost, *fenced])
        for name in filter(self._rank_delay.mine, fenced):
            readmission.connect(self.runner, name)
            self._postpone(name)
        ready = list(filter(self._rank_delay.mine, lost))
        if not ready:
            return []
        back = self.readmit(self.runner, only=ready)
        for name in ready:
            if name in back:
                LOG.info("%s is back, unfenced", name)
            else:
                pause = self._postpone(name)
                LOG.warning("%s answers, but is not connected to; again in %g s", name, pause)
        return back

    def _postpone(self, name: str) -> float:
        """Leave one alone for some time, which is returned."""
        _, last = self._pauses.get(name, (0.0, PAUSE / 2))
        pause = min(2 * last, PAUSE_MAX)
        self._pauses[name] = (self.clock() + pause, pause)
        return pause

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

    def _candidates(self) -> tuple[list[str], list[str]]:
        """Return those that answer again: lost and not to be fenced, and fenced."""
        status = self.status()
        waiting = [node.name for node in status.remotes if node.unclean or _is_off(status, node)]
        self._pauses = {name: kept for name, kept in self._pauses.items() if name in waiting}
        waiting = [n for n in waiting if self.clock() >= self._pauses.get(n, (0.0, 0.0))[0]]
        configuration = self.configuration() if waiting else ET.Element("configuration")
        known = remote_nodes.addresses(configuration)
        there = remote_nodes.answering(known, waiting, self.reachable)
        unclean = {node.name for node in status.remotes if node.unclean}
        lost = [
            name
            for name in there
            if name in unclean
            and not storage_fences.counts(configuration, name)
            and (
                properties.reason(configuration, name)
                or disarmed.withheld(configuration, name, self.now())
                or self._lives(name, status, unknown=False)
            )
        ]
        fenced = [
            name
            for name in there
            if name not in unclean and cibadmin.remote_record(self.runner, name).fenced is not None
        ]
        return lost, fenced

    def _lives(self, name: str, status: crm_mon.Status, *, unknown: bool) -> bool:
        """Whether one has been running since before Pacemaker lost it, by its nova-compute."""
        # The latest failure may be that of an attempt to connect to it again.
        known = [when for when in (status.lost_at(name), self.seen.get(name)) if when is not None]
        away = self.now() - min(known, default=0.0)
        try:
            return self.up_for(name) > away + UPTIME_MARGIN
        except ApiError:
            return unknown


def _is_off(status: crm_mon.Status, node: crm_mon.Node) -> bool:
    """Whether Pacemaker is not connected to one, and does nothing about it now."""
    connection = status.connection(node.name)
    return (
        connection is not None
        and connection.role == "Stopped"
        and not connection.stopped_on_purpose
        and not status.being_fenced(node)
    )
