"""What this project needs in the cluster's configuration, applied on top of hacluster's.

hacluster creates each hypervisor's connection once and never changes it again, so these changes
stay. All new elements have ids that begin with `masakari-fencing-`; everything is written in one
transaction, and only where it differs.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field

from masakari_fencing import fenceable, machines, pacemaker, topology
from masakari_fencing.commands import Runner
from masakari_fencing.guard import Guard
from masakari_fencing.pacemaker import PacemakerError

__all__ = ["Desired", "Guard", "Postponed", "Tuning", "apply", "record_machine", "remove"]

PREFIX = "masakari-fencing-"

ALERT_ID = f"{PREFIX}alert"

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


@dataclass(frozen=True)
class Desired:
    """What the configuration must contain.

    Attributes:
        alert_path: the alert agent; None for no alert.
        tuning: of the connections to the hypervisors; None for hacluster's own values.
        separate_machines: prefer connections to be held by members on other machines.
        guard: decides which hypervisors may be fenced, and how many at a time; None for no guard.
        programs: every member has the alert agent and the guard. Else what there is of them in
            the configuration stays as it is: a member cannot start what it does not have.
    """

    alert_path: str | None = None
    tuning: Tuning | None = None
    separate_machines: bool = True
    guard: Guard | None = None
    programs: bool = True


class Postponed(PacemakerError):  # noqa: N818 - nothing is wrong
    """A hypervisor is being fenced, which a change would interrupt."""


@dataclass
class _Plan:
    """Changes on their way into the cluster."""

    cib: ET.Element
    configuration: ET.Element = field(default_factory=lambda: ET.Element("configuration"))
    deletions: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)

    def section(self, name: str) -> ET.Element:
        """Return the section of the change, created on first use."""
        found = self.configuration.find(name)
        return ET.SubElement(self.configuration, name) if found is None else found

    def want(self, section: str, element: ET.Element, change: str) -> None:
        """Have an element of ours exist as given."""
        current = self.cib.find(f"configuration/{section}/*[@id='{element.get('id')}']")
        if current is None or not _contains(current, element):
            self.section(section).append(element)
            self.changes.append(change)

    def drop(self, section: str, tag: str, keep: set[str]) -> None:
        """Delete our elements of a section that are not to be kept."""
        for element in self.cib.findall(f"configuration/{section}/{tag}"):
            name = element.get("id", "")
            if name.startswith(PREFIX) and name not in keep:
                self.delete(tag, "id", name)

    def delete(self, tag: str, attribute: str, value: str) -> None:
        """Delete an element, once."""
        xpath = f"//{tag}[@{attribute}='{value}']"
        if xpath not in self.deletions:
            self.deletions.append(xpath)
            self.changes.append(f"removed {value}")

    def clear(self, tag: str) -> None:
        """Delete everything of ours that is not within something else of ours."""
        configuration = self.cib.find("configuration")
        found = [] if configuration is None else list(_outermost(configuration))
        for element in found:
            if element.tag == tag:
                attribute = "id" if _id(element).startswith(PREFIX) else "name"
                self.delete(tag, attribute, element.get(attribute, ""))


def _outermost(parent: ET.Element) -> Iterator[ET.Element]:
    """Yield what is ours, by its id or, in the cluster's options, by its name; nothing within."""
    for child in parent:
        if _id(child).startswith(PREFIX) or child.get("name", "").startswith(PREFIX):
            yield child
        else:
            yield from _outermost(child)


def apply(runner: Runner, desired: Desired) -> list[str]:
    """Bring the cluster's configuration to what is desired.

    Returns:
        what was changed, one line each; empty when all was as it should be.

    Raises:
        Postponed: there is something to change, and a hypervisor is lost or being fenced: each
            change has Pacemaker abort what it is doing.
        PacemakerError: the cluster did not answer or refused the change.
    """
    plan = _Plan(pacemaker.cib(runner))
    if desired.programs:
        _alert(plan, desired.alert_path)
    for primitive in _remotes(plan.cib):
        if desired.tuning is None:
            _untune(plan, primitive)
        else:
            _tune(plan, primitive, desired.tuning)
    keep = _placement(plan, desired.separate_machines)
    keep |= _guard(plan, desired.guard) if desired.programs else _guards(plan)
    keep |= _discovery(plan)
    _startup(plan, desired.guard)
    # The primitives last: nothing may refer to what is gone.
    plan.drop("fencing-topology", "fencing-level", keep)
    plan.drop("constraints", "rsc_location", keep)
    plan.drop("resources", "primitive", keep)
    if plan.changes:
        _settled(runner, plan.cib)
    return _carry_out(runner, plan)


