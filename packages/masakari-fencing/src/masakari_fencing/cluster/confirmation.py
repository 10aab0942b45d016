"""The operator's word that a host is dead, where no device can say so.

A host that loses its power altogether takes its power controller along, and then nothing confirms
a fence. Somebody who stands before it can. Pacemaker takes that word for a fence, and so does the
proof of each recovery; so it is taken only about a host that nobody reaches.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from masakari_fencing import witnesses
from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import cibadmin, crm_mon, remote_nodes, stonith_admin, tools

RECORD_TIME = 15.0
"""Seconds in which the cluster records what it was told: milliseconds, mostly."""


class Refused(Exception):  # noqa: N818 - a decision, not an accident
    """The host may live, or nobody waits for that word; the text says why."""


def confirm(
    runner: Runner,
    host: str,
    *,
    reachable: remote_nodes.Reachable = remote_nodes.answers,
    reached: Callable[[list[str], str], list[str]] = witnesses.reached,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> float:
    """Tell the cluster that a host is dead.

    Args:
        runner: runs Pacemaker's commands.
        host: its name.
        reachable: whether something accepts connections at an address and port.
        reached: in which networks the other hypervisors reach it.
        sleep: waits for so many seconds.
        clock: seconds, only ever compared with each other.

    Returns:
        when the host counts as fenced, in seconds since the epoch.

    Raises:
        Refused: it is not known to be lost, or somebody reaches it.
        PacemakerError: the cluster does not answer.
        ValueError: `host` cannot be the name of a host.
    """
    tools.check_name(host)
    node = _lost(runner, host)
    known = remote_nodes.addresses(cibadmin.configuration(runner))
    address = known.get(node, (node, remote_nodes.PORT))
    if reachable(*address):
        raise Refused(f"its pacemaker_remote accepts connections at {address[0]}: it is on")
    if networks := reached(remote_nodes.others_of(known, node), node):
        raise Refused(f"other hypervisors reach it ({', '.join(networks)}): it is on")
    # All that has taken its time.
    node = _lost(runner, host)
    stonith_admin.confirm(runner, node)
    end = clock() + RECORD_TIME
    while (fenced := cibadmin.remote_record(runner, node).fenced) is None:
        if clock() >= end:
            raise tools.PacemakerError(f"the cluster has not recorded that {node} is off")
        sleep(0.2)
    return fenced


def _lost(runner: Runner, host: str) -> str:
    """Return the name of the node that the cluster has lost."""
    status = crm_mon.status(runner)
    if not status.quorum:
        raise Refused("this unit's part of the cluster has no quorum: use a unit that has")
    nodes = [node for node in status.named(host) if node.kind == "remote"]
    if len(nodes) != 1:
        known = ", ".join(node.name for node in status.remotes) or "none"
        raise Refused(f"the cluster has no hypervisor of that name; it has: {known}")
    node, connection = nodes[0], status.connection(nodes[0].name)
    if connection is None or connection.stopped_on_purpose or node.maintenance:
        raise Refused("its connection to the cluster was stopped on purpose: it is not lost")
    if connection.live or (node.online and not node.unclean):
        raise Refused("the cluster is connected to it: it is not dead")
    if not node.unclean and cibadmin.remote_record(runner, node.name).fenced is not None:
        raise Refused("it is fenced already, and its recovery waits for nobody's word")
    return node.name
