"""The cluster at one moment, as `crm_mon` shows it.

What is missing, malformed or of an unknown release is an error, never a guess.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import stonith_admin
from masakari_fencing.pacemaker.tools import (
    PacemakerError,
    check_release,
    parse_result,
    parse_time,
    run,
)

FENCING_ACTIONS = frozenset({"off", "reboot"})
"""Fencing actions that prove that whatever ran on the node has stopped."""

A_HUMAN = "a human"
"""Who has carried out a fencing that somebody confirmed by `stonith_admin --confirm`
(`fenced_handle_manual_confirmation` of pacemaker-fenced 2.1)."""

TIMELESS = re.compile(r"2\.1\.2\b")
"""The release whose fencing history has no times, but seconds since the boot of the member's own
machine (`set_fencing_completed` by CLOCK_MONOTONIC; recorded as `1970-01-01 11:19:28Z`). Ubuntu
22.04 has it. When a fencing ended cannot be told from that."""

REMOTE_AGENT = "ocf:pacemaker:remote"

NOTIFIER = "masakari-fencing-notifier"
"""Attribute of a member whose notifier does not run; see `notifier.presence`."""


@dataclass(frozen=True)
class Node:
    """A node as crm_mon shows it.

    Attributes:
        name: its name in the cluster.
        kind: `member`, `remote` or whatever else Pacemaker calls it.
        online: connected, or (a remote node) being reconnected to right now.
        unclean: must be fenced, and is not yet.
        maintenance: Pacemaker manages nothing on it.
        is_dc: it is the designated controller.
    """

    name: str
    kind: str
    online: bool
    unclean: bool
    maintenance: bool
    is_dc: bool


@dataclass(frozen=True)
class Connection:
    """The resource that is the cluster's connection to a remote node.

    Attributes:
        node: the remote node, which is also the resource's id.
        role: `Started`, `Starting`, `Stopped`, ...
        target_role: what the operator asked for; empty: to run.
        managed: whether Pacemaker looks after it.
        failed: whether its last operation failed.
        member: the cluster member that holds the connection, or empty.
    """

    node: str
    role: str
    target_role: str
    managed: bool
    failed: bool
    member: str

    @property
    def live(self) -> bool:
        """The cluster talks to the node at this moment."""
        return self.role == "Started" and not self.failed

    @property
    def stopped_on_purpose(self) -> bool:
        """Somebody took it out of Pacemaker's hands, for example to restart the daemon."""
        return not self.managed or self.target_role.lower() == "stopped"


@dataclass(frozen=True)
class FenceEvent:
    """An entry of the fencing history.

    Attributes:
        target: node name.
        action: `off`, `reboot` or `on`.
        status: `success`, `failed` or `pending`.
        completed: seconds since the epoch; None while pending or where it cannot be read.
        reason: why it failed, in the fencer's words; often empty.
        client: the process that asked for it, such as `stonith_admin.871`.
        origin: the member on which that ran.
        delegate: the member that carried it out, or `A_HUMAN`.
    """

    target: str
    action: str
    status: str
    completed: float | None
    reason: str
    client: str = ""
    origin: str = ""
    delegate: str = ""

    @property
    def confirmed(self) -> bool:
        """The node was powered off or restarted."""
        return self.status == "success" and self.action in FENCING_ACTIONS

    @property
    def pending(self) -> bool:
        """Nobody has told yet how it ended; it may never be told, see `Status.being_fenced`."""
        return self.status == "pending"

    @property
    def decided_by_pacemaker(self) -> bool:
        """The cluster's own controller asked for it, as it does for nodes that are unclean."""
        return self.client.startswith("pacemaker-controld")

    @property
    def in_its_place(self) -> bool:
        """A notifier asked for it, as Pacemaker would not (`unfenced_hosts`)."""
        return self.client.startswith(f"stonith_admin.{stonith_admin.NOTIFIERS}")


@dataclass(frozen=True)
class Failure:
    """An operation that failed, and was not cleaned up since.

    Attributes:
        operation: named as Pacemaker does, such as `node1.maas_start_0`.
        time: when its result last changed, in seconds since the epoch; None where that cannot be
            read. Pacemaker gives whole seconds.
    """

    operation: str
    time: float | None


