"""Has hypervisors fenced that Pacemaker lost and did not fence.

After `stonith-max-attempts` failures, 10 by default, Pacemaker does not try again until something
else happens in the cluster. Where the power controller is away, that is a matter of seconds; when
it is back, the hypervisor would stay unfenced, and its instances down, for an unknown time.

It also forgets a fencing that it has decided on: where a hypervisor dies together with the member
that watched it, the others try to connect in turn, and the last failure schedules the fencing,
behind the stop of the connection. If the transition is aborted between the two, the stopped
connection looks clean (seen with 2.1.5), and nothing happens until the next attempt to reconnect.

Nor is there a reason to let the others try in turn, each for as long as an attempt may take, when
the first of them has failed: the hypervisor is as dead as the member on its machine.
"""

from __future__ import annotations

import logging
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field

from masakari_fencing import times
from masakari_fencing.notifier.watchers.watcher import Since, Watcher
from masakari_fencing.pacemaker import (
    cibadmin,
    crm_mon,
    fenceable,
    machines,
    remote_nodes,
    stonith_admin,
    tools,
)
from masakari_fencing.pacemaker.remote_nodes import PORT, answers
from masakari_fencing.records import disarmed

LOG = logging.getLogger(__name__)

INTERVAL = 10.0
"""Seconds without an attempt, of a host that is unclean all the time, after which Pacemaker is
taken to have given up. It begins at once, and its attempts follow each other at once."""

SKEW = 60.0
"""Seconds by which the clocks of two members may be off."""

FORGOTTEN = 2.0
"""Seconds for which a connection must have been lost, without a fencing, to be forgotten. What
Pacemaker has decided it begins at once."""

DOUBTFUL = 10.0
"""Seconds for which it must have been lost where its machine still accepts connections, or where
nobody here has seen it connected: Pacemaker may only be slow."""

IDLE = 3.0
"""Seconds between two looks of a member that is not the first in order, and could become it."""

BLIND = 20.0
"""Seconds without a look after which nobody here knows when a node was connected last."""

STOOD = 10.0
"""Seconds since the look after which nothing is fenced for what was seen: only a machine that
stood still takes so long."""

TIMEOUT = 100.0
"""Seconds for one attempt: a slow power controller gets all the time that the agent has."""

AT_ONCE = 8
"""How many are fenced side by side."""


def aside(work: Callable[[], None]) -> None:
    """Do something while others go on: one power controller that is slow holds up no other."""
    threading.Thread(target=work, daemon=True).start()


