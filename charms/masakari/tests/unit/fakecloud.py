"""Keystone, Nova and Masakari for the tests of the actions: small, over real HTTP."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from relations.keystone import Identity
from segments.cloud import Cloud
from segments.segments import Segments

PASSWORD = "pw"


class RefusedError(Exception):
    """An error document."""

    def __init__(self, status: int, name: str, message: str) -> None:
        self.status = status
        self.body = {name: {"code": status, "message": message}}


@dataclasses.dataclass
class FakeCloud:
    """State of the cloud, for the tests to look at and to change.

    Attributes:
        services: nova-compute services by host.
        segments: by UUID.
        hosts: by UUID.
        busy: UUIDs of segments whose hosts have unfinished notifications.
        notifications: of failed hosts.
        log: requests that changed something.
        reports: hosts whose nova-compute reports once it is not forced down.
        reported: hosts whose nova-compute died less than a minute ago.
        unclean: hosts whose nova-compute has yet to clean up after evacuated guests.
        renamed: the hypervisors' own names, where they differ from their hosts'.
        page: entries of a list that one answer has at most.
        broken: status and body that every request is answered with.
    """

    services: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    segments: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    hosts: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    busy: set[str] = dataclasses.field(default_factory=set)
    notifications: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    log: list[tuple[str, str, Any]] = dataclasses.field(default_factory=list)
    reports: set[str] = dataclasses.field(default_factory=set)
    reported: set[str] = dataclasses.field(default_factory=set)
    reports_made: int = 0
    unclean: set[str] = dataclasses.field(default_factory=set)
    evacuations: list[tuple[str, str, str]] = dataclasses.field(default_factory=list)
    renamed: dict[str, str] = dataclasses.field(default_factory=dict)
    page: int = 1000
    broken: tuple[int, str] | None = None
    url: str = ""
    _numbers: Iterator[int] = dataclasses.field(default_factory=lambda: itertools.count(1))

    def add_hypervisor(self, name: str) -> None:
        self.reports.add(name)
        self.services[name] = {
            "id": str(uuid.uuid4()),
            "host": name,
            "binary": "nova-compute",
            "status": "enabled",
            "forced_down": False,
            "updated_at": "2026-11-21T06:59:00.000000",
        }

    def identity(self) -> Identity:
        return Identity(self.url, None, "masakari", PASSWORD, "services", "service_domain")

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if self.broken:
            return self.broken
        if method != "GET":
            self.log.append((method, path, body))
        path, _, marker = path.replace("?marker", "&marker").partition("&marker=")
        for pattern, handler in _ROUTES:
            match = re.fullmatch(pattern, f"{method} {path}")
            if match:
                status, data = handler(self, body, *match.groups())
                return status, self._paged(data, marker) if method == "GET" else data
        raise RefusedError(404, "itemNotFound", f"no route {method} {path}")

    def _paged(self, data: dict[str, Any], marker: str) -> dict[str, Any]:
        """The entries after the one whose `id` is the marker: Masakari's is a number."""
        (key, found), *_ = data.items()
        if not isinstance(found, list) or key == "services":  # which Nova gives all at once
            return data
        ids = [str(item.get("id", position)) for position, item in enumerate(found)]
        begin = ids.index(marker) + 1 if marker else 0
        numbered = [{"id": n, **item} for n, item in enumerate(found)]
        return {key: numbered[begin : begin + self.page]}

    def list_hypervisors(self, body: Any) -> tuple[int, Any]:
        return 200, {
            "hypervisors": [
                {
                    "id": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),
                    "hypervisor_hostname": self.renamed.get(name, name),
                    "service": {"host": name, "id": service["id"]},
                }
                for name, service in self.services.items()
            ]
        }

    def token(self, body: Any) -> tuple[int, Any]:
        user = body["auth"]["identity"]["password"]["user"]
        if user["password"] != PASSWORD:
            raise RefusedError(401, "error", "The request you have made requires authentication.")
        endpoint = {"interface": "public", "region": "RegionOne", "region_id": "RegionOne"}
        catalog = [
            {
                "type": "compute",
                "name": "nova",
                "id": "1",
                "endpoints": [{**endpoint, "id": "2", "url": f"{self.url}/nova/v2.1"}],
            }
        ]
        token = {
            "methods": ["password"],
            "expires_at": "2099-01-01T00:00:00.000000Z",
            "issued_at": "2020-01-01T00:00:00.000000Z",
            "user": {"id": "u", "name": "masakari", "domain": {"id": "d", "name": "d"}},
            "catalog": catalog,
        }
        return 201, {"token": token}

    def nova_version(self, body: Any) -> tuple[int, Any]:
        return 200, {
            "version": {
                "id": "v2.1",
                "status": "CURRENT",
                "version": "2.93",
                "min_version": "2.1",
                "links": [{"rel": "self", "href": f"{self.url}/nova/v2.1/"}],
            }
        }

    def list_services(self, body: Any) -> tuple[int, Any]:
        return 200, {"services": [self._service(s) for s in self.services.values()]}

    def list_migrations(self, body: Any, host: str, kind: str, status: str) -> tuple[int, Any]:
        found = [uuid_ for uuid_, *place in self.evacuations if place == [host, status]]
        return 200, {"migrations": [{"instance_uuid": item} for item in found]}

    def update_service(self, body: Any, uuid_: str) -> tuple[int, Any]:
        [service] = [s for s in self.services.values() if s["id"] == uuid_]
        if body.get("forced_down") is False and service["host"] in self.unclean:
            text = f"Unable to force up host {service['host']} as `done` evacuation migration"
            raise RefusedError(400, "badRequest", f"{text} records remain associated")
        service.update(body)
        return 200, {"service": self._service(service)}

    def _service(self, service: dict[str, Any]) -> dict[str, Any]:
        up = service["host"] in self.reports | self.reported and not service["forced_down"]
        if service["host"] in self.reports:
            self.reports_made += 1
            service["updated_at"] = f"2026-11-21T07:00:00.{self.reports_made:06}"
        return {**service, "state": "up" if up else "down"}

    def list_segments(self, body: Any) -> tuple[int, Any]:
        return 200, {"segments": list(self.segments.values())}

    def create_segment(self, body: Any) -> tuple[int, Any]:
        number = next(self._numbers)
        segment = {"id": number, "uuid": str(uuid.uuid4()), "description": None, "enabled": True}
        segment.update(body["segment"])
        self.segments[segment["uuid"]] = segment
        return 201, {"segment": segment}

    def update_segment(self, body: Any, segment: str) -> tuple[int, Any]:
        self._not_busy(segment)
        self.segments[segment].update(body["segment"])
        return 200, {"segment": self.segments[segment]}

    def delete_segment(self, body: Any, segment: str) -> tuple[int, Any]:
        self._not_busy(segment)
        del self.segments[segment]
        self.hosts = {u: h for u, h in self.hosts.items() if h["failover_segment_id"] != segment}
        return 204, None

    def list_hosts(self, body: Any, segment: str) -> tuple[int, Any]:
        found = [h for h in self.hosts.values() if h["failover_segment_id"] == segment]
        return 200, {"hosts": found}

    def create_host(self, body: Any, segment: str) -> tuple[int, Any]:
        host = {"id": next(self._numbers), "uuid": str(uuid.uuid4()), "on_maintenance": False}
        host["failover_segment_id"] = segment
        host.update(body["host"])
        if any(other["name"] == host["name"] for other in self.hosts.values()):
            raise RefusedError(
                409, "conflictingRequest", f"A host with name {host['name']} exists."
            )
        self.hosts[host["uuid"]] = host
        return 201, {"host": host}

    def update_host(self, body: Any, segment: str, host: str) -> tuple[int, Any]:
        self._not_busy(segment)
        self.hosts[host].update(body["host"])
        return 200, {"host": self.hosts[host]}

    def delete_host(self, body: Any, segment: str, host: str) -> tuple[int, Any]:
        self._not_busy(segment)
        del self.hosts[host]
        return 204, None

    def list_notifications(self, body: Any, host: str, kind: str) -> tuple[int, Any]:
        wanted = {"source_host_uuid": host, "type": kind}
        return 200, {
            "notifications": [n for n in self.notifications if wanted.items() <= n.items()]
        }

    def list_failures(self, body: Any, limit: str) -> tuple[int, Any]:
        found = [n for n in self.notifications if n["type"] == "COMPUTE_HOST"]
        found.sort(key=lambda n: str(n["generated_time"]), reverse=True)
        short = [{k: v for k, v in n.items() if "details" not in k} for n in found]
        assert int(limit) <= self.page
        return 200, {"notifications": short}

    def list_ignored(self, body: Any, since: str) -> tuple[int, Any]:
        found = [n for n in self.notifications if (n["type"], n["status"]) == ("VM", "ignored")]
        found = [n for n in found if str(n["generated_time"]) >= unquote(since).rstrip("Z")]
        return 200, {"notifications": found}

    def show_notification(self, body: Any, wanted: str) -> tuple[int, Any]:
        for notification in self.notifications:
            if notification["notification_uuid"] == wanted:
                return 200, {"notification": notification}
        text = f"No notification with id {wanted}."
        raise RefusedError(404, "itemNotFound", text)

    def _not_busy(self, segment: str) -> None:
        if segment in self.busy:
            message = "Host can't be updated as it is in-use to process notifications."
            raise RefusedError(409, "conflictingRequest", message)


