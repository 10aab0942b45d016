"""Stand-ins for what the package talks to: Pacemaker's commands, and MAAS."""

from __future__ import annotations

import datetime
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from masakari_fencing.maas.client import Maas

CONFIGURATION = "cibadmin --query --scope configuration"
"""The command that asks for the cluster's configuration."""

FIXTURES = Path(__file__).parent / "fixtures"


def fixture(name: str) -> str:
    """Return what a command of Pacemaker 2.1.5 printed."""
    return (FIXTURES / name).read_text(encoding="utf-8")


class FakeRunner:
    """Answers commands by their beginning; the latest rule that fits wins."""

    def __init__(self) -> None:
        # Asked only where this machine itself happens to have a Corosync.
        self.rules: list[tuple[str, Any]] = [("corosync-quorumtool", 1)]
        self.calls: list[list[str]] = []
        self.inputs: list[str | None] = []

    def on(self, prefix: str, answer: str | int | Callable[[list[str]], Any]) -> FakeRunner:
        """Answer with a text, an exit code, or what a function makes of the command."""
        self.rules.append((prefix, answer))
        return self

    def run(
        self,
        argv: Sequence[str],
        *,
        input: str | None = None,  # noqa: A002
        timeout: float = 60,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        command = list(argv)
        self.calls.append(command)
        self.inputs.append(input)
        line = " ".join(command)
        for prefix, answer in reversed(self.rules):
            if line.startswith(prefix):
                value = answer(command) if callable(answer) else answer
                if isinstance(value, int):
                    return subprocess.CompletedProcess(command, value, "", f"failed: {value}")
                return subprocess.CompletedProcess(command, 0, value, "")
        raise AssertionError(f"unexpected command: {line}")

    def ran(self, prefix: str) -> list[list[str]]:
        return [call for call in self.calls if " ".join(call).startswith(prefix)]


_STOPPED = "<node name='{}'><attribute name='masakari-fencing-notifier' value='stopped'/></node>"


@dataclass
class Remote:
    """A hypervisor in a cluster that the tests make up."""

    name: str = "node1.maas"
    online: bool = True
    unclean: bool = False
    maintenance: bool = False
    role: str = "Started"
    target_role: str = ""
    managed: bool = True
    failed: bool = False
    fenced: float = 0
    start_failed: float = 0
    connected: float = 1_000_000
    events: list[tuple[str, str, float | None]] = field(default_factory=list)
    requester: str = "pacemaker-controld.1304@juju-2-lxd-0"
    """Who asked for what is pending: client and member."""
    delegate: str = "juju-2-lxd-0"
    """Who carried out what has ended."""


@dataclass
class Cluster:
    """Prints what Pacemaker's commands would, in the form of version 2.1.5."""

    remotes: list[Remote] = field(default_factory=lambda: [Remote()])
    members: tuple[str, ...] = ("juju-1-lxd-0", "juju-2-lxd-0", "juju-3-lxd-0")
    gone: tuple[str, ...] = ()
    unattended: tuple[str, ...] = ()
    dc: str = "juju-2-lxd-0"
    quorum: bool = True
    stonith: bool = True
    maintenance: bool = False
    device_role: str = "Started"
    device_failed: bool = False
    fence: Callable[[str], int] = lambda node: 0
    runner: FakeRunner = field(default_factory=FakeRunner)

    def __post_init__(self) -> None:
        self.runner.on("cibadmin --query", "<cib/>")
        self.runner.on(CONFIGURATION, "<configuration/>")
        self.runner.on("crm_mon", lambda _: self.crm_mon())
        self.runner.on("cibadmin --query --xpath //node_state", self.node_state)
        self.runner.on("cibadmin --query --xpath //lrm_resource", self.operations)
        self.runner.on("crm_attribute --type=crm_config", 105)
        for option in ("--reboot", "--fence"):
            self.runner.on(f"stonith_admin {option}", lambda argv: self.fence(argv[2]) or "")
        self.runner.on("crm_node --name", f"{self.members[0]}\n")
        self.runner.on("crm_node --quorum", lambda _: f"{int(self.quorum)}\n")

    def _failures(self) -> str:
        failed = [("st-maas", 0.0)] if self.device_failed else []
        failed += [(r.name, r.start_failed) for r in self.remotes if r.start_failed]
        lines = [
            f'<failure op_key="{name}_start_0" task="start" last-rc-change="{_moment(when)}"/>'
            for name, when in failed
        ]
        return f"<failures>{''.join(lines)}</failures>" if lines else ""

    def remote(self, name: str) -> Remote | None:
        return next((r for r in self.remotes if r.name == name), None)

    def crm_mon(self) -> str:
        nodes = "".join(self._member(name) for name in self.members)
        nodes += "".join(self._remote(remote) for remote in self.remotes)
        resources = "".join(map(self._connection, self.remotes)) + (
            f'<resource id="st-maas" resource_agent="stonith:external/maas" '
            f'role="{self.device_role}" managed="true" failed="false"/>'
        )
        events = "".join(self._event(r, *event) for r in self.remotes for event in r.events)
        return (
            '<pacemaker-result api-version="2.25"><summary>'
            f'<current_dc present="true" version="2.1.5-a3f44794f94" name="{self.dc}" '
            f'with_quorum="{_bool(self.quorum)}"/>'
            f'<cluster_options stonith-enabled="{_bool(self.stonith)}" '
            f'maintenance-mode="{_bool(self.maintenance)}"/></summary>'
            f"<nodes>{nodes}</nodes><resources>{resources}</resources>"
            f"<node_attributes>{''.join(map(_STOPPED.format, self.unattended))}</node_attributes>"
            f"{self._failures()}"
            f'<fence_history status="0">{events}</fence_history>'
            '<status code="0" message="OK"/></pacemaker-result>'
        )

    def _member(self, name: str) -> str:
        return (
            f'<node name="{name}" id="{name}" online="{_bool(name not in self.gone)}" '
            'maintenance="false" unclean="false" '
            f'is_dc="{_bool(name == self.dc)}" type="member"/>'
        )

    @staticmethod
    def _remote(remote: Remote) -> str:
        return (
            f'<node name="{remote.name}" id="{remote.name}" online="{_bool(remote.online)}" '
            f'maintenance="{_bool(remote.maintenance)}" unclean="{_bool(remote.unclean)}" '
            'is_dc="false" type="remote"/>'
        )

    @staticmethod
    def _connection(remote: Remote) -> str:
        target = f'target_role="{remote.target_role}" ' if remote.target_role else ""
        return (
            f'<resource id="{remote.name}" resource_agent="ocf:pacemaker:remote" '
            f'role="{remote.role}" {target}managed="{_bool(remote.managed)}" '
            f'failed="{_bool(remote.failed)}"/>'
        )

    @staticmethod
    def _event(remote: Remote, action: str, status: str, completed: float | None) -> str:
        when = f'delegate="{remote.delegate}"'
        if completed is not None:
            when += f' completed="{_moment(completed)}"'
        elif status == "pending":
            client, _, origin = remote.requester.partition("@")
            when = f'client="{client}" origin="{origin}"'
        return f'<fence_event action="{action}" target="{remote.name}" status="{status}" {when}/>'

    def node_state(self, argv: list[str]) -> str | int:
        """Answer a query of the record of a remote node."""
        remote = self.remote(_quoted(argv[3]))
        if remote is None:
            return 105
        return (
            f'<node_state remote_node="true" id="{remote.name}" uname="{remote.name}" '
            f'node_fenced="{remote.fenced:.0f}"/>'
        )

    def operations(self, argv: list[str]) -> str | int:
        """Answer a query of the operations on a remote node's connection."""
        remote = self.remote(_quoted(argv[3]))
        if remote is None:
            return 105
        return (
            '<xpath-query><lrm_rsc_op operation="monitor" rc-code="7" last-rc-change="9999999"/>'
            '<lrm_rsc_op operation="start" rc-code="0" '
            f'last-rc-change="{remote.connected:.0f}"/></xpath-query>'
        )


def _moment(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _quoted(xpath: str) -> str:
    match = re.search(r"'([^']+)'", xpath)
    assert match is not None
    return match.group(1)


def patient(url: str, key: str, *, patience: float = 10) -> Maas:
    """A client whose time passes only while it waits."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    return Maas(url, key, patience=patience, clock=lambda: now[0], sleep=sleep)
