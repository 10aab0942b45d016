"""Which hypervisors Masakari does not look after: their segment is disabled, or they are in none.

What is off is off: Pacemaker is not let fence them, and nobody has them fenced, until somebody
asks for it. The fence agent cannot ask Masakari in the middle of a fencing, so the notifiers keep
a list in the cluster's configuration: every member has it, it outlives each of them, and all judge
alike. It changes only with the segments. While Masakari does not answer, the last word stands:
without Masakari nobody can have changed it. Without any list, all are looked after.
"""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable

from masakari_fencing.commands import Runner
from masakari_fencing.notifier.watchers.watcher import Turns
from masakari_fencing.openstack.masakari_api import Host
from masakari_fencing.pacemaker import crm_mon, tools
from masakari_fencing.pacemaker.properties import (
    IN_DISABLED_SEGMENT,
    IN_NO_SEGMENT,
    UNSERVED,
    unserved,
)

RANK_DELAY = 30.0
"""Seconds that each further member leaves to those before it."""


class UnservedHosts:
    """Keeps the list up to date.

    Args:
        runner: runs Pacemaker's commands.
        configuration: returns the cluster's.
        rank: this member's place among the members; the first acts at once.
        clock: seconds, only ever compared with each other.
    """

    def __init__(
        self,
        runner: Runner,
        configuration: Callable[[], ET.Element],
        rank: Callable[[str], int | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runner = runner
        self._configuration = configuration
        self._turns = Turns(clock, rank, RANK_DELAY)

    def update(self, hosts: Iterable[Host]) -> bool:
        """Have the list say what the segments say now.

        Not while a hypervisor is being fenced, which the change would interrupt. One that this
        very list keeps from being fenced does not count: a segment that was made a moment before
        the disaster would be known when Pacemaker has given up.

        Args:
            hosts: those of all segments.

        Returns:
            whether it was changed.

        Raises:
            PacemakerError: the cluster does not answer, or refused.
        """
        configuration = self._configuration()
        wanted, said = _wanted(configuration, hosts), unserved(configuration)
        if wanted == said:
            self._turns.forget("")
            return False
        if not self._turns.mine(""):
            return False
        status = crm_mon.status(self._runner)
        kept = {node for nodes in said.values() for node in nodes}
        if any(status.being_fenced(node) and node.name not in kept for node in status.nodes):
            return False
        self._write(wanted)
        return True

    def _write(self, wanted: dict[str, list[str]]) -> None:
        config = ET.Element("crm_config")
        own = ET.SubElement(config, "cluster_property_set", {"id": UNSERVED})
        for name, nodes in wanted.items():
            ET.SubElement(own, "nvpair", {"id": name, "name": name, "value": " ".join(nodes)})
        argv = ["cibadmin", "--modify", "--allow-create", "--scope", "crm_config", "--xml-pipe"]
        tools.run(self._runner, argv, timeout=30, text=ET.tostring(config, encoding="unicode"))


def _wanted(configuration: ET.Element, hosts: Iterable[Host]) -> dict[str, list[str]]:
    enabled = {host.name.lower(): host.enabled for host in hosts}
    xpath = ".//resources//primitive[@provider='pacemaker'][@type='remote']"
    nodes = sorted(primitive.get("id", "") for primitive in configuration.iterfind(xpath))
    return {
        IN_DISABLED_SEGMENT: [node for node in nodes if enabled.get(node.lower()) is False],
        IN_NO_SEGMENT: [node for node in nodes if node.lower() not in enabled],
    }
