"""A small model of Pacemaker with remote nodes: what all parts of it share.

Each rule says where it was seen: in the lab's real Pacemaker 2.1.5 (fixtures of masakari-fencing),
or in the source of that release.
"""

from __future__ import annotations

from typing import Any

from lxml import etree

from simulation.core.kernel import Kernel
from simulation.models.pacemaker.alerts import Alerts
from simulation.models.pacemaker.connections import Connections
from simulation.models.pacemaker.fencing import Fences
from simulation.models.pacemaker.membership import Membership
from simulation.models.pacemaker.records import Event, Member, Remote, machine_of
from simulation.world import World


class Cluster:
    """The cluster, as its majority sees it."""

    def __init__(self, world: World, kernel: Kernel) -> None:
        self.world = world
        self.kernel = kernel
        self.rng = kernel.rng
        self.members: dict[str, Member] = {}
        self.remotes: dict[str, Remote] = {}
        self.history: list[Event] = []
        self.version = 0
        self.edition = 0
        self.ring = 1
        """Of the membership, which is another one for each."""
        self.reconnect_interval = 60.0
        self.fence_delay = (1.0, 4.0)
        self.power_controller = True
        self.lists: set[str] = set()
        self.action = "reboot"
        self.stonith = True
        self.dc = ""
        self.cib: Any = None
        self.fencer: Any = None
        """Makes what runs commands for the fence agent on a member."""
        self.comebacks: Any = None
        """Since when lost nodes answer, as far as the fence agent was asked."""
        self.membership = Membership(self)
        self.connections = Connections(self)
        self.fencing = Fences(self)
        self.alerts = Alerts(self)

    def changed(self) -> None:
        """Something that crm_mon and the CIB's status section show is different."""
        self.version += 1
        self.kernel.changed("status")

    def configured(self) -> None:
        """The CIB's configuration is different."""
        self.edition += 1
        self.kernel.changed("configuration")

    def record_machine(self, remote: Remote) -> None:
        """The pacemaker-remote charm writes the node's machine once it is connected."""
        if self.cib.find(f"configuration/nodes/node[@id='{remote.name}']") is not None:
            return
        nodes = self.cib.find("configuration/nodes")
        node = etree.SubElement(nodes, "node", id=remote.name, uname=remote.name, type="remote")
        block = etree.SubElement(node, "instance_attributes", id=f"nodes-{remote.name}")
        pair = {"id": f"m-{remote.name}", "name": "juju-machine"}
        etree.SubElement(block, "nvpair", pair, value=machine_of(remote.name))
        self.configured()
