"""Has hypervisors fenced that Pacemaker lost and did not fence.

After `stonith-max-attempts` failures, 10 by default, Pacemaker does not try again until something
else happens in the cluster. Where the power controller is away, that is a matter of seconds; when
it is back, the hypervisor would stay unfenced, and its guests down, for an unknown time.

It also forgets a fencing that it has decided on: where a hypervisor dies together with the member
that watched it, the others try to connect in turn, and the last failure schedules the fencing,
behind the stop of the connection. If the transition is aborted between the two, the stopped
connection looks clean (seen with 2.1.5), and nothing happens until the next attempt to reconnect.
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
"""Seconds without an attempt after which Pacemaker is taken to have given up. Its own attempts
follow each other at once."""

FORGOTTEN = 2.0
"""Seconds for which a connection must have been lost, without a fencing, to be forgotten. What
Pacemaker has decided it begins at once."""

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
    _failed: dict[str, float] = field(default_factory=dict)
    _lost: dict[str, float] = field(default_factory=dict)

    def look(self) -> list[str]:
        """Have fenced what should be.

        Returns:
            the nodes that were fenced now.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        self._name = self._name or pacemaker.local_name(self.runner)
        status = pacemaker.status(self.runner)
        if status.dc != self._name or not status.quorum or not status.stonith_enabled:
            self._lost.clear()
            return []
        remotes = [node for node in status.nodes if node.kind == "remote"]
        due = [node.name for node in remotes if self._is_due(status, node)]
        return [name for name in due if self._fence(name)]

    def _is_due(self, status: pacemaker.Status, node: pacemaker.Node) -> bool:
        events = status.fencing_of(node.name)
        pending = any(event.status == "pending" for event in events)
        if node.maintenance or status.maintenance_mode or pending:
            self._lost.pop(node.name, None)
            return False
        if node.unclean:
            ended = [event.completed for event in events if event.completed is not None]
            return bool(ended) and self.clock() - max(ended) >= INTERVAL
        if not self._is_forgotten(status, node):
            self._lost.pop(node.name, None)
            return False
        since = self._lost.setdefault(node.name, self.clock())
        return self.clock() - since >= FORGOTTEN

    def _is_forgotten(self, status: pacemaker.Status, node: pacemaker.Node) -> bool:
        """Whether its connection failed for good, and neither an operator nor a fence did it."""
        connection = status.connection(node.name)
        if connection is None or node.online or connection.stopped_on_purpose:
            return False
        # Not `connection.failed`: the stop after the last failure succeeded.
        failed = f"{node.name}_start_0" in status.failed_operations
        if connection.role != "Stopped" or not failed:
            return False
        return pacemaker.remote_record(self.runner, node.name).fenced is None

    def _fence(self, node: str) -> bool:
        last = self._failed.get(node)
        if last is not None and self.clock() - last < INTERVAL:
            return False
        try:
            pacemaker.fence(self.runner, node, timeout=TIMEOUT)
        except pacemaker.PacemakerError as error:
            if last is None:
                LOG.warning("%s cannot be fenced; it is tried again and again: %s", node, error)
            self._failed[node] = self.clock()
            return False
        self._failed.pop(node, None)
        self._lost.pop(node, None)
        LOG.info("%s is fenced; Pacemaker had lost it and left it at that", node)
        return True