def remove(runner: Runner) -> list[str]:
    """Take everything of ours out, and give the connections hacluster's values again.

    Returns:
        what was changed.

    Raises:
        PacemakerError: the cluster did not answer or refused the change.
    """
    plan = _Plan(pacemaker.cib(runner))
    for primitive in _remotes(plan.cib):
        _untune(plan, primitive)
    tags = ("alert", "fencing-level", "rsc_location", "cluster_property_set", "nvpair")
    for tag in (*tags, "primitive"):
        # In this order: nothing may refer to what is gone.
        plan.clear(tag)
    return _carry_out(runner, plan)


def record_machine(runner: Runner, node: str, machine: str) -> bool:
    """Record in the cluster which machine a member runs on.

    Args:
        runner: runs the commands.
        node: the member's name in the cluster.
        machine: Juju's machine, such as `1` or `1/lxd/0`.

    Returns:
        whether it was not recorded yet.

    Raises:
        Postponed: it is not, and a hypervisor is lost or being fenced.
        PacemakerError: the cluster did not answer or refused.
        ValueError: `node` cannot be the name of a node.
    """
    pacemaker.check_name(node)
    argv = ["crm_attribute", "--node", node, "--name", machines.ATTRIBUTE]
    answer = runner.run([*argv, "--query", "--quiet"], timeout=15, check=False)
    if answer.returncode == 0 and answer.stdout.strip() == machine:
        return False
    _settled(runner, pacemaker.cib(runner))
    pacemaker.run(runner, [*argv, "--update", machine], timeout=15)
    return True


def _settled(runner: Runner, cib: ET.Element) -> None:
    """Make sure that no hypervisor is being fenced, or should be.

    One that was never connected is no reason to wait: it is not to be fenced, and the change may
    be the very one that tells Pacemaker so.

    Raises:
        Postponed: one is.
    """
    status = pacemaker.status(runner)
    busy = [
        node.name
        for node in status.nodes
        if node.kind == "remote"
        and (
            status.being_fenced(node)
            or (node.unclean and fenceable.connected_once(cib, node.name))
        )
    ]
    if busy:
        raise Postponed(f"The cluster's configuration is left alone until {busy[0]} is fenced")


def _carry_out(runner: Runner, plan: _Plan) -> list[str]:
    if len(plan.configuration):
        argv = ["cibadmin", "--modify", "--allow-create", "--xml-pipe"]
        text = ET.tostring(plan.configuration, encoding="unicode")
        pacemaker.run(runner, argv, timeout=30, text=text)
    for xpath in plan.deletions:
        pacemaker.run(runner, ["cibadmin", "--delete", "--xpath", xpath], timeout=30)
    return plan.changes


def _alert(plan: _Plan, path: str | None) -> None:
    if path is not None:
        alert = ET.Element("alert", {"id": ALERT_ID, "path": path})
        ET.SubElement(ET.SubElement(alert, "select"), "select_fencing")
        plan.want("alerts", alert, f"alert agent {path}")
    plan.drop("alerts", "alert", {ALERT_ID} if path is not None else set())


def _tune(plan: _Plan, primitive: ET.Element, tuning: Tuning, *, create: bool = True) -> None:
    """Set the operations and the reconnect interval of one connection.

    Without `create`, only what is there already and not ours is set.
    """
    name = _id(primitive)
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
        if not create and (found is None or _id(found).startswith(PREFIX)):
            continue
        if found is None:
            own = {"id": f"{PREFIX}{action}-{name}", "name": action, **values}
            ET.SubElement(operations, "op", own)
        elif any(
            found.get(key, None if create else value) != value for key, value in values.items()
        ):
            ET.SubElement(operations, "op", {"id": _id(found), "name": action, **values})
    attributes = _reconnect(primitive, tuning.reconnect_interval, create=create)
    if attributes is not None:
        change.append(attributes)
    if len(operations):
        change.append(operations)
    if len(change):
        plan.section("resources").append(change)
        plan.changes.append(f"connection to {name}: {_words(tuning)}")


def _untune(plan: _Plan, primitive: ET.Element) -> None:
    """Give one connection the values again with which hacluster created it."""
    _tune(plan, primitive, HACLUSTER, create=False)
    for tag in ("op", "nvpair"):
        for element in primitive.iter(tag):
            if _id(element).startswith(PREFIX):
                plan.delete(tag, "id", _id(element))