_ID = "([0-9a-f-]+)"
_ROUTES: list[tuple[str, Any]] = [
    ("POST /v3/auth/tokens", FakeCloud.token),
    ("GET /nova/v2.1/?", FakeCloud.nova_version),
    (r"GET /nova/v2.1/os-services\?binary=nova-compute", FakeCloud.list_services),
    (
        r"GET /nova/v2.1/os-migrations\?source_compute=(.+)&migration_type=(.+)&status=(.+)",
        FakeCloud.list_migrations,
    ),
    ("GET /nova/v2.1/os-hypervisors/detail", FakeCloud.list_hypervisors),
    (f"PUT /nova/v2.1/os-services/{_ID}", FakeCloud.update_service),
    ("GET /v1/segments", FakeCloud.list_segments),
    ("POST /v1/segments", FakeCloud.create_segment),
    (f"PUT /v1/segments/{_ID}", FakeCloud.update_segment),
    (f"DELETE /v1/segments/{_ID}", FakeCloud.delete_segment),
    (f"GET /v1/segments/{_ID}/hosts", FakeCloud.list_hosts),
    (f"POST /v1/segments/{_ID}/hosts", FakeCloud.create_host),
    (f"PUT /v1/segments/{_ID}/hosts/{_ID}", FakeCloud.update_host),
    (f"DELETE /v1/segments/{_ID}/hosts/{_ID}", FakeCloud.delete_host),
    (
        r"GET /v1/notifications\?type=COMPUTE_HOST&sort_key=generated_time&sort_dir=desc"
        r"&limit=(\d+)",
        FakeCloud.list_failures,
    ),
    (
        r"GET /v1/notifications\?type=VM&status=ignored&generated-since=([^&]+)",
        FakeCloud.list_ignored,
    ),
    (r"GET /v1/notifications/([^?]+)", FakeCloud.show_notification),
    (
        rf"GET /v1/notifications\?source_host_uuid={_ID}&type=([A-Z_]+)",
        FakeCloud.list_notifications,
    ),
]


