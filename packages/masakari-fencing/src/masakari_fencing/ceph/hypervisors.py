"""Which addresses a hypervisor has, and what it keeps on Ceph, as it has recorded that itself.

It writes that into an attribute of its node in the cluster (`pacemaker-remote` does); so it
is known when it is dead, and to every member.
"""

from __future__ import annotations

import ipaddress
import json
import xml.etree.ElementTree as ET
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from masakari_fencing.pacemaker import cibadmin

ATTRIBUTE = "instance-ha-storage"
"""Node attribute: JSON with the fields of `Hypervisor`, without the node."""


class UnknownError(Exception):
    """It is not known for certain which clients of Ceph are a hypervisor's; the text says why."""


@dataclass(frozen=True)
class Hypervisor:
    """A hypervisor as a client of Ceph.

    Attributes:
        node: its name in the cluster.
        addresses: all its addresses that others may see.
        sources: those from which it reaches Ceph's monitors.
        monitors: the addresses of these monitors.
        images: Nova keeps the disks of its instances there (`images_type = rbd`).
        boot: stands for the boot during which this was recorded.
    """

    node: str
    addresses: tuple[str, ...]
    sources: tuple[str, ...] = ()
    monitors: tuple[str, ...] = ()
    images: bool = False
    boot: str = ""


def recorded(cib: ET.Element) -> dict[str, Hypervisor]:
    """Return the hypervisors that have recorded it, by their nodes; unreadable ones are left out.

    Args:
        cib: the cluster's information base.
    """
    found = {}
    for name, value in cibadmin.node_attributes(cib, ATTRIBUTE):
        hypervisor = _parse(name, value)
        if hypervisor is not None:
            found[name] = hypervisor
    return found


def clients(
    known: dict[str, Hypervisor], node: str, monitors: Collection[str]
) -> tuple[Hypervisor, list[str]]:
    """Return a hypervisor, and the addresses whose clients are its own.

    An address that another one has as well, such as that of libvirt's own bridge, is not among
    them.

    Args:
        known: all hypervisors.
        node: the hypervisor.
        monitors: the addresses of the monitors of the Ceph that is to shut it out.

    Raises:
        UnknownError: its addresses are not known, or not its alone; or it uses another Ceph.
    """
    found = known.get(node)
    if found is None or not found.addresses or not found.monitors:
        raise UnknownError("its addresses in Ceph's network are not known")
    if not set(found.monitors) & set(monitors):
        raise UnknownError(f"it uses another Ceph (monitors {', '.join(found.monitors)})")
    if not found.sources:
        raise UnknownError("it has no way to Ceph's monitors")
    others = {
        address: other.node
        for other in known.values()
        if other.node != node
        for address in (*other.addresses, *other.sources)
    }
    shared = sorted(set(found.sources) & set(others))
    if shared:
        raise UnknownError(f"{others[shared[0]]} has its address {shared[0]}, too")
    return found, sorted({*found.addresses, *found.sources} - set(others))


def _parse(node: str, text: str) -> Hypervisor | None:
    try:
        data = json.loads(text)
        return Hypervisor(
            node=node,
            addresses=_addresses(data["addresses"]),
            sources=_addresses(data["sources"]),
            monitors=_addresses(data["monitors"]),
            images=data["images"] is True,
            boot=str(data["boot"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _addresses(found: Any) -> tuple[str, ...]:
    return tuple(str(ipaddress.ip_address(str(item))) for item in found)
