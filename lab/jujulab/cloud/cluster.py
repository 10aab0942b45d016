"""The Pacemaker cluster of the masakari units, asked on whichever member can answer."""

import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from datetime import datetime
from functools import cached_property

from jujulab.cloud.console import Console, machines_of
from jujulab.errors import LabError
from jujulab.machines.lab import Lab, Machine

_REMOTE = "ocf:pacemaker:remote"
_ADDRESS = "ocf:heartbeat:IPaddr2"
_CONFIRMED = frozenset({"off", "reboot"})


class Cluster:
    """What the cluster says about itself, and who in it has which role.

    That no member answers is a LabError.
    """

    def __init__(self, lab: Lab, console: Console) -> None:
        self._lab = lab
        self._console = console

    @cached_property
    def members(self) -> list[Machine]:
        """The machines of the masakari units."""
        machines = machines_of(self._console.status(), "masakari")
        return [self._lab.machine(machine) for machine in machines.values()]

    def answering(self) -> Machine | None:
        """Return a member that no fault keeps from answering for the whole cluster."""
        return next(self._able(), None)

    def _able(self) -> Iterator[Machine]:
        """Yield the members that no fault keeps from answering."""
        return (m for m in self.members if m.state == "on" and not m.frozen and not m.cuts)

    def look(self) -> ElementTree.Element:
        """Return what `crm_mon --output-as=xml --inactive` prints where there is a quorum.

        Without one anywhere, what the first member says. One that has just booted knows little.
        """
        return self._looks()[0]

    def _looks(self) -> list[ElementTree.Element]:
        """Return what all members say that can answer, those with a quorum first."""
        found, trouble = [], "no member of the cluster can answer"
        for member in self._able():
            try:
                reply = member.run(["crm_mon", "--output-as=xml", "--inactive"], timeout=20)
                found.append(ElementTree.fromstring(reply.stdout))  # noqa: S314 - our own member
            except (subprocess.SubprocessError, ElementTree.ParseError) as error:
                trouble = f"{member.hostname} has no answer: {error}"
        if not found:
            raise LabError(trouble)
        return sorted(found, key=lambda root: not _has_quorum(root))

    def controller(self) -> Machine:
        """Return the member that is the designated controller."""
        return self._machine(self.look().find("summary/current_dc"), "a controller")

    def watcher(self, node: str) -> Machine:
        """Return the member that holds the connection to a remote node."""
        path = f".//resource[@id='{node}']/node"
        return self._machine(self.look().find(path), f"a connection to {node}")

    def address_holder(self) -> Machine:
        """Return the member that holds the API's virtual addresses."""
        addresses = (r for r in self.look().iter("resource") if _agent(r) == _ADDRESS)
        holders = (address.find("node") for address in addresses)
        return self._machine(next(holders, None), "a virtual address")

    def leader(self) -> Machine:
        """Return the machine of the masakari unit that is Juju's leader."""
        units = self._console.status()["applications"]["masakari"]["units"].values()
        for unit in units:
            if unit.get("leader"):
                return self._lab.machine(str(unit["machine"]))
        raise LabError("masakari has no leader")

    def _machine(self, element: ElementTree.Element | None, what: str) -> Machine:
        if element is None:
            raise LabError(f"the cluster has not {what}")
        return self._lab.find(element.get("name", ""))

    def fences(self, since: float) -> list[tuple[str, float]]:
        """Return the confirmed fencings of remote nodes since a time, in epoch seconds.

        All members are asked: one that has booted in the meantime remembers none.

        Returns:
            node and time; Pacemaker's times are whole seconds, cut off.
        """
        roots = self._looks()
        remotes = {n.get("name") for n in roots[0].iterfind("nodes/node[@type='remote']")}
        found = set()
        for event in (event for root in roots for event in root.iter("fence_event")):
            confirmed = event.get("status") == "success" and event.get("action") in _CONFIRMED
            if confirmed and event.get("target") in remotes:
                text = event.get("completed", "").replace("Z", "+00:00").replace(" +", "+")
                completed = datetime.fromisoformat(text).timestamp()
                if completed >= int(since):
                    found.add((event.get("target", ""), completed))
        return sorted(found)

    def unsettled(self) -> str:
        """Return why the cluster is not whole and at rest; empty when it is."""
        if any(member.state == "off" for member in self.members):
            return "a member is off"
        try:
            roots = self._looks()
        except LabError as error:
            return str(error)
        if len(roots) < len(self.members):
            return "a member has no answer"
        if not all(map(_has_quorum, roots)):
            return "no quorum"
        root = roots[0]
        for node in root.iterfind("nodes/node"):
            if node.get("online") != "true" or node.get("unclean") == "true":
                return f"{node.get('name')} is not online"
        for resource in root.iter("resource"):
            if _agent(resource) in (_REMOTE, _ADDRESS):
                started = resource.get("role") == "Started" and resource.get("failed") != "true"
                if not started or resource.get("managed") != "true":
                    return f"{resource.get('id')} is {resource.get('role')}"
        return ""


def _has_quorum(root: ElementTree.Element) -> bool:
    controller = root.find("summary/current_dc")
    return controller is not None and controller.get("with_quorum") == "true"


def _agent(resource: ElementTree.Element) -> str:
    """Return a resource's agent; before Pacemaker 2.1 with a double colon."""
    return resource.get("resource_agent", "").replace("::", ":")