class Server(ThreadingHTTPServer):
    """Serves a `FakeCloud` on a port of its own."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.cloud = FakeCloud(url=f"http://127.0.0.1:{self.server_port}")
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def end(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet; otherwise each waits for an acknowledgement
    server: Server

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        try:
            status, answer = self.server.cloud.answer(self.command, self.path, body)
        except RefusedError as refusal:
            status, answer = refusal.status, refusal.body
        if answer is None:
            text = b""
        else:
            text = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")  # else its encoding is guessed
        self.send_header("Content-Length", str(len(text)))
        if status == 201:
            self.send_header("X-Subject-Token", "token")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)
        self.wfile.flush()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def connect(cloud: FakeCloud, **changes: object) -> Cloud:
    """Access to it, as the charm has it."""
    options = {
        "region": "RegionOne",
        "internal": False,
        "ca_bundle": None,
        "masakari_url": f"{cloud.url}/v1",
        **changes,
    }
    return Cloud(cloud.identity(), **options)  # type: ignore[arg-type]


def create(segments: Segments, **options: object) -> dict[str, object]:
    """Create the segment rack1; without options it has no hosts."""
    defaults: dict[str, object] = {
        "recovery_method": "auto",
        "description": None,
        "enabled": None,
        "hosts": [],
        "reserved_hosts": [],
        "disable_reserved": True,
    }
    return segments.create("rack1", **{**defaults, **options})  # type: ignore[arg-type]
