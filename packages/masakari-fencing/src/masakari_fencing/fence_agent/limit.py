"""Stops a mass power-off before the power is cut.

When many hypervisors vanish at once, a switch has died, not the hosts, and Pacemaker would
power-cycle them all with every instance on them. So this fence agent stands before the power: it
counts how many hypervisors are lost at this moment, and refuses above a limit. Failure domains may
have limits of their own; which they are the notifiers have written into the cluster.

It does not wait for Pacemaker to notice all of them: it tries to reach the others by itself, so
that the first request already sees the whole extent. Nothing is kept between two requests, but
since when a lost one answers again (`comebacks`); each member comes to the same result.
"""

from __future__ import annotations

import math
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field

from masakari_fencing import witnesses
from masakari_fencing.commands import Runner
from masakari_fencing.fence_agent.comebacks import Comebacks
from masakari_fencing.fence_agent.fencing_lock import FencingLock, TakenError
from masakari_fencing.pacemaker import cibadmin, crm_mon, crm_node, fenceable, fencing_limit
from masakari_fencing.pacemaker.fencing_limit import FencingLimit, lost, recorded_fences
from masakari_fencing.pacemaker.properties import ALLOW, HOLD, to_come, until
from masakari_fencing.pacemaker.readmission import HOLD_TIME
from masakari_fencing.pacemaker.remote_nodes import (
    PORT,
    Reachable,
    addresses,
    answering,
    answers,
    answers_soon,
    others_of,
)
from masakari_fencing.records import disarmed, recoveries, storage_fences
from masakari_fencing.records.disarmed import Left
from masakari_fencing.records.recovery import going_on

RETURNING = 20.0
"""Seconds since it was lost for which a hypervisor that answers is not fenced: the notifiers look
meanwhile whether it has been running all the time, and take it back (`spared_hosts`)."""

BACK = 60.0
"""The same for one that was away for longer, since it answers: its nova-compute, which says how
long it has been running, tries its broker again after up to 30 s."""


class Spared(Exception):  # noqa: N818 - nothing is wrong
    """This hypervisor must not be fenced now; that says nothing about others."""


@dataclass(frozen=True)
class Probes:
    """What the guard finds out by itself, without the cluster.

    Attributes:
        reachable: whether a daemon answers at an address and port.
        returned: whether the hypervisor's does, which is mostly dead.
        comebacks: remembers since when it does.
        objection: why the other hypervisors object, if they do.
        clock: seconds since the epoch.
    """

    reachable: Reachable = answers
    returned: Reachable = answers_soon
    comebacks: Comebacks = field(default_factory=Comebacks)
    objection: Callable[[list[str], str], str | None] = witnesses.objection
    clock: Callable[[], float] = time.time


_PROBES = Probes()