@dataclass(frozen=True)
class Status:
    """The cluster at one moment, as one of its members sees it.

    Attributes:
        unattended: the members whose notifier does not run.
    """

    quorum: bool
    dc: str
    stonith_enabled: bool
    maintenance_mode: bool
    nodes: tuple[Node, ...]
    connections: tuple[Connection, ...]
    fence_events: tuple[FenceEvent, ...]
    failed_devices: tuple[str, ...]
    failures: tuple[Failure, ...]
    unattended: frozenset[str] = frozenset()

    # Every look goes through all hypervisors: each must be found at once, or the time for one look
    # would grow with the square of their number.

    @cached_property
    def _by_name(self) -> dict[str, list[Node]]:
        found = defaultdict(list)
        for node in self.nodes:
            found[node.name.lower()].append(node)
        return dict(found)

    @cached_property
    def _by_node(self) -> dict[str, Connection]:
        return {connection.node: connection for connection in reversed(self.connections)}

    @cached_property
    def _by_target(self) -> dict[str, list[FenceEvent]]:
        found = defaultdict(list)
        for event in self.fence_events:
            found[event.target].append(event)
        return dict(found)

    @cached_property
    def _connected(self) -> set[str]:
        """The remote nodes that the cluster talks to, in lower case."""
        live = {connection.node for connection in self._by_node.values() if connection.live}
        return {node.name.lower() for node in self.nodes if node.name in live}

    @cached_property
    def _there(self) -> set[str]:
        """The members that are online."""
        return {node.name for node in self.nodes if node.kind == "member" and node.online}

    @property
    def order(self) -> list[str]:
        """The members that are online, in the order in which they act.

        What one sees to for all is the first's: the designated controller, as a rule, and never
        one whose notifier does not run while another's does.
        """
        there = [node for node in self.nodes if node.name in self._there]
        there.sort(key=lambda one: (one.name in self.unattended, not one.is_dc, one.name))
        return [node.name for node in there]

    def named(self, name: str) -> list[Node]:
        """Return the nodes of exactly this name, whatever its case."""
        return list(self._by_name.get(name.lower(), ()))

    @property
    def remotes(self) -> list[Node]:
        """The remote nodes, which are the hypervisors."""
        return [node for node in self.nodes if node.kind == "remote"]

    def connection(self, node: str) -> Connection | None:
        """Return the connection to a remote node, if it is configured."""
        return self._by_node.get(node)

    def connected(self, name: str) -> bool:
        """Whether the cluster talks to the remote node of this name, whatever its case."""
        return name.lower() in self._connected

    def works(self, name: str) -> bool:
        """Whether it does, and the node is not to be fenced."""
        return self.connected(name) and not any(node.unclean for node in self.named(name))

    def lost_at(self, node: str) -> float | None:
        """Return when the latest operation on the connection to a remote node has failed."""
        times = [f.time for f in self.failures if f.operation.rsplit("_", 2)[0] == node and f.time]
        return max(times, default=None)

    def fencing_of(self, node: str) -> list[FenceEvent]:
        """Return the history of one node, in the order in which Pacemaker gives it."""
        return list(self._by_target.get(node, ()))

    def fenced_at(self, node: str) -> list[float]:
        """Return when a node was fenced for certain, in seconds since the epoch."""
        events = self.fencing_of(node)
        return [e.completed for e in events if e.confirmed and e.completed is not None]

    def being_fenced(self, node: Node) -> bool:
        """Whether somebody is having the node fenced.

        An entry that says so may be wrong for good on some members: where two requests for one
        fencing were merged, and the member died on which the first ran, only the other's own
        member learns how that ended (seen with 2.1.5).
        """
        return any(
            event.pending
            and event.action in FENCING_ACTIONS
            and (event.origin in self._there or not event.origin)
            and (node.unclean or not event.decided_by_pacemaker)
            for event in self.fencing_of(node.name)
        )

    def asked_for(self, node: str) -> bool:
        """Whether somebody who has reasons of its own is having a node fenced now.

        What a member has asked for that is gone stays pending until it is back, and nobody waits
        for it.
        """
        return any(
            event.pending
            and (event.origin in self._there or not event.origin)
            and not (event.decided_by_pacemaker or event.in_its_place)
            for event in self.fencing_of(node)
        )


