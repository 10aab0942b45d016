"""Puts the guard before the devices that fence the hypervisors, in the fencing topology."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable

from masakari_fencing import machines
from masakari_fencing.guard import Guard

MAAS_AGENT = "external/maas"

TIMEOUT = 90
"""Seconds that Pacemaker gives a guard that switches the power itself; its default is 60. More
than `fenceagent.POWER_TIMEOUT`, so that the agent says by itself why the power is not off."""


def elements(
    cib: ET.Element, prefix: str, guard: Guard, remotes: Iterable[str], members: Iterable[str]
) -> list[tuple[str, ET.Element]]:
    """Return what the configuration must contain for a guard.

    Each MAAS device gets a guard of its own, which switches through it and is then the only
    device of the level; before other devices, the guard only guards. A hypervisor whose machine
    carries a member has its own guards, which that member cannot use: it would die in the middle
    of the fencing, and nobody would hear of the result.

    Returns:
        sections and elements: the guards, where they may run, and a level for each hypervisor
        that a device can fence.
    """
    devices = _devices(cib, prefix)
    every = sorted(members)
    carried = _carried(cib, every)
    able: dict[tuple[str, str], list[str]] = {}
    levels = []
    for remote in sorted(remotes):
        found = [name for name, (_, hosts) in devices.items() if remote.lower() in hosts]
        suffix = f"-{remote}" if carried.get(remote) else ""
        for index, device in enumerate(found, start=1):
            own = f"{prefix}guard-{device}{suffix}"
            able.setdefault((device, own), []).append(remote)
            maas = devices[device][0] == MAAS_AGENT
            level = {
                "id": f"{prefix}level-{index}-{remote}",
                "target": remote,
                "index": str(index),
                "devices": own if maas else f"{own},{device}",
            }
            levels.append(("fencing-topology", ET.Element("fencing-level", level)))
    result = []
    for (device, own), hosts in able.items():
        maas = devices[device][0] == MAAS_AGENT
        result.append(("resources", _primitive(own, guard, hosts, device if maas else "")))
        banned = carried.get(hosts[0], set())
        for member in every:
            score = "-INFINITY" if member in banned else "0"
            place = {"id": f"{own}-on-{member}", "rsc": own, "node": member, "score": score}
            result.append(("constraints", ET.Element("rsc_location", place)))
    return [*result, *levels]


def _carried(cib: ET.Element, members: list[str]) -> dict[str, set[str]]:
    """Return the members on each hypervisor's machine, unless these are all that there are."""
    carriers = machines.recorded(cib)
    found = {
        node: {member for member in members if carriers.get(member) == machine}
        for node, machine in carriers.items()
    }
    return {node: there for node, there in found.items() if there < set(members)}


def _primitive(own: str, guard: Guard, hosts: list[str], device: str) -> ET.Element:
    primitive = ET.Element(
        "primitive", {"id": own, "class": "stonith", "type": "fence_masakari_guard"}
    )
    block = ET.SubElement(primitive, "instance_attributes", {"id": f"{own}-parameters"})
    values = {
        "max_hosts": str(guard.max_hosts),
        "max_share": str(guard.max_share),
        "window": str(guard.window),
        "matrix": "true" if guard.matrix else "false",
        "device": device,
        "pcmk_host_check": "static-list",
        "pcmk_host_list": " ".join(hosts),
    }
    if device:
        values |= {f"pcmk_{action}_timeout": f"{TIMEOUT}s" for action in ("off", "reboot")}
    for name, value in values.items():
        pair = {"id": f"{own}-{name}", "name": name, "value": value}
        ET.SubElement(block, "nvpair", pair)
    return primitive


def _devices(cib: ET.Element, prefix: str) -> dict[str, tuple[str, set[str]]]:
    """Return the agent and the hosts of each device that switches power."""
    found = {}
    for primitive in cib.iterfind("configuration/resources//primitive[@class='stonith']"):
        name, agent = primitive.get("id", ""), primitive.get("type", "")
        if agent == "null" or name.startswith(prefix):
            continue
        hosts = ""
        for pair in primitive.iterfind("instance_attributes/nvpair"):
            if pair.get("name") in ("hostnames", "hostlist", "pcmk_host_list"):
                hosts = f"{hosts} {pair.get('value', '')}"
        found[name] = (agent, set(hosts.lower().replace(",", " ").replace(";", " ").split()))
    return found
