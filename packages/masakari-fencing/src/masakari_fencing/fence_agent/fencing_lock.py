"""Keeps two members from switching off each other's machine, each in the middle of it.

Members of the cluster may live on the hypervisors' machines. Where two of these are lost at once,
and their members are not, Pacemaker has the one member fence the other's hypervisor: both go off,
nobody is left to switch them on, and the cluster is without quorum. So a member that lives on a
hypervisor takes this lock before it fences another that carries a living one: a property of the
cluster, which only one can create. Once the power is off it keeps it: the member there is
gone in some seconds, and back after a boot, and with another one's the cluster might be without
quorum. Before a device that is not MAAS, the guard is an agent of its
own, which gives it back before that device cuts the power.
"""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import cibadmin, crm_mon, crm_node, machines, tools
from masakari_fencing.pacemaker.properties import to_come, value

LOCK = "masakari-fencing-turn"
"""Cluster property: until this time, in seconds since the epoch, somebody has it."""

OF = "masakari-fencing-turn-of"
"""The same: the hypervisor that is fenced, or was."""

LASTS = 90.0
"""Seconds after which the lock of one that has died is free; as long as a fence may take."""


class TakenError(Exception):
    """Another member has the lock."""


@dataclass
class FencingLock:
    """One fence's.

    Attributes:
        runner: runs Pacemaker's commands.
        clock: seconds since the epoch.
    """

    runner: Runner
    clock: Callable[[], float] = time.time
    _value: str = field(default="", init=False)

    def take(self, status: crm_mon.Status, cib: ET.Element, target: str) -> None:
        """Take it, where it is needed.

        Args:
            status: the cluster.
            cib: its information base.
            target: the hypervisor that is to be fenced.

        Raises:
            TakenError: another has it.
            NoQuorum: this member was cut off from the others meanwhile.
            PacemakerError: the cluster does not answer.
        """
        if self._value or not self._needed(status, cib, target):
            return
        if to_come(cib, LOCK, self.clock(), LASTS):
            if value(cib, OF) == target:
                return  # It was back too soon, say: who is there goes once more.
            raise TakenError
        if over := value(cib, LOCK):
            self._delete(over)
        mine = f"{self.clock() + LASTS:.6f}"
        pair = ET.Element("cluster_property_set", {"id": LOCK})
        ET.SubElement(pair, "nvpair", {"id": f"{LOCK}-end", "name": LOCK, "value": mine})
        ET.SubElement(pair, "nvpair", {"id": OF, "name": OF, "value": target})
        if not cibadmin.create(self.runner, pair):
            raise TakenError
        self._value = mine
        if not crm_node.has_quorum(self.runner):
            # Cut off just now: its own copy took it, and says only seconds later what is so.
            raise cibadmin.NoQuorum("this part of the cluster has lost its quorum")

    def keep(self) -> None:
        """Have nobody take it before its time is over: the power is off."""
        self._value = ""

    def give_back(self) -> None:
        """Leave it to the next; a cluster that does not answer does so when its time is over."""
        with suppress(tools.PacemakerError):
            if self._value:
                self._delete(self._value)
        self._value = ""

    def _needed(self, status: crm_mon.Status, cib: ET.Element, target: str) -> bool:
        """Whether a member on the target's machine may be about to fence this one's.

        Be it that this one's is not lost yet: it may be before the power is off.
        """
        carried = machines.members_with(status, cib, target)
        online = {node.name for node in status.nodes if node.kind == "member" and node.online}
        if not carried & online:
            return False
        known = machines.recorded(cib)
        home = known.get(crm_node.local_name(self.runner))
        homes = {known.get(node.name) for node in status.remotes if node.name != target}
        return home is not None and home in homes

    def _delete(self, mine: str) -> None:
        path = f"//cluster_property_set[@id='{LOCK}'][nvpair[@value='{mine}']]"
        cibadmin.delete(self.runner, path, timeout=15)