def _reconnect(primitive: ET.Element, seconds: int, *, create: bool) -> ET.Element | None:
    """Return the change of the parameter reconnect_interval, which does not restart anything."""
    path = "instance_attributes/nvpair[@name='reconnect_interval']"
    found = primitive.find(path)
    if found is not None and found.get("value") in (str(seconds), f"{seconds}s"):
        return None
    if not create and (found is None or _id(found).startswith(PREFIX)):
        return None
    block = primitive.find("instance_attributes")
    if block is None:
        return None
    change = ET.Element("instance_attributes", {"id": _id(block)})
    own = f"{PREFIX}reconnect-{_id(primitive)}"
    pair = {"id": own if found is None else _id(found)}
    ET.SubElement(change, "nvpair", {**pair, "name": "reconnect_interval", "value": str(seconds)})
    return change


def _words(tuning: Tuning) -> str:
    return (
        f"monitored every {tuning.monitor_interval} s for {tuning.monitor_timeout} s, "
        f"connected within {tuning.start_timeout} s, again after {tuning.reconnect_interval} s"
    )


def _guard(plan: _Plan, guard: Guard | None) -> set[str]:
    """Put the guard before the power; return the ids that stay."""
    if guard is None:
        return set()
    remotes = [_id(primitive) for primitive in _remotes(plan.cib)]
    keep = set()
    wanted = topology.elements(plan.cib, PREFIX, guard, remotes, _members(plan.cib))
    for section, element in wanted:
        keep.add(_id(element))
        plan.want(section, element, f"guard: {_id(element)}")
    return keep


def _guards(plan: _Plan) -> set[str]:
    """Return the ids of the guards that there are, and of what belongs to them."""
    ours = (f"{PREFIX}guard-", f"{PREFIX}level-")
    return {_id(element) for element in plan.cib.iter() if _id(element).startswith(ours)}


def _startup(plan: _Plan, guard: Guard | None) -> None:
    """Have Pacemaker not take nodes for dangerous that it has never seen.

    It would fence a hypervisor that hacluster has created and not yet given a member that may
    connect to it, and one whose connection does not come about after all members were restarted
    (seen with 2.1.5: `Fence (reboot) ... 'node is unclean'`, revoked only if the connection can be
    started somewhere). It makes no difference for members that are containers, whose fencing does
    nothing. Where members have power of their own, Pacemaker's way is left as it is, and only the
    guard stands before the hypervisors'.
    """
    own = f"{PREFIX}options"
    if guard is not None and not topology.fences_members(plan.cib, PREFIX, _members(plan.cib)):
        options = ET.Element("cluster_property_set", {"id": own})
        pair = {"id": f"{PREFIX}startup", "name": "startup-fencing", "value": "false"}
        ET.SubElement(options, "nvpair", pair)
        plan.want("crm_config", options, "nodes that were never seen are not fenced")
    elif plan.cib.find(f"configuration/crm_config/*[@id='{own}']") is not None:
        plan.delete("cluster_property_set", "id", own)


def _placement(plan: _Plan, wanted: bool) -> set[str]:
    """Prefer members on other machines, where a member shares a hypervisor's machine.

    Returns:
        the ids of the constraints that stay.
    """
    carriers = machines.recorded(plan.cib)
    members = _members(plan.cib)
    keep: set[str] = set()
    for primitive in _remotes(plan.cib) if wanted else []:
        remote = _id(primitive)
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


def _discovery(plan: _Plan) -> set[str]:
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
        if not _id(place).startswith(PREFIX)
    }
    remotes = [_id(primitive) for primitive in _remotes(plan.cib)]
    keep = set()
    for resource in plan.cib.findall("configuration/resources/*"):
        name = _id(resource)
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


def _members(cib: ET.Element) -> list[str]:
    return [_id_name(node) for node in _nodes(cib) if node.get("type") != "remote"]


def _nodes(cib: ET.Element) -> list[ET.Element]:
    return cib.findall("configuration/nodes/node")


def _id_name(node: ET.Element) -> str:
    return node.get("uname", "") or _id(node)


def _remotes(cib: ET.Element) -> list[ET.Element]:
    return [
        primitive
        for primitive in cib.iterfind("configuration/resources//primitive")
        if primitive.get("provider") == "pacemaker" and primitive.get("type") == "remote"
    ]


def _id(element: ET.Element) -> str:
    return element.get("id", "")


def _contains(current: ET.Element, wanted: ET.Element) -> bool:
    """Whether an element has all attributes and children of another."""
    if any(current.get(key) != value for key, value in wanted.items()):
        return False
    return all(
        any(child.tag == other.tag and _contains(other, child) for other in current)
        for child in wanted
    )
