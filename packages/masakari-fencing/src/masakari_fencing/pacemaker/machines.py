"""Which machine carries a node of the cluster, as the charms record it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Collection

from masakari_fencing.pacemaker import cibadmin
from masakari_fencing.pacemaker.crm_mon import Status

ATTRIBUTE = "juju-machine"
"""Node attribute with the Juju machine that carries the node."""


def recorded(cib: ET.Element) -> dict[str, str]:
    """Return the machine of each node that has it recorded; a container's is its host."""
    values = cibadmin.node_attributes(cib, ATTRIBUTE)
    return {node: value.split("/")[0] for node, value in values if value}


def members_with(status: Status, cib: ET.Element, node: str) -> set[str]:
    """Return the members of the cluster that live on the machine of a node, up or not.

    Args:
        status: the cluster.
        cib: its information base, or its configuration.
        node: the node's name, in whatever case.
    """
    known = recorded(cib)
    homes = {machine for name, machine in known.items() if name.lower() == node.lower()}
    members = {one.name for one in status.nodes if one.kind == "member"}
    return {name for name in members if known.get(name) in homes}


def quorum_without(status: Status, gone: Collection[str]) -> bool:
    """Whether the cluster would have quorum without these members.

    Of two, one is enough (`two_node` of votequorum, which charm-hacluster sets for two).
    """
    members = [node for node in status.nodes if node.kind == "member"]
    left = [node for node in members if node.online and node.name not in gone]
    return 2 * len(left) > len(members) or (len(members) == 2 and bool(left))
