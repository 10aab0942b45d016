"""A stand-in for the two APIs: Masakari's, and what of Nova's the notifier asks."""

from __future__ import annotations

import datetime
import json
import re
import threading
import urllib.parse
import uuid
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeMasakari:
    """The Masakari API with the rules of the real one that matter to a notifier.

    Attributes:
        forced_down: hosts that Nova, which answers at the same address, holds for down.
        reasons: why Nova has them disabled.
        reports: when each host's nova-compute reported last, as Nova writes it.
        disabled: hosts on which Nova places no guests.
        renamed: the hypervisors' own names, where they differ from their hosts'.
        uptimes: what the hosts' nova-compute says; the others do not answer.
        working: hosts whose nova-compute reports, by Nova's word.
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
        self.working: set[str] = set()
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
        self,
        host: str,
        generated: float,
        status: str,
        *,
        kind: str = "COMPUTE_HOST",
        ahead: float = 0.0,
    ) -> dict[str, Any]:
        """Have a notification as if somebody had sent it, whose clock is so many seconds ahead."""
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
            "created_at": _iso(generated - ahead),
            "updated_at": _iso(generated - ahead),
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
        names = sorted({*self.hosts, *self.forced_down, *self.working} - self.absent)
        return [
            {
                "id": f"uuid-of-{name}",
                "host": name,
                "status": "disabled" if name in self.disabled else "enabled",
                **({"state": "up"} if name in self.working else {}),
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

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the server's names

    return Handler
