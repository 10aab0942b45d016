"""The running cluster: its configuration (CIB), its state, and the tools that change them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
import xml.etree.ElementTree as ET  # our own cluster's output
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

RESOURCE_TAGS = ("primitive", "group", "clone", "master", "bundle")
UNSHOWN_TAGS = ("nvpair", "op", "instance_attributes", "meta_attributes", "operations")


class ClusterError(Exception):
    """A command of the cluster failed; the text is what it said."""


def run(*argv: str, timeout: float = 60, stdin: str | None = None) -> str:
    """Run a command of the cluster and return its output.

    One that takes too long is ended with all that it has started: `crm` asks `crmadmin`, which
    turns for ever where the cluster's controller goes away while it waits (Pacemaker 2.1.5).

    Raises:
        ClusterError: it failed, or took longer than ``timeout`` seconds.
    """
    environment = {**os.environ, "HOME": "/root"}  # crm keeps its own configuration there
    pipe = subprocess.PIPE
    try:
        with subprocess.Popen(
            argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment,
            start_new_session=True,
        ) as process:  # fmt: skip
            try:
                out, err = process.communicate(stdin, timeout)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ClusterError(f"{argv[0]}: {error}") from error
    if process.returncode:
        raise ClusterError(f"{argv[0]}: {(err or out).strip()}")
    return out


def is_active(service: str) -> bool:
    """Whether a systemd service runs."""
    argv = ["systemctl", "is-active", "--quiet", service]
    return subprocess.run(argv, check=False, timeout=30).returncode == 0


class Cib:
    """The cluster's configuration at one moment.

    Attributes:
        resources: the names of all primitives, groups and clones.
        members: the names of the full members, sorted; no remote nodes.
        options: the cluster's properties and the defaults of its resources, by their names.
        clone_max: the limit of each clone that has one.
        shown: about what ``crm configure show`` prints, to search in.
    """

    def __init__(self, xml: str) -> None:
        configuration = ET.fromstring(xml).find("configuration")  # noqa: S314
        assert configuration is not None  # noqa: S101  # the schema demands it
        found = [node for tag in RESOURCE_TAGS for node in configuration.iter(tag)]
        self.resources = {node.attrib["id"] for node in found}
        nodes = configuration.findall("nodes/node")
        self.members = sorted(n.attrib["uname"] for n in nodes if n.get("type") != "remote")
        pairs = [*configuration.findall("crm_config//nvpair")]
        pairs += configuration.findall("rsc_defaults//nvpair")
        self.options = {pair.attrib["name"]: pair.get("value", "") for pair in pairs}
        self.clone_max = {
            node.attrib["id"]: pair.get("value", "")
            for node in configuration.iter("clone")
            for pair in node.findall("meta_attributes/nvpair[@name='clone-max']")
        }
        self.shown = " ".join(
            text
            for node in configuration.iter()
            for key, text in node.attrib.items()
            if not (key == "id" and node.tag in UNSHOWN_TAGS)
        )

    @classmethod
    def query(cls) -> Cib:
        """Read the configuration of the cluster that this machine is a member of."""
        return cls(run("cibadmin", "--query"))


class State:
    """What the cluster does at one moment.

    Attributes:
        nodes: the names of the nodes that are online.
        quorum: whether this partition has quorum.
        maintenance: whether the cluster leaves all resources alone.
        running: for every primitive the nodes that it runs on.
        cloned: the primitives that are meant to run on several nodes.
        failed: the resources with a failed operation on record.
    """

    def __init__(self, xml: str) -> None:
        root = ET.fromstring(xml)  # noqa: S314
        self.nodes = {n.attrib["name"] for n in root.findall("nodes/node[@online='true']")}
        options = root.find("summary/cluster_options")
        self.maintenance = options is not None and options.get("maintenance-mode") == "true"
        dc = root.find("summary/current_dc")
        self.quorum = dc is not None and dc.get("with_quorum") == "true"
        self.running: dict[str, set[str]] = {}
        for resource in root.findall("resources//resource"):
            where = self.running.setdefault(resource.attrib["id"], set())
            if resource.get("active") == "true" and resource.get("role") != "Stopped":
                where.update(node.attrib["name"] for node in resource.findall("node"))
        cloned = root.findall("resources/clone//resource")
        self.cloned = {resource.attrib["id"] for resource in cloned}
        failures = root.findall("failures/failure")
        self.failed = {f.get("op_key", "").rsplit("_", 2)[0] for f in failures}

    @classmethod
    def query(cls) -> State:
        """Read the state of the cluster that this machine is a member of."""
        return cls(run("crm_mon", "--output-as=xml", "--inactive", timeout=10))

    def runs(self, resource: str, host: str) -> bool:
        """Whether a primitive runs: anywhere, or on ``host`` when it is cloned."""
        where = self.running.get(resource, set())
        return host in where if resource in self.cloned else bool(where)


def wait(condition: Callable[[State], bool], seconds: float) -> bool:
    """Wait until the cluster is in a certain state.

    Returns:
        Whether it came to it within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition(State.query()):
                return True
        except ClusterError:
            pass  # Pacemaker is on its way up.
        if time.monotonic() > deadline:
            return False
        time.sleep(0.3)


