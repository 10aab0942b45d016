"""Takes lost hypervisors back into the cluster, unfenced."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Collection
from dataclasses import dataclass

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import cibadmin, crm_mon, tools
from masakari_fencing.pacemaker.properties import HOLD
from masakari_fencing.pacemaker.remote_nodes import (
    Reachable,
    addresses,
    answering,
    answers,
)

HOLD_TIME = 60.0
"""Seconds for which a readmission holds a fencing at most, after its last progress. Others that
answer have as long to be taken back as well: their nova-compute, which says whether they have been
running all the time, tries its broker again after up to 30 s."""


def readmit(
    runner: Runner,
    *,
    only: Collection[str] | None = None,
    but: Collection[str] = (),
    reachable: Reachable = answers,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Take back, unfenced, the hypervisors that answer again: only the network had died.

    Meanwhile the guard lets none of them be fenced: Pacemaker would go on fencing the first of
    them as soon as the others no longer count as lost. Nor, for `HOLD_TIME`, any other that
    answers: after a switch has died, one after the other is known to have been running, and the
    last of them are few enough for the limit.

    Args:
        runner: runs Pacemaker's commands.
        only: take back only these; None for all.
        but: not these, which have to be fenced even so.
        reachable: whether something accepts connections at an address and port.
        clock: seconds since the epoch.
        sleep: waits for so many seconds.

    Returns:
        the hypervisors that are connected again.

    Raises:
        PacemakerError: the cluster does not answer.
    """
    cib = cibadmin.cib(runner)
    known = addresses(cib)
    lost = {node.name for node in crm_mon.status(runner).remotes if node.unclean} - set(but)
    waiting = sorted(lost if only is None else lost & set(only))
    if not waiting:
        return []
    there = answering(known, sorted(lost), reachable)
    found = [name for name in there if name in waiting]
    if not found:
        return []
    hold = _Hold(runner, clock, waiting, [name for name in there if name not in waiting])
    try:
        for name in found:
            hold.renew()
            connect(runner, name)
        back: list[str] = []
        while True:
            status = crm_mon.status(runner)
            before, back = back, [name for name in found if status.works(name)]
            if len(back) > len(before):
                hold.renew()
            if back == found or hold.ending:
                return back
            sleep(0.5)
    finally:
        hold.end()


def connect(runner: Runner, node: str) -> None:
    """Have Pacemaker try to connect to a remote node at once, be it that it was fenced.

    It leaves a connection that has failed alone until `reconnect_interval` is over, or until the
    failure is cleaned up (`action_fail_reset_remote`, lib/pengine/unpack.c of Pacemaker 2.1). What
    was fenced is not fenced again where that attempt fails.

    Raises:
        PacemakerError: the cluster does not answer, or refused.
    """
    tools.run(runner, ["crm_resource", "--resource", node, "--cleanup"], timeout=60)


@dataclass
class _Hold:
    """For as long as this is renewed, and some time longer, these hypervisors are not fenced.

    The cluster connects to one after the other, so how long it takes depends on how many there
    are: what counts is that it goes on.

    Attributes:
        nodes: those that are taken back; they are let go in the end.
        others: those that are left to others, which let them go, or to the time.
    """

    runner: Runner
    clock: Callable[[], float]
    nodes: Collection[str]
    others: Collection[str]
    until: float = 0.0

    def renew(self) -> None:
        """Something was achieved: there is more time again."""
        if self.until >= self.clock() + HOLD_TIME / 2:
            return
        self.until = self.clock() + HOLD_TIME
        config = ET.Element("crm_config")
        own = ET.SubElement(config, "cluster_property_set", {"id": f"{HOLD}set"})
        for node in (*self.nodes, *self.others):
            name = f"{HOLD}{node}"
            pair = {"id": name, "name": name, "value": f"{self.until:.0f}"}
            ET.SubElement(own, "nvpair", pair)
        cibadmin.put(self.runner, config)

    @property
    def ending(self) -> bool:
        """Nothing was achieved for too long."""
        return self.clock() >= self.until - 2

    def end(self) -> None:
        """Let Pacemaker fence them again."""
        for node in self.nodes:
            cibadmin.delete(self.runner, f"//nvpair[@id='{HOLD}{node}']")
