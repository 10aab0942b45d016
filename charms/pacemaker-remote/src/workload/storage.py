"""What this hypervisor keeps on Ceph, and from which addresses it does so.

The cluster has to know that once the hypervisor is dead: where it is to be cut off from its
storage, all clients of Ceph behind its addresses are shut out, and taken back when it shows that
it was started anew. What is read here is `Hypervisor` in `masakari_fencing.ceph.hypervisors`.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator
from typing import Any

from instance_ha_common.machine import nova
from instance_ha_common.machine.host import Host

ATTRIBUTE = "instance-ha-storage"
"""Node attribute in the cluster that holds it, as JSON."""

CEPH_CONF = "/etc/ceph/ceph.conf"
_BOOT = "/proc/sys/kernel/random/boot_id"
_MON_HOST = re.compile(r"^\s*mon[ _-]host\s*=\s*(.+)$", re.MULTILINE)
_IPV4_OR_6 = re.compile(r"\d+(?:\.\d+){3}|[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:]*")


def found(host: Host) -> str:
    """What there is to know; empty where Nova has no Ceph here."""
    libvirt = {key: value for key, (value, _) in nova.section(host, "libvirt").items()}
    images = libvirt.get("images_type", "").lower() == "rbd"
    own = libvirt.get("images_rbd_ceph_conf", "") if images else ""
    monitors = list(_monitors(host.read(own or CEPH_CONF) or ""))
    if not monitors:
        return ""
    content = {
        "addresses": sorted(_addresses(host)),
        "sources": sorted({source for monitor in monitors for source in _source(host, monitor)}),
        "monitors": sorted(monitors),
        "images": images,
        "boot": (host.read(_BOOT) or "").strip(),
    }
    return json.dumps(content, separators=(",", ":"), sort_keys=True)


def _monitors(text: str) -> Iterator[str]:
    """Yield the monitors' addresses, in any of the forms that `mon host` may have.

    Such as `10.0.0.1 10.0.0.2:6789` or `[v2:[fd00::1]:3300/0,v1:[fd00::1]:6789/0]`; names are left
    out, because whoever reads this compares addresses.
    """
    words = (word for line in _MON_HOST.findall(text) for word in _IPV4_OR_6.findall(line))
    yield from dict.fromkeys(filter(None, map(_address, words)))


def _addresses(host: Host) -> Iterator[str]:
    """Yield the addresses that others may see."""
    for interface in _ask(host, ["ip", "-json", "address"]):
        for entry in interface.get("addr_info") or ():
            address = _address(str(entry.get("local", "")))
            if entry.get("scope") == "global" and address:
                yield address


def _source(host: Host, monitor: str) -> Iterator[str]:
    """Yield the address from which a monitor is reached."""
    for route in _ask(host, ["ip", "-json", "route", "get", monitor]):
        if address := _address(str(route.get("prefsrc", ""))):
            yield address


def _ask(host: Host, argv: list[str]) -> list[dict[str, Any]]:
    try:
        answer = json.loads(host.runner.run(argv, timeout=10, check=False).stdout or "[]")
    except ValueError:
        return []
    return [item for item in answer if isinstance(item, dict)] if isinstance(answer, list) else []


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
