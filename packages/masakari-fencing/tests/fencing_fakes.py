"""Stand-ins for what the package talks to: Pacemaker's commands, and the two APIs."""

from __future__ import annotations

import datetime
import json
import re
import subprocess
import threading
import urllib.parse
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


class FakeMasakari:
    """The Masakari API with the rules of the real one that matter to a notifier.

    Attributes:
        forced_down: hosts that Nova, which answers at the same address, holds for down.
        reasons: why Nova has them disabled.
        reports: when each host's nova-compute reported last, as Nova writes it.
        disabled: hosts on which Nova places no guests.
        renamed: the hypervisors' own names, where they differ from their hosts'.
        uptimes: what the hosts' nova-compute says; the others do not answer.
        instances: Nova's, each with what was done with it.
        places: which host each instance is on.
        evacuations: an instance, the host that it is evacuated from, and the record's status.
        nova_broken: HTTP status of every answer about instances; 0: none.
        absent: hosts that have no nova-compute.
        refuse_up: whether Nova refuses to end a forced-down state.
        duplicate_interval: as the option duplicate_notification_detection_interval.
        engine: whether an engine takes notifications on: puts the host in maintenance.
        page: as the option osapi_max_limit: entries of a list that one answer has at most.
        broken: answer every request with this HTTP status.
        raw: answer every request with this text, as something does that is not the API.
        lose_answer: accept notifications, but break the connection before the answer.
    """

    def __init__(self, hosts: Sequence[str] = ("node1.maas",)) -> None:
        self.hosts = {
            name: {"id": n, "uuid": str(uuid.uuid4()), "name": name, "on_maintenance": False}
            for n, name in enumerate(hosts, 1)
        }
        self.forced_down: set[str] = set()
        self.reasons: dict[str, str] = {}
        self.reports: dict[str, str] = {}
        self.uptimes: dict[str, str] = {}
        self.instances: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {}
        self.disabled: set[str] = set()
        self.renamed: dict[str, str] = {}
        self.absent: set[str] = set()
        self.refuse_up = False
        self.notifications: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.duplicate_interval = 30.0
        self.engine = True
        self.page = 1000
        self.broken = self.nova_broken = 0
        self.places: dict[str, str] = {}
        self.evacuations: list[tuple[str, str, str]] = []
        self.raw: str | None = None
        self.lose_answer = False
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        self._thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def add(
        self, host: str, generated: float, status: str, *, kind: str = "COMPUTE_HOST"
    ) -> dict[str, Any]:
        """Have a notification as if somebody had sent it."""
        payload = {"event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL"}
        if kind == "PROCESS":
            payload = {"event": "STOPPED", "process_name": "nova-compute"}
        item = {
            "id": len(self.notifications) + 1,
            "notification_uuid": str(uuid.uuid4()),
            "source_host_uuid": self.hosts[host]["uuid"],
            "type": kind,
            "payload": payload,
            "generated_time": _iso(generated),
            "updated_at": _iso(generated),
            "status": status,
        }
        self.notifications.append(item)
        return item

    def handle(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        path, _, query = path.partition("?")
        if (method, path) == ("POST", "/v3/auth/tokens"):
            return 201, {"token": self._token()}
        if method == "GET" and path.startswith(("/v1/os-", "/v1/servers")):
            return self._ask_nova(path, query)
        if method == "PUT" and path.startswith("/v1/os-services/uuid-of-"):
            return self._update_service(path.removeprefix("/v1/os-services/uuid-of-"), body)
        if (method, path) == ("POST", "/v1/notifications"):
            return self._create(body["notification"])
        if (method, path) == ("GET", "/v1/segments"):
            found = [{"id": 1, "uuid": "seg", "name": "rack1"}]
            return 200, {"segments": self._paged(found, query)}
        if (method, path) == ("GET", "/v1/segments/seg/hosts"):
            return 200, {"hosts": self._paged(list(self.hosts.values()), query)}
        if (method, path) == ("GET", "/v1/notifications"):
            wanted = dict(pair.split("=") for pair in query.split("&"))
            wanted.pop("marker", None)
            since = urllib.parse.unquote(wanted.pop("generated-since", ""))
            found = [n for n in self.notifications if all(n[k] == v for k, v in wanted.items())]
            found = [n for n in found if n["generated_time"] >= since]
            return 200, {"notifications": self._paged(found, query)}
        if method == "PUT" and path.startswith("/v1/segments/seg/hosts/"):
            return self._update(path.rsplit("/", 1)[1], body["host"])
        return 404, {"message": f"no such path {path}"}

    def _update_service(self, host: str, body: dict[str, Any]) -> tuple[int, Any]:
        if body == {"status": "enabled"}:
            self.disabled.discard(host)
        elif self.refuse_up:
            return 400, {"badRequest": {"message": "evacuation migration records remain"}}
        else:
            self.forced_down.discard(host)
        return 200, {"service": body}

    def _ask_nova(self, path: str, query: str) -> tuple[int, Any]:
        if path == "/v1/os-services":
            return 200, {"services": self._services()}
        if path == "/v1/os-migrations":
            asked = dict(urllib.parse.parse_qsl(query))
            place = (asked["source_compute"], asked["status"])
            found = [uuid for uuid, *where in self.evacuations if tuple(where) == place]
            return 200, {"migrations": [{"instance_uuid": uuid} for uuid in found]}
        if path == "/v1/servers":
            if self.nova_broken:
                return self.nova_broken, {}
            host = dict(urllib.parse.parse_qsl(query))["host"]
            return 200, {"servers": [{"id": u} for u, name in self.places.items() if name == host]}
        if path.startswith("/v1/servers/"):
            uuid, _, rest = path.removeprefix("/v1/servers/").partition("/")
            if uuid not in self.instances:
                return 404, {"itemNotFound": {"message": "no such instance"}}
            shown, actions = self.instances[uuid]
            return 200, {"instanceActions": actions} if rest else {"server": shown}
        if path.endswith("/uptime"):
            said = self.uptimes.get(path.split("/")[-2].removeprefix("id-of-"))
            return (200, {"hypervisor": {"uptime": said}}) if said else (400, {})
        assert path == "/v1/os-hypervisors/detail"
        found = self._hypervisors(query)
        return (200, {"hypervisors": found}) if found or "pattern" not in query else (404, {})

    def _paged(self, found: list[Any], query: str) -> list[Any]:
        """Return those after the marker, as many as an answer has at most; the newest is first.

        The marker is an entry's number, not its UUID: so with masakari 17.0.0 over HTTP.
        """
        found = sorted(found, key=lambda item: -item["id"])
        match = re.search(r"marker=(\d+)(?:&|$)", query)
        begin = 0
        if match is not None:
            begin = [item["id"] for item in found].index(int(match[1])) + 1
        return found[begin : begin + self.page]

    def _token(self) -> dict[str, Any]:
        catalog = [
            {"type": kind, "name": kind, "endpoints": [{"interface": "internal", "url": self.url}]}
            for kind in ("instance-ha", "compute")
        ]
        return {"expires_at": "2999-01-01T00:00:00.000000Z", "methods": [], "catalog": catalog}

    def _hypervisors(self, query: str) -> list[dict[str, Any]]:
        """Return a page of them; Nova's marker is an identifier, unlike Masakari's."""
        names = sorted({*self.hosts} - self.absent)
        begin = 0
        if (wanted := query.removeprefix("hypervisor_hostname_pattern=")) != query:
            names = [n for n in names if wanted.lower() in self.renamed.get(n, n)]
        elif query:
            begin = names.index(query.removeprefix("marker=id-of-")) + 1
        return [
            {
                "id": f"id-of-{name}",
                "hypervisor_hostname": self.renamed.get(name, name),
                "service": {"host": name},
            }
            for name in names[begin : begin + self.page]
        ]

    def _services(self) -> list[dict[str, Any]]:
        names = sorted({*self.hosts, *self.forced_down} - self.absent)
        return [
            {
                "id": f"uuid-of-{name}",
                "host": name,
                "status": "disabled" if name in self.disabled else "enabled",
                "disabled_reason": self.reasons.get(name),
                "updated_at": self.reports.get(name),
                "forced_down": name in self.forced_down,
            }
            for name in names
        ]

    def _create(self, item: dict[str, Any]) -> tuple[int, Any]:
        host = self.hosts.get(item["hostname"])
        if host is None:
            text = f"Host with name {item['hostname']} could not be found."
            return 400, {"badRequest": {"code": 400, "message": text}}
        if host["on_maintenance"]:
            return 409, {"conflictingRequest": {"code": 409, "message": "maintenance"}}
        generated = _epoch(item["generated_time"])
        for known in self.notifications:
            if (
                known["type"] == item["type"]
                and known["source_host_uuid"] == host["uuid"]
                and _epoch(known["generated_time"]) >= generated - self.duplicate_interval
                and known["payload"] == item["payload"]
            ):
                return 409, {"conflictingRequest": {"code": 409, "message": "is duplicate"}}
        host["on_maintenance"] = self.engine
        status = "running" if self.engine else "new"
        return 202, {"notification": self.add(item["hostname"], generated, status)}

    def _update(self, wanted: str, changes: dict[str, Any]) -> tuple[int, Any]:
        host = next(h for h in self.hosts.values() if h["uuid"] == wanted)
        unfinished = ("new", "running", "error")
        if any(
            n["source_host_uuid"] == wanted and n["status"] in unfinished
            for n in self.notifications
        ):
            return 409, {"conflictingRequest": {"code": 409, "message": "in use"}}
        host.update(changes)
        return 200, {"host": host}


def _iso(moment: float) -> str:
    stamp = datetime.datetime.fromtimestamp(moment, datetime.timezone.utc)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.000000")


def _epoch(text: str) -> float:
    moment = datetime.datetime.fromisoformat(text)
    return moment.replace(tzinfo=datetime.timezone.utc).timestamp()


def _handler(masakari: FakeMasakari) -> type[BaseHTTPRequestHandler]:
    """Return what answers requests with what a fake says, or breaks as it wants."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            with masakari.lock:
                masakari.requests.append(f"{self.command} {self.path}")
                if masakari.broken or masakari.raw is not None:
                    code, data = masakari.broken, {}
                else:
                    code, data = masakari.handle(self.command, self.path, body)
            if masakari.lose_answer:
                self.close_connection = True
                return
            text = json.dumps(data).encode()
            if masakari.raw is not None:
                code, text = masakari.broken or 200, masakari.raw.encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("X-Subject-Token", "token")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815

    return Handler
