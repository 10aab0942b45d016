"""Keeps up to date which hypervisors failed while their part of the cloud was disarmed.

The fence agent writes down those that Pacemaker wants to fence, the engines those that are
reported. This sees those that Pacemaker has given up, or forgot (see `unfenced_hosts`), and which
of all of them are back: the cluster is connected to them again, so whatever befalls them from then
on is a failure like any other.
"""

from __future__ import annotations

import logging
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field

from masakari_fencing import times
from masakari_fencing.notifier.watchers.watcher import Since, Watcher
from masakari_fencing.pacemaker import cibadmin, crm_mon
from masakari_fencing.records import disarmed
from masakari_fencing.records.disarmed import Left

LOG = logging.getLogger(__name__)

LOST = 10.0
"""Seconds for which a connection must have been away that Pacemaker does not call unclean: it may
be making it anew."""


@dataclass
class LeftHosts(Watcher):
    """Looks for such hypervisors; only the first member in order does.

    Attributes:
        configuration: returns the cluster's.
        clock: seconds since the epoch.
        timer: seconds by a clock that nobody sets.
    """

    configuration: Callable[[], ET.Element]
    clock: Callable[[], float] = time.time
    timer: Callable[[], float] = times.uptime
    _away: Since = field(init=False)

    def __post_init__(self) -> None:
        self._away = Since(self.timer)

    def check(self) -> list[str]:
        """Write down what has changed.

        Returns:
            the nodes.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        configuration, now = self.configuration(), self.clock()
        left = {entry.node: entry for entry in disarmed.left(configuration)}
        if not left and disarmed.in_force(configuration, None, now) is None:
            self._away.keep(())
            return []
        status = crm_mon.status(self.runner)
        if not self.controls(status):
            self._away.keep(())
            return []
        changed = []
        for node in status.remotes:
            entry = left.get(node.name)
            if entry is not None and not (entry.back or entry.reported):
                if status.works(node.name):
                    disarmed.mark_back(self.runner, entry, now)
                    LOG.info("%s is back, unfenced; it was lost while disarmed", node.name)
                    changed.append(node.name)
            elif disarmed.in_force(configuration, node.name, now) and self._is_lost(status, node):
                disarmed.leave(self.runner, configuration, Left(node.name, now))
                LOG.warning("%s is lost, and left alone: it is disarmed", node.name)
                changed.append(node.name)
        return changed

    def _is_lost(self, status: crm_mon.Status, node: crm_mon.Node) -> bool:
        connection = status.connection(node.name)
        if connection is None or connection.live or connection.stopped_on_purpose:
            self._away.forget(node.name)
            return False
        if node.unclean:
            return True
        if self._away.seconds(node.name) < LOST:
            return False
        return cibadmin.remote_record(self.runner, node.name).fenced is None
