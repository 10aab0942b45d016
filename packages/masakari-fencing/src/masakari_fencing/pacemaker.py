"""What Pacemaker knows about the hypervisors, and asking it to fence one.

Everything is read from XML that Pacemaker's own tools print; what is missing or malformed is an
error, never a guess.
"""

from __future__ import annotations

import datetime
import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass

from masakari_fencing.commands import Runner

FENCING_ACTIONS = frozenset({"off", "reboot"})
"""Fencing actions that prove that whatever ran on the node has stopped."""

NODE_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?")
"""Node names that may be put into a command line or an XPath."""

REMOTE_AGENT = "ocf:pacemaker:remote"

NO_SUCH = 105
"""Exit code of Pacemaker's tools for something that does not exist."""

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d+)? ?(Z|[+-]\d\d:?\d\d(?::\d\d)?)?")


class PacemakerError(Exception):
    """The cluster did not answer, refused, or answered with something unreadable."""


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
    """

    target: str
    action: str
    status: str
    completed: float | None
    reason: str
    client: str = ""
    origin: str = ""

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
    """The cluster at one moment, as one of its members sees it."""

    quorum: bool
    dc: str
    stonith_enabled: bool
    maintenance_mode: bool
    nodes: tuple[Node, ...]
    connections: tuple[Connection, ...]
    fence_events: tuple[FenceEvent, ...]
    failed_devices: tuple[str, ...]
    failures: tuple[Failure, ...]

    def named(self, name: str) -> list[Node]:
        """Return the nodes of exactly this name, whatever its case."""
        return [node for node in self.nodes if node.name.lower() == name.lower()]

    def connection(self, node: str) -> Connection | None:
        """Return the connection to a remote node, if it is configured."""
        return next((c for c in self.connections if c.node == node), None)

    def connected(self, name: str) -> bool:
        """Whether the cluster talks to the remote node of this name, whatever its case."""
        found = (self.connection(node.name) for node in self.named(name))
        return any(connection is not None and connection.live for connection in found)

    def fencing_of(self, node: str) -> list[FenceEvent]:
        """Return the history of one node, in the order in which Pacemaker gives it."""
        return [event for event in self.fence_events if event.target == node]

    def being_fenced(self, node: Node) -> bool:
        """Whether somebody is having the node fenced.

        An entry that says so may be wrong for good on some members: where two requests for one
        fencing were merged, and the member died on which the first ran, only the other's own
        member learns how that ended (seen with 2.1.5).
        """
        there = {found.name for found in self.nodes if found.kind == "member" and found.online}
        return any(
            event.pending
            and (event.origin in there or not event.origin)
            and (node.unclean or not event.decided_by_pacemaker)
            for event in self.fencing_of(node.name)
        )

    def asked_for(self, node: str) -> bool:
        """Whether somebody other than Pacemaker itself is having a node fenced now."""
        events = self.fencing_of(node)
        return any(event.pending and not event.decided_by_pacemaker for event in events)


@dataclass(frozen=True)
class RemoteRecord:
    """What the cluster's replicated status section records about a remote node.

    Attributes:
        fenced: when it was fenced, in seconds since the epoch; None when it was never fenced, or
            has been connected to again since. Pacemaker writes the time with the confirmed fence
            and clears it with the next successful connection.
    """

    fenced: float | None


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
        PacemakerError: it is not such an answer, or the cluster has no controller.
    """
    root = parse(text)
    dc = root.find("summary/current_dc")
    options = root.find("summary/cluster_options")
    nodes = root.find("nodes")
    if dc is None or options is None or nodes is None:
        raise PacemakerError("crm_mon did not say who the nodes and the controller are")
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
        fence_events=tuple(_fence_event(element) for element in root.iter("fence_event")),
        failed_devices=_failed_devices(root, resources),
        failures=tuple(
            Failure(failure.get("op_key", ""), parse_time(failure.get("last-rc-change")))
            for failure in root.iter("failure")
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


def cib(runner: Runner) -> ET.Element:
    """Ask the cluster for all of its information base.

    Raises:
        PacemakerError: the cluster does not answer.
    """
    return parse(run(runner, ["cibadmin", "--query"], timeout=30))


def configuration(runner: Runner) -> ET.Element:
    """Ask the cluster for its `configuration` element: all but its status.

    Raises:
        PacemakerError: the cluster does not answer.
    """
    return parse(run(runner, ["cibadmin", "--query", "--scope", "configuration"], timeout=30))


def remote_record(runner: Runner, node: str, *, timeout: float = 15) -> RemoteRecord:
    """Ask the cluster for its record of a remote node.

    Raises:
        PacemakerError: there is no answer, or more than one.
        ValueError: `node` cannot be the name of a node.
    """
    check_name(node)
    argv = ["cibadmin", "--query", "--xpath", f"//node_state[@uname='{node}']"]
    result = runner.run(argv, timeout=timeout, check=False)
    if result.returncode == NO_SUCH:
        return RemoteRecord(None)
    return parse_record(output(argv, result), node)


def parse_record(text: str, node: str) -> RemoteRecord:
    """Read a `node_state` element, alone or among others in an `xpath-query` element.

    Raises:
        PacemakerError: it is not exactly one record of that remote node.
    """
    root = parse(text)
    found = [state for state in root.iter("node_state") if state.get("uname") == node]
    if len(found) != 1 or found[0].get("remote_node") != "true":
        raise PacemakerError(f"the cluster has no single record of a remote node {node}")
    return RemoteRecord(fenced_at(found[0]))


def fenced_at(state: ET.Element) -> float | None:
    """Return when a node was fenced, from its `node_state`; see `RemoteRecord`."""
    return _epoch(state.get("node_fenced"))


def connected_since(runner: Runner, node: str, *, timeout: float = 15) -> float | None:
    """Return when the connection to a remote node was last made, in seconds since the epoch.

    Raises:
        PacemakerError: the cluster does not answer.
        ValueError: `node` cannot be the name of a node.
    """
    check_name(node)
    query = f"//lrm_resource[@id='{node}']/lrm_rsc_op"
    argv = ["cibadmin", "--query", "--xpath", query]
    result = runner.run(argv, timeout=timeout, check=False)
    if result.returncode == NO_SUCH:
        return None
    operations = parse(output(argv, result)).iter("lrm_rsc_op")
    times = [
        _epoch(operation.get("last-rc-change"))
        for operation in operations
        if operation.get("operation") in ("start", "migrate_from")
        and operation.get("rc-code") == "0"
    ]
    return max((time for time in times if time is not None), default=None)


def fence(runner: Runner, node: str, *, timeout: float) -> None:
    """Have the cluster fence a node with its default action, and wait until that is confirmed.

    Args:
        runner: runs the commands.
        node: name of the node.
        timeout: seconds within which the fencing must be confirmed.

    Raises:
        PacemakerError: it failed, or was not confirmed in time.
        ValueError: `node` cannot be the name of a node.
    """
    check_name(node)
    action = "--fence" if default_action(runner) == "off" else "--reboot"
    argv = ["stonith_admin", action, node, f"--timeout={max(1, int(timeout))}"]
    run(runner, argv, timeout=timeout + 5)


def default_action(runner: Runner) -> str:
    """Return what the cluster does to a node that it fences: `off` or `reboot`."""
    argv = ["crm_attribute", "--type=crm_config", "--name=stonith-action", "--query", "--quiet"]
    answer = runner.run(argv, timeout=15, check=False)
    return "off" if answer.returncode == 0 and answer.stdout.strip() == "off" else "reboot"


def has_quorum(runner: Runner) -> bool:
    """Whether the controller of this member belongs to a partition with quorum.

    It hears it from Corosync; the configuration, which `Status.quorum` is from, says it only after
    the partition's designated controller has written it there.

    Raises:
        PacemakerError: it does not say.
    """
    argv = ["crm_node", "--quorum"]
    answer = runner.run(argv, timeout=15, check=False)
    said = answer.stdout.strip()
    if said not in ("0", "1"):
        output(argv, answer)
        raise PacemakerError(f"crm_node does not say whether there is a quorum: {said!r}")
    return said == "1"


def local_name(runner: Runner) -> str:
    """Return the name that the cluster has for this machine.

    Raises:
        PacemakerError: the cluster does not answer.
    """
    return run(runner, ["crm_node", "--name"], timeout=15).strip()


def check_name(node: str) -> None:
    """Refuse what cannot be a node's name.

    Raises:
        ValueError: it cannot.
    """
    if not NODE_NAME.fullmatch(node):
        raise ValueError(f"{node!r} cannot be the name of a node")


def run(runner: Runner, argv: Sequence[str], *, timeout: float, text: str | None = None) -> str:
    """Run one of Pacemaker's commands.

    Args:
        runner: runs it.
        argv: program and arguments.
        timeout: seconds it may take.
        text: for its standard input.

    Returns:
        what it printed.

    Raises:
        PacemakerError: it failed; the text is the last line of its own error.
    """
    return output(argv, runner.run(argv, input=text, timeout=timeout, check=False))


def output(argv: Sequence[str], result: subprocess.CompletedProcess[str]) -> str:
    """Return what a command printed.

    Raises:
        PacemakerError: it failed.
    """
    if result.returncode != 0:
        text = (result.stderr or result.stdout).strip()
        last = text.splitlines()[-1] if text else "no output"
        raise PacemakerError(f"{argv[0]} ended with {result.returncode}: {last}")
    return result.stdout


def parse(text: str) -> ET.Element:
    """Read XML.

    Raises:
        PacemakerError: it is not well-formed.
    """
    try:
        return ET.fromstring(text)  # noqa: S314 - the cluster's own tools on the same machine
    except ET.ParseError as error:
        raise PacemakerError(f"unreadable XML: {error}") from None


def parse_time(text: str | None) -> float | None:
    """Read a time as Pacemaker prints it, such as `2026-11-21 01:45:14.123456Z`.

    Returns:
        seconds since the epoch, or None where there is no readable time. A time without a zone is
        in local time.
    """
    match = _TIME.fullmatch((text or "").strip())
    if match is None:
        return None
    day, clock, fraction, zone = match.groups()
    moment = datetime.datetime.strptime(f"{day} {clock}", "%Y-%m-%d %H:%M:%S")
    if zone:
        sign = -1 if zone.startswith("-") else 1
        digits = re.sub(r"\D", "", zone).ljust(4, "0")
        offset = datetime.timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]))
        moment = moment.replace(tzinfo=datetime.timezone(sign * offset))
    return moment.timestamp() + float(fraction or 0)


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


def _fence_event(element: ET.Element) -> FenceEvent:
    return FenceEvent(
        target=element.get("target", ""),
        action=element.get("action", ""),
        status=element.get("status", ""),
        completed=parse_time(element.get("completed")),
        reason=element.get("exit-reason", ""),
        client=element.get("client", ""),
        origin=element.get("origin", ""),
    )


def _epoch(text: str | None) -> float | None:
    try:
        value = float(text or 0)
    except ValueError:
        return None
    return value if value > 0 else None
