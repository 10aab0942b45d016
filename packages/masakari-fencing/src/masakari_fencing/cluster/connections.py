"""How the cluster watches its connections to the hypervisors, and which members may hold them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass

from masakari_fencing.cluster.plan import PREFIX, Plan, identifier, members_of, remotes_of
from masakari_fencing.pacemaker import machines

PREFERENCE = 1000
"""Score of a member on another machine: more than hacluster's 200 and the stickiness of 100. The
member on the same machine stays allowed, for when it is the only one left."""


@dataclass(frozen=True)
class Tuning:
    """How soon the loss of a hypervisor is noticed. All in seconds.

    Attributes:
        monitor_interval: between two looks at a connection.
        monitor_timeout: without an answer, after which the host is lost, and fenced.
        start_timeout: for one attempt to connect. Where the member that held the connection is
            lost too, every other one tries this long before the host is fenced.
        reconnect_interval: before a new attempt to connect to a fenced host.
    """

    monitor_interval: int = 5
    monitor_timeout: int = 5
    start_timeout: int = 5
    reconnect_interval: int = 60

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1 s, not {value}")


HACLUSTER = Tuning(monitor_interval=30, monitor_timeout=20, start_timeout=20)
"""What hacluster and Pacemaker's defaults amount to."""


def tune(plan: Plan, primitive: ET.Element, tuning: Tuning, *, create: bool = True) -> None:
    """Set the operations and the reconnect interval of one connection.

    Without `create`, only what is there already and not ours is set.
    """
    name = identifier(primitive)
    change = ET.Element("primitive", {"id": name})
    operations = ET.Element("operations")
    wanted = {
        "monitor": {
            "interval": f"{tuning.monitor_interval}s",
            "timeout": f"{tuning.monitor_timeout}s",
        },
        "start": {"interval": "0s", "timeout": f"{tuning.start_timeout}s"},
    }
    for action, values in wanted.items():
        found = primitive.find(f"operations/op[@name='{action}']")
        if not create and (found is None or identifier(found).startswith(PREFIX)):
            continue
        if found is None:
            own = {"id": f"{PREFIX}{action}-{name}", "name": action, **values}
            ET.SubElement(operations, "op", own)
        elif any(
            found.get(key, None if create else value) != value for key, value in values.items()
        ):
            ET.SubElement(operations, "op", {"id": identifier(found), "name": action, **values})
    attributes = _reconnect(primitive, tuning.reconnect_interval, create=create)
    if attributes is not None:
        change.append(attributes)
    if len(operations):
        change.append(operations)
    if len(change):
        plan.section("resources").append(change)
        plan.changes.append(f"connection to {name}: {_words(tuning)}")


def untune(plan: Plan, primitive: ET.Element) -> None:
    """Give one connection the values again with which hacluster created it."""
    tune(plan, primitive, HACLUSTER, create=False)
    for tag in ("op", "nvpair"):
        for element in primitive.iter(tag):
            if identifier(element).startswith(PREFIX):
                plan.delete(tag, "id", identifier(element))


def _reconnect(primitive: ET.Element, seconds: int, *, create: bool) -> ET.Element | None:
    """Return the change of the parameter reconnect_interval, which does not restart anything."""
    path = "instance_attributes/nvpair[@name='reconnect_interval']"
    found = primitive.find(path)
    if found is not None and found.get("value") in (str(seconds), f"{seconds}s"):
        return None
    if not create and (found is None or identifier(found).startswith(PREFIX)):
        return None
    block = primitive.find("instance_attributes")
    if block is None:
        return None
    change = ET.Element("instance_attributes", {"id": identifier(block)})
    own = f"{PREFIX}reconnect-{identifier(primitive)}"
    pair = {"id": own if found is None else identifier(found)}
    ET.SubElement(change, "nvpair", {**pair, "name": "reconnect_interval", "value": str(seconds)})
    return change


def _words(tuning: Tuning) -> str:
    return (
        f"monitored every {tuning.monitor_interval} s for {tuning.monitor_timeout} s, "
        f"connected within {tuning.start_timeout} s, again after {tuning.reconnect_interval} s"
    )


def placement(plan: Plan, wanted: bool) -> set[str]:
    """Prefer members on other machines, where a member shares a hypervisor's machine.

    Returns:
        the ids of the constraints that stay.
    """
    carriers = machines.recorded(plan.cib)
    members = members_of(plan.cib)
    keep: set[str] = set()
    for primitive in remotes_of(plan.cib) if wanted else []:
        remote = identifier(primitive)
        machine = carriers.get(remote)
        if machine is None or machine not in [carriers.get(member) for member in members]:
            continue
        for member in members:
            if carriers.get(member) in (None, machine):
                continue
            own = f"{PREFIX}apart-{remote}-{member}"
            keep.add(own)
            location = {"id": own, "rsc": remote, "node": member, "score": str(PREFERENCE)}
            element = ET.Element("rsc_location", location)
            plan.want("constraints", element, f"{remote} is rather watched by {member}")
    return keep


def discovery(plan: Plan) -> set[str]:
    """Have Pacemaker not look on the hypervisors for what cannot run there.

    It looks for every resource on a node that it has just connected to, allowed there or not. If
    the node is lost at that moment, the look counts as failed, so as if the resource might run
    there, and has to be stopped there first: the loss of the node is never dealt with (seen with
    2.1.5: no fence, and an error of the scheduler for each transition).

    Returns:
        the ids of the constraints that stay.
    """
    option = plan.cib.find("configuration/crm_config//nvpair[@name='symmetric-cluster']")
    if option is None or option.get("value", "").lower() != "false":
        return set()  # resources may run on the hypervisors
    constraints = plan.cib.findall("configuration/constraints/rsc_location")
    allowed = {
        (place.get("rsc"), place.get("node"))
        for place in constraints
        if not identifier(place).startswith(PREFIX)
    }
    remotes = [identifier(primitive) for primitive in remotes_of(plan.cib)]
    keep = set()
    for resource in plan.cib.findall("configuration/resources/*"):
        name = identifier(resource)
        if name in remotes or resource.get("class") == "stonith" or name.startswith(PREFIX):
            continue
        for remote in remotes:
            if (name, remote) in allowed:
                continue
            own = f"{PREFIX}none-{name}-{remote}"
            keep.add(own)
            place = {"id": own, "rsc": name, "node": remote, "score": "-INFINITY"}
            element = ET.Element("rsc_location", {**place, "resource-discovery": "never"})
            plan.want("constraints", element, f"{name} is not looked for on {remote}")
    return keep
