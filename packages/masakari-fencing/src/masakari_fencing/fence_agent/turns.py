"""Keeps two members from switching off each other's machine, each in the middle of it.

Members of the cluster may live on the hypervisors' machines. Where two of these are lost at once,
and their members are not, Pacemaker has the one member fence the other's hypervisor: both go off,
nobody is left to switch them on, and the cluster is without quorum. So a member whose own
hypervisor is lost takes its turn before it fences another that carries one: a property of the
cluster, which only one can create.
"""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import crm_mon, crm_node, machines, tools
from masakari_fencing.pacemaker.properties import until

TURN = "masakari-fencing-turn"
"""Cluster property: until this time, in seconds since the epoch, somebody has it."""

LASTS = 90.0
"""Seconds after which the turn of one that has died is over; as long as a fence may take."""


class TakenError(Exception):
    """Another member has the turn."""


@dataclass
class Turn:
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
            PacemakerError: the cluster does not answer.
        """
        if self._value or not self._needed(status, cib, target):
            return
        if (end := until(cib, TURN)) > self.clock():
            raise TakenError
        if end:
            self._delete(_value_of(cib))
        value = f"{self.clock() + LASTS:.6f}"
        pair = ET.Element("cluster_property_set", {"id": TURN})
        ET.SubElement(pair, "nvpair", {"id": f"{TURN}-end", "name": TURN, "value": value})
        argv = ["cibadmin", "--create", "--scope", "crm_config", "--xml-pipe"]
        text = ET.tostring(pair, encoding="unicode")
        answer = self.runner.run(argv, input=text, timeout=15, check=False)
        if answer.returncode == tools.EXISTS:
            raise TakenError
        tools.output(argv, answer)
        self._value = value

    def give_back(self) -> None:
        """Leave it to the next; a cluster that does not answer does so when its time is over."""
        with suppress(tools.PacemakerError):
            if self._value:
                self._delete(self._value)
        self._value = ""

    def _needed(self, status: crm_mon.Status, cib: ET.Element, target: str) -> bool:
        known = machines.recorded(cib)
        members = {node.name for node in status.nodes if node.kind == "member" and node.online}
        carriers = {machine for name, machine in known.items() if name in members}
        lost = {
            node.name
            for node in status.remotes
            if node.unclean and known.get(node.name) in carriers
        }
        if target not in lost or len(lost) == 1:
            return False
        home = known.get(crm_node.local_name(self.runner))
        return any(known[name] == home for name in lost - {target})

    def _delete(self, value: str) -> None:
        path = f"//cluster_property_set[@id='{TURN}'][nvpair[@value='{value}']]"
        tools.run(self.runner, ["cibadmin", "--delete", "--xpath", path], timeout=15)


def _value_of(cib: ET.Element) -> str:
    pair = cib.find(f"configuration/crm_config//nvpair[@name='{TURN}']")
    return "" if pair is None else pair.get("value", "")