def set_options(
    cib: Cib, properties: Mapping[str, object], defaults: Mapping[str, object]
) -> None:
    """Set properties of the cluster and defaults of its resources, those that differ."""
    if all(cib.options.get(k) == str(v) for k, v in [*properties.items(), *defaults.items()]):
        return
    crm_config = _pairs("cluster_property_set", "cib-bootstrap-options", properties)
    rsc_defaults = _pairs("meta_attributes", "rsc-options", defaults)
    xml = (
        f"<configuration><crm_config>{crm_config}</crm_config>"
        f"<rsc_defaults>{rsc_defaults}</rsc_defaults></configuration>"
    )
    run("cibadmin", "--modify", "--allow-create", "--xml-pipe", stdin=xml)


def _pairs(tag: str, name: str, values: Mapping[str, object]) -> str:
    pairs = (
        f'<nvpair id="{name}-{key}" name="{key}" value={quoteattr(str(value))}/>'
        for key, value in values.items()
    )
    return f'<{tag} id="{name}">{"".join(pairs)}</{tag}>' if values else ""


@dataclass(frozen=True)
class Statement:
    """A statement in crm's language.

    Attributes:
        text: the statement.
        fatal: whether the hook fails when crm refuses it.
        blocked: the status to leave behind in that case.
        key: what the one who wrote it remembers it by.
    """

    text: str
    fatal: bool = False
    blocked: str = ""
    key: str = ""


class StatementError(ClusterError):
    """crm refused a statement without which the hook cannot go on."""

    def __init__(self, statement: Statement, reason: str) -> None:
        # Not the parameters: there may be a secret among them.
        super().__init__(f"{' '.join(statement.text.split()[:2])}: {reason}")
        self.blocked = statement.blocked


def commit(statements: Sequence[Statement], log: Callable[[str], None]) -> list[Statement]:
    """Make all statements true at once; if crm refuses that, as many of them as it takes.

    crm takes long to start, so one call for all of them is what keeps the hooks short.

    Returns:
        The statements that crm refused.

    Raises:
        StatementError: crm refused a statement that is fatal.
    """
    if not statements:
        return []
    try:
        _load(statements)
        return []
    except ClusterError as error:
        log(f"one at a time, as crm refused all at once: {error}")
    refused = []
    for statement in statements:
        try:
            _load([statement])
        except ClusterError as error:
            failure = StatementError(statement, str(error))
            if statement.fatal:
                raise failure from error
            log(str(failure))
            refused.append(statement)
    return refused


def _load(statements: Iterable[Statement]) -> None:
    text = "".join(f"{statement.text}\n" for statement in statements)
    with tempfile.NamedTemporaryFile("w", suffix=".crm") as file:  # 0600: it may hold a secret
        file.write(text)
        file.flush()
        run("crm", "-F", "configure", "load", "update", file.name, timeout=180)
