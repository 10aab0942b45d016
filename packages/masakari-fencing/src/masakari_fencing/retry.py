"""Has hypervisors fenced that Pacemaker has given up on.

After `stonith-max-attempts` failures, 10 by default, Pacemaker does not try again until something
else happens in the cluster. Where the power controller is away, that is a matter of seconds; when
it is back, the hypervisor would stay unfenced, and its guests down, for an unknown time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from masakari_fencing import pacemaker
from masakari_fencing.commands import Runner

LOG = logging.getLogger(__name__)

INTERVAL = 10.0
"""Seconds without an attempt after which Pacemaker is taken to have given up; also the time
between two looks. Its own attempts follow each other at once."""

TIMEOUT = 30.0
"""Seconds for one attempt."""


@dataclass
class Retry:
    """Looks for hypervisors that still have to be fenced; only the cluster's controller does.

    Attributes:
        runner: runs Pacemaker's commands.
        clock: seconds since the epoch.
    """

    runner: Runner
    clock: Callable[[], float] = time.time
    _name: str = ""
    _looked: float = 0.0
    _told: set[str] = field(default_factory=set)

    def look(self) -> list[str]:
        """Try again what Pacemaker has given up.

        Returns:
            the nodes that were fenced now.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        if abs(self.clock() - self._looked) < INTERVAL:
            return []
        self._looked = self.clock()
        self._name = self._name or pacemaker.local_name(self.runner)
        status = pacemaker.status(self.runner)
        given_up = []
        if status.dc == self._name and status.quorum and status.stonith_enabled:
            given_up = [node.name for node in status.nodes if self._is_given_up(status, node)]
        self._told &= set(given_up)
        return [node for node in given_up if self._fence(node)]

    def _is_given_up(self, status: pacemaker.Status, node: pacemaker.Node) -> bool:
        if node.kind != "remote" or not node.unclean or node.maintenance:
            return False
        events = status.fencing_of(node.name)
        if not events or any(event.status == "pending" for event in events):
            return False
        ended = [event.completed for event in events if event.completed is not None]
        return bool(ended) and self.clock() - max(ended) >= INTERVAL

    def _fence(self, node: str) -> bool:
        try:
            pacemaker.fence(self.runner, node, timeout=TIMEOUT)
        except pacemaker.PacemakerError as error:
            if node not in self._told:
                LOG.warning("%s cannot be fenced; it is tried again and again: %s", node, error)
                self._told.add(node)
            return False
        LOG.info("%s is fenced, after Pacemaker had given up", node)
        return True