def status(runner: Runner, *, timeout: float = 15) -> Status:
    """Ask this member for the state of the cluster.

    Raises:
        PacemakerError: no cluster runs here, or its answer cannot be read.
    """
    argv = ["crm_mon", "--output-as=xml", "--inactive", "--fence-history=3"]
    return parse_status(run(runner, argv, timeout=timeout))


def parse_status(text: str) -> Status:
    """Read what `crm_mon --output-as=xml` printed.

    Raises:
        Unsupported: it is the answer of a release that is not known.
        PacemakerError: it is not such an answer, or the cluster has no controller.
    """
    root = parse_result(text)
    dc = root.find("summary/current_dc")
    options = root.find("summary/cluster_options")
    nodes = root.find("nodes")
    if dc is None or options is None or nodes is None:
        raise PacemakerError("crm_mon did not say who the nodes and the controller are")
    if _flag(dc, "present"):
        check_release(dc.get("version", ""))
    timed = not TIMELESS.match(dc.get("version", ""))
    resources = list(root.iter("resource"))
    return Status(
        quorum=_flag(dc, "with_quorum"),
        dc=dc.get("name", ""),
        stonith_enabled=_flag(options, "stonith-enabled"),
        maintenance_mode=_flag(options, "maintenance-mode"),
        nodes=tuple(_node(element) for element in nodes.findall("node")),
        connections=tuple(
            _connection(element) for element in resources if _agent(element) == REMOTE_AGENT
        ),
        fence_events=tuple(_fence_event(element, timed) for element in root.iter("fence_event")),
        failed_devices=_failed_devices(root, resources),
        failures=tuple(
            Failure(failure.get("op_key", ""), parse_time(failure.get("last-rc-change")))
            for failure in root.iter("failure")
        ),
        unattended=frozenset(
            node.get("name", "")
            for node in root.iterfind("node_attributes/node")
            if node.find(f"attribute[@name='{NOTIFIER}']") is not None
        ),
    )


def _failed_devices(root: ET.Element, resources: list[ET.Element]) -> tuple[str, ...]:
    """Return the fencing devices that failed; one that is about to start did not."""
    failures = [failure.get("op_key", "") for failure in root.iter("failure")]

    def failed(element: ET.Element) -> bool:
        name = element.get("id", "")
        stopped = element.get("role") == "Stopped"
        return _flag(element, "failed") or (
            stopped and any(key.rsplit("_", 2)[0] == name for key in failures)
        )

    devices = [element for element in resources if _agent(element).startswith("stonith:")]
    return tuple(sorted(element.get("id", "") for element in devices if failed(element)))


def _flag(element: ET.Element, name: str) -> bool:
    return element.get(name) == "true"


def _agent(element: ET.Element) -> str:
    return element.get("resource_agent", "").replace("::", ":")


def _node(element: ET.Element) -> Node:
    return Node(
        name=element.get("name", ""),
        kind=element.get("type", ""),
        online=_flag(element, "online"),
        unclean=_flag(element, "unclean"),
        maintenance=_flag(element, "maintenance"),
        is_dc=_flag(element, "is_dc"),
    )


def _connection(element: ET.Element) -> Connection:
    holder = element.find("node")
    return Connection(
        node=element.get("id", ""),
        role=element.get("role", ""),
        target_role=element.get("target_role", ""),
        managed=_flag(element, "managed"),
        failed=_flag(element, "failed"),
        member="" if holder is None else holder.get("name", ""),
    )


def _fence_event(element: ET.Element, timed: bool) -> FenceEvent:
    return FenceEvent(
        target=element.get("target", ""),
        action=element.get("action", ""),
        status=element.get("status", ""),
        completed=parse_time(element.get("completed")) if timed else None,
        reason=element.get("exit-reason", ""),
        client=element.get("client", ""),
        origin=element.get("origin", ""),
        delegate=element.get("delegate", ""),
    )
