"""Which machine carries a node of the cluster, as the charms record it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

ATTRIBUTE = "juju-machine"
"""Node attribute with the Juju machine that carries the node."""


def recorded(cib: ET.Element) -> dict[str, str]:
    """Return the machine of each node that has it recorded; a container's is its host."""
    found = {}
    for node in cib.iterfind("configuration/nodes/node"):
        pair = node.find(f"instance_attributes/nvpair[@name='{ATTRIBUTE}']")
        value = "" if pair is None else pair.get("value", "")
        if value:
            found[node.get("uname", "") or node.get("id", "")] = value.split("/")[0]
    return found
