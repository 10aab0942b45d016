"""How the devices that hacluster made are monitored, and by which members."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator

from masakari_fencing.cluster.plan import PREFIX, Plan, identifier, members_of, remotes_of
from masakari_fencing.pacemaker import machines

DELAY = "25"
"""Seconds: `start-delay` of the devices' monitors, as charm-hacluster writes it."""

PROMPT = "0"

PREFERENCE = "500"
"""Score of a member whose machine carries no hypervisor: more than the stickiness of 100."""


def prompt(plan: Plan) -> None:
    """Have the devices monitored at once after their start.

    When a member is lost that held devices, Pacemaker starts them on another one before it has
    anything fenced. The first monitor of each keeps its slot for as long as it is delayed, and on
    a busy member there is one slot (`throttle.c`): a hypervisor that was lost together with the
    member was fenced after 57 s, 50 of which were two such delays (seen with 2.1.5).
    """
    for device, monitor in _monitors(plan.cib):
        if monitor.get("start-delay", PROMPT) != PROMPT:
            _set(plan, device, monitor, PROMPT, "is monitored as soon as it is started")


def delay(plan: Plan) -> None:
    """Give the devices' monitors hacluster's delay again."""
    for device, monitor in _monitors(plan.cib):
        if monitor.get("start-delay") == PROMPT:
            _set(plan, device, monitor, DELAY, "is monitored with a delay again")


def placement(plan: Plan, wanted: bool) -> set[str]:
    """Prefer members on machines without a hypervisor, where there are some of both kinds.

    A member that is lost together with the hypervisor takes the devices along that are to fence
    it: they are started elsewhere first.

    Returns:
        the ids of the constraints that stay.
    """
    carriers = machines.recorded(plan.cib)
    shared = {carriers.get(identifier(primitive)) for primitive in remotes_of(plan.cib)}
    members = members_of(plan.cib)
    apart = [m for m in members if carriers.get(m) is not None and carriers[m] not in shared]
    keep: set[str] = set()
    if not wanted or len(apart) == len(members):
        return keep
    for device, _ in _monitors(plan.cib):
        for member in apart:
            own = f"{PREFIX}apart-{identifier(device)}-{member}"
            keep.add(own)
            location = {"id": own, "rsc": identifier(device), "node": member, "score": PREFERENCE}
            element = ET.Element("rsc_location", location)
            plan.want("constraints", element, f"{identifier(device)} is rather held by {member}")
    return keep


def _monitors(cib: ET.Element) -> Iterator[tuple[ET.Element, ET.Element]]:
    """Yield hacluster's devices, each with its monitor."""
    for device in cib.iterfind("configuration/resources//primitive[@class='stonith']"):
        if not identifier(device).startswith(PREFIX):
            for monitor in device.iterfind("operations/op[@name='monitor']"):
                yield device, monitor


def _set(plan: Plan, device: ET.Element, monitor: ET.Element, value: str, text: str) -> None:
    change = ET.SubElement(plan.section("resources"), "primitive", {"id": identifier(device)})
    kept = {"id": identifier(monitor), "name": "monitor", "start-delay": value}
    ET.SubElement(ET.SubElement(change, "operations"), "op", kept)
    plan.changes.append(f"{identifier(device)} {text}")
