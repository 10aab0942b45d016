"""Which machine carries a node of the cluster, as the charms record it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from masakari_fencing.pacemaker import cibadmin

ATTRIBUTE = "juju-machine"
"""Node attribute with the Juju machine that carries the node."""


def recorded(cib: ET.Element) -> dict[str, str]:
    """Return the machine of each node that has it recorded; a container's is its host."""
    values = cibadmin.node_attributes(cib, ATTRIBUTE)
    return {node: value.split("/")[0] for node, value in values if value}
