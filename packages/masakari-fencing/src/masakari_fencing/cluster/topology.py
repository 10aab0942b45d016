"""Puts the guard before the devices that fence the hypervisors, in the fencing topology."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable

from masakari_fencing.maas import access
from masakari_fencing.pacemaker import machines
from masakari_fencing.pacemaker.fencing_limit import AGENT, FencingLimit

MAAS_AGENT = "external/maas"

TIMEOUT = 90
"""Seconds that Pacemaker gives a guard that switches the power itself; its default is 60. More
than `fence_agent.agent.POWER_TIMEOUT`, so that the agent itself says why the power is not off."""


AT_ONCE = 8
"""How many nodes a guard fences side by side on one member; by default one. Those behind them
begin within the time that Pacemaker gives each (`TIMEOUT`, and a fifth more)."""


def elements(
    cib: ET.Element,
    prefix: str,
    limit: FencingLimit,
    remotes: Iterable[str],
    members: Iterable[str],
    *,
    storage: str = "off",
    kdump: int = 0,
    access_file: str = "",
) -> list[tuple[str, ET.Element]]:
    """Return what the configuration must contain for a guard.

    Each MAAS device gets a guard of its own, which switches through it and is then the only
    device of the level; before other devices, the guard only guards. A hypervisor whose machine
    carries a member has its own guards, which that member cannot use: it would die in the middle
    of the fencing, and nobody would hear of the result.

    With `kdump`, a guard alone is the first level of each, which waits for so many seconds for the
    word of a hypervisor that panics.

    With `access_file`, the guards that switch power take the key from there (see `maas.access`).

    A level is there before the hypervisor: Pacemaker decides to fence one that hacluster is just
    adding, whose name may be in the list of a device already.

    Returns:
        sections and elements: the guards, where they may run, and a level for each hypervisor
        that a device can fence.
    """
    devices = _devices(cib, prefix)
    every = sorted(members)
    remotes = [*remotes, *_expected(devices, [*remotes, *every])]
    carried = _carried(cib, every)
    able: dict[tuple[str, str], list[str]] = {}
    waiting: dict[str, list[str]] = {}
    levels = []
    for remote in sorted(remotes):
        found = [name for name, (_, hosts) in devices.items() if remote.lower() in hosts]
        suffix = f"-{remote}" if carried.get(remote) else ""
        if found and kdump:
            own = f"{prefix}guard-by-kdump{suffix}"
            waiting.setdefault(own, []).append(remote)
            levels.append(("fencing-topology", _level(prefix, remote, 1, own)))
        for index, device in enumerate(found, start=2 if kdump else 1):
            own = f"{prefix}guard-{device}{suffix}"
            able.setdefault((device, own), []).append(remote)
            maas = devices[device][0] == MAAS_AGENT
            names = own if maas else f"{own},{device}"
            levels.append(("fencing-topology", _level(prefix, remote, index, names)))
    guards = {own: (hosts, {"kdump": str(kdump)}) for own, hosts in waiting.items()}
    for (device, own), hosts in able.items():
        maas = devices[device][0] == MAAS_AGENT
        guards[own] = (hosts, {"device": device if maas else "", "storage": storage})
        if maas and access_file:
            guards[own][1][access.PARAMETER] = access_file
    result = []
    for own, (hosts, values) in guards.items():
        result.append(("resources", _primitive(own, limit, hosts, values)))
        banned = carried.get(hosts[0], set())
        for member in every:
            score = "-INFINITY" if member in banned else "0"
            place = {"id": f"{own}-on-{member}", "rsc": own, "node": member, "score": score}
            result.append(("constraints", ET.Element("rsc_location", place)))
    return [*result, *levels]


def fences_members(cib: ET.Element, prefix: str, members: Iterable[str]) -> bool:
    """Whether a device can switch the power of a member, which then is no container."""
    known = {name.lower() for name in members}
    return any(known & set(hosts) for _, hosts in _devices(cib, prefix).values())


def _expected(devices: dict[str, tuple[str, dict[str, str]]], known: list[str]) -> list[str]:
    """Return the hosts of the devices that are no nodes, nor another way to name one."""
    names = {name.lower() for name in known}
    labels = {name.partition(".")[0] for name in names}
    listed = {lower: name for _, hosts in devices.values() for lower, name in hosts.items()}
    return sorted(
        name
        for lower, name in listed.items()
        if lower not in names
        and not ("." not in lower and lower in labels)
        and lower.partition(".")[0] not in names
    )


def _carried(cib: ET.Element, members: list[str]) -> dict[str, set[str]]:
    """Return the members on each hypervisor's machine, unless these are all that there are."""
    carriers = machines.recorded(cib)
    found = {
        node: {member for member in members if carriers.get(member) == machine}
        for node, machine in carriers.items()
    }
    return {node: there for node, there in found.items() if there < set(members)}


def _level(prefix: str, remote: str, index: int, devices: str) -> ET.Element:
    level = {"id": f"{prefix}level-{index}-{remote}", "target": remote, "index": str(index)}
    return ET.Element("fencing-level", {**level, "devices": devices})


def _primitive(
    own: str, limit: FencingLimit, hosts: list[str], own_values: dict[str, str]
) -> ET.Element:
    primitive = ET.Element("primitive", {"id": own, "class": "stonith", "type": AGENT})
    block = ET.SubElement(primitive, "instance_attributes", {"id": f"{own}-parameters"})
    values = {
        "max_hosts": str(limit.max_hosts),
        "max_share": str(limit.max_share),
        "window": str(limit.window),
        "matrix": "true" if limit.matrix else "false",
        **own_values,
        "pcmk_host_check": "static-list",
        "pcmk_host_list": " ".join(hosts),
        # Else the fencer begins it a second time, for which less is seen: what was lost is in
        # touch since before that. Its request is what counts; whoever made it makes another.
        **{f"pcmk_{action}_retries": "1" for action in ("off", "reboot")},
    }
    if own_values.get("device") or "kdump" in own_values:
        seconds = TIMEOUT + int(own_values.get("kdump", 0))
        values |= {f"pcmk_{action}_timeout": f"{seconds}s" for action in ("off", "reboot")}
    if "kdump" not in own_values:
        # One whose power controller is slow holds up no other.
        values["pcmk_action_limit"] = str(AT_ONCE)
    for name, value in values.items():
        pair = {"id": f"{own}-{name}", "name": name, "value": value}
        ET.SubElement(block, "nvpair", pair)
    return primitive


def _devices(cib: ET.Element, prefix: str) -> dict[str, tuple[str, dict[str, str]]]:
    """Return the agent of each device that switches power, and its hosts, by lower-case names."""
    found = {}
    for primitive in cib.iterfind("configuration/resources//primitive[@class='stonith']"):
        name, agent = primitive.get("id", ""), primitive.get("type", "")
        if agent == "null" or name.startswith(prefix):
            continue
        hosts = ""
        for pair in primitive.iterfind("instance_attributes/nvpair"):
            if pair.get("name") in ("hostnames", "hostlist", "pcmk_host_list"):
                hosts = f"{hosts} {pair.get('value', '')}"
        listed = hosts.replace(",", " ").replace(";", " ").split()
        found[name] = (agent, {host.lower(): host for host in listed})
    return found