def check(
    runner: Runner,
    target: str,
    limit: FencingLimit,
    *,
    begun: float = math.inf,
    lock: FencingLock | None = None,
    probes: Probes = _PROBES,
) -> str | None:
    """Decide whether a hypervisor may be fenced now.

    Args:
        runner: runs Pacemaker's commands.
        target: the hypervisor.
        limit: how many may be lost.
        begun: since when it is being fenced, in seconds since the epoch.
        lock: taken where two members might switch off each other's machine.
        probes: what it finds out by itself.

    Returns:
        None when it may, else why the guard stops fencing here.

    Raises:
        Spared: this one must not be fenced.
        PacemakerError: the cluster does not answer. Then nothing may be fenced.
    """
    status = crm_mon.status(runner)
    if not (status.quorum and crm_node.has_quorum(runner)):
        # Pacemaker fences even so what it counts as connected; the others may have it, too.
        raise Spared("this part of the cluster has no quorum")
    total = len(status.remotes)
    most = limit.most(total)
    cib, now = cibadmin.cib(runner), probes.clock()
    _heed_operator(runner, status, cib, target, now)
    if not status.asked_for(target) and (text := fenceable.obstacle(cib, target)):
        raise Spared(text)
    if to_come(cib, f"{HOLD}{target}", now, HOLD_TIME):
        raise Spared("it is being readmitted")
    known = addresses(cib)
    # What runs on one that is cut off from its storage can never go on: it has to be started anew.
    cut_off = storage_fences.counts(cib, target)
    if not cut_off:
        if _in_touch(status, cib, target, begun):
            raise Spared("the cluster is in touch with it again")
        there = not status.works(target) and probes.returned(*known.get(target, (target, PORT)))
        _heed_return(status, target, probes.comebacks, now, there=there)
    if until(cib, ALLOW) > now:
        _take(lock, status, cib, target)
        return None
    disputable = limit.matrix and not cut_off and not status.works(target)
    if disputable and (text := probes.objection(others_of(known, target), target)):
        return text

    domains, recovered = fencing_limit.domains(cib), going_on(recoveries.all_of(cib), now)
    narrow = [d.nodes for d in domains if target in d.nodes and d.most < len(d.nodes)]
    counted = frozenset[str]().union(*narrow)

    def unreachable(names: list[str]) -> list[str]:
        # Nobody is asked whom no limit counts.
        asked = [name for name in names if most < total or name in counted]
        there = answering(known, asked, probes.reachable)
        return [name for name in asked if name not in there]

    gone = lost(
        status,
        recorded_fences(cib),
        unreachable,
        target=target,
        window=limit.window,
        now=now,
    )
    gone = disarmed.counting(status, cib, gone, target, limit.window, now)
    text = fencing_limit.exceeded(limit, total, gone, domains, target, recovered)
    if text is None:
        _take(lock, status, cib, target)
    return text


def _take(lock: FencingLock | None, status: crm_mon.Status, cib: ET.Element, target: str) -> None:
    """Take the lock, if there is one, and it is needed.

    Raises:
        Spared: another has it.
        PacemakerError: the cluster does not answer.
    """
    try:
        if lock is not None:
            lock.take(status, cib, target)
    except TakenError:
        raise Spared("another host that carries a member of the cluster is being fenced") from None


def _heed_return(
    status: crm_mon.Status, target: str, comebacks: Comebacks, now: float, *, there: bool
) -> None:
    """Refuse one that has not been back for long.

    Raises:
        Spared: it has not.
    """
    if not there:
        comebacks.forget(target)
        return
    lost, back = status.lost_at(target) or 0.0, comebacks.since(target, now)
    if abs(now - lost) < RETURNING:
        raise Spared("it was lost a moment ago, and answers again")
    if not status.asked_for(target) and abs(back - lost) > RETURNING and now - back < BACK:
        raise Spared("it answers again, after it was lost for long")


def _in_touch(status: crm_mon.Status, cib: ET.Element, node: str, begun: float) -> bool:
    """Whether the cluster talks to a node that was lost when its fencing was decided on.

    One that it talks to all the time is fenced because somebody asked for it, who has reasons.
    """
    operations = cib.iterfind(f"status//lrm_resource[@id='{node}']/lrm_rsc_op")
    connected = cibadmin.connected_at(operations) or 0.0
    # Its time is cut off to whole seconds.
    return status.works(node) and (not status.asked_for(node) or connected > begun - 1)


def _heed_operator(
    runner: Runner, status: crm_mon.Status, cib: ET.Element, target: str, now: float
) -> None:
    """Refuse what is disarmed, whoever asks, and what failed then until somebody asks for it.

    Raises:
        Spared: it is not to be fenced.
        PacemakerError: the cluster does not answer.
    """
    if (pause := disarmed.in_force(cib, target, now)) is not None:
        if not status.works(target):
            # Pacemaker will want it fenced when the work is over, too.
            disarmed.leave(runner, cib, Left(target, now))
        raise Spared(str(pause))
    if not status.asked_for(target) and (text := disarmed.withheld(cib, target, now)):
        raise Spared(text)