@dataclass
class UnfencedHosts(Watcher):
    """Looks for hypervisors that still have to be fenced; only the first member in order does.

    Attributes:
        reachable: whether something accepts connections at an address and port.
        clock: seconds since the epoch, compared with Pacemaker's alone: it may be set.
        timer: seconds by a clock that nobody sets.
        start: has something done, which it need not wait for.
        spares: whether a node is not to be fenced now; see `SparedHosts.spares`.
        seen: when each node was seen connected last, in seconds since the epoch; kept here for
            others, too.
    """

    spares: Callable[[str], bool]
    reachable: Callable[[str, int], bool] = answers
    clock: Callable[[], float] = time.time
    timer: Callable[[], float] = times.uptime
    start: Callable[[Callable[[], None]], None] = aside
    seen: dict[str, float] = field(default_factory=dict)
    _looked: float = 0.0
    _idle_until: float = 0.0
    _failed: dict[str, float] = field(default_factory=dict)
    _fenced: dict[str, float] = field(default_factory=dict)
    _lost: Since = field(init=False)
    _unclean: Since = field(init=False)
    _running: set[str] = field(default_factory=set)
    _done: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lost = Since(self.timer)
        self._unclean = Since(self.timer)

    def check(self) -> list[str]:
        """Have fenced what should be.

        Returns:
            the nodes that were fenced since the last look.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        if self.timer() < self._idle_until:
            return []
        status = crm_mon.status(self.runner)
        controls = self.controls(status)
        now = self.clock()
        if not controls and status.quorum:
            self._idle_until = self.timer() + IDLE
        if self.timer() - self._looked > BLIND:
            self.seen.clear()
        self._looked = self.timer()
        for name, moment in self.seen.items():
            # Not after what is to come, where the clock was set back.
            self.seen[name] = min(moment, now)
        remotes = status.remotes
        for node in remotes:
            if status.connected(node.name):
                # By all members: the controller may be the next to go.
                self.seen[node.name] = now
        if not controls or not status.stonith_enabled:
            self._lost.keep(())
            self._unclean.keep(())
            return []
        for node in remotes:
            if node.name not in self._running and self._is_due(status, node):
                self._begin(node.name)
        done, self._done = self._done, []
        return done

    def _is_due(self, status: crm_mon.Status, node: crm_mon.Node) -> bool:
        if not self._is_left(status, node):
            return False
        if node.unclean:
            return True
        lost = self._lost.seconds(node.name)
        patience = self._patience(status, node)
        return patience is not None and lost >= patience

    def _is_left(self, status: crm_mon.Status, node: crm_mon.Node) -> bool:
        """Whether it is lost, and nobody fences it or has fenced it."""
        if node.maintenance or status.maintenance_mode or status.being_fenced(node):
            self._lost.forget(node.name)
            self._unclean.forget(node.name)
            return False
        if node.unclean:
            return self._given_up(status, node.name)
        self._unclean.forget(node.name)
        if not self._failed_to_connect(status, node.name):
            self._lost.forget(node.name)
            return False
        return True

    def _given_up(self, status: crm_mon.Status, name: str) -> bool:
        """Whether Pacemaker does not fence an unclean one, or does so no more.

        It may be busy with another one; what it tried for an earlier loss shows nothing.
        """
        unclean, now = self._unclean.seconds(name), self.clock()
        tried = [event.completed or 0.0 for event in status.fencing_of(name)]
        since = now - max(tried, default=0.0)
        # By a clock that was set back, it is yet to come.
        return unclean >= INTERVAL and (since >= INTERVAL or since < -SKEW)

    def _failed_to_connect(self, status: crm_mon.Status, name: str) -> bool:
        """Whether an attempt has failed since it was lost, and nobody stopped or fenced it."""
        connection = status.connection(name)
        if connection is None or connection.live or connection.stopped_on_purpose:
            return False
        # An older one is no sign: failures stay until they are cleaned up. Its time is cut off.
        begun = self.seen.get(name, 0.0) - 1
        failed = any(
            failure.operation == f"{name}_start_0" and (failure.time or 0.0) >= begun
            for failure in status.failures
        )
        return failed and cibadmin.remote_record(self.runner, name).fenced is None

    def _patience(self, status: crm_mon.Status, node: crm_mon.Node) -> float | None:
        """Return for how many seconds it must have been lost; None: leave it to Pacemaker."""
        cib = cibadmin.cib(self.runner)
        if fenceable.obstacle(cib, node.name):
            return None  # nothing was lost
        address = remote_nodes.addresses(cib).get(node.name, (node.name, PORT))
        doubtful = node.name not in self.seen or self.reachable(*address)
        if not doubtful and _lost_its_member(status, cib, node.name):
            return 0.0
        connection = status.connection(node.name)
        # Not `failed`: the stop after the last failure succeeded.
        if node.online or connection is None or connection.role != "Stopped":
            return None
        return DOUBTFUL if doubtful else FORGOTTEN

    def _begin(self, node: str) -> None:
        """Have one fenced, unless that was tried just now or must not be."""
        last = self._failed.get(node)
        # What was fenced may not be on record, as where this member was cut off just now.
        asked = max(last or -INTERVAL, self._fenced.get(node, -INTERVAL))
        if self.timer() - asked < INTERVAL or len(self._running) >= AT_ONCE:
            return
        cib = cibadmin.cib(self.runner)
        reason = disarmed.withheld(cib, node, self.clock()) or fenceable.obstacle(cib, node)
        if reason is not None:
            if last is None:
                LOG.warning("%s is lost, and not fenced: %s", node, reason)
            self._failed[node] = self.timer()
            return
        self._running.add(node)
        self.start(lambda: self._fence(node))

    def _fence(self, node: str) -> None:
        try:
            if self.spares(node):
                self._failed[node] = self.timer()
                return
            action = stonith_admin.default_action(self.runner)
            # That was no look, so this one is of now. What has passed since the last one may be a
            # minute, and Pacemaker have fenced it; or this member has been cut off, and the others
            # have.
            looked = self.timer()
            status = crm_mon.status(self.runner)
            left = any(self._is_left(status, one) for one in status.named(node))
            if not left or not self.controls(status) or self.timer() - looked > STOOD:
                return
            tag = stonith_admin.NOTIFIERS
            stonith_admin.fence(self.runner, node, action=action, timeout=TIMEOUT, tag=tag)
        except tools.PacemakerError as error:
            if node not in self._failed:
                LOG.warning("%s cannot be fenced; it is tried again and again: %s", node, error)
            self._failed[node] = self.timer()
        else:
            self._failed.pop(node, None)
            self._fenced[node] = self.timer()
            self._lost.forget(node)
            self._done.append(node)
            LOG.info("%s is fenced; Pacemaker had lost it and left it at that", node)
        finally:
            self._running.discard(node)


def _lost_its_member(status: crm_mon.Status, cib: ET.Element, name: str) -> bool:
    """Whether the machine of a hypervisor carries members, all of which are gone."""
    there = machines.members_with(status, cib, name)
    return bool(there) and not any(node.online for node in status.nodes if node.name in there)
