"""Keystone, Nova and Masakari of a cloud with so many hypervisors, as far as a notifier asks them.

Everything is up and nothing is ever recovered: what is measured is who is told, and when.
"""

import contextlib
import json
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PORT = 5000


class Apis:
    """All three, at one port.

    Args:
        host: the address to listen at.
        names: the hypervisors.
        port: of TCP.

    Attributes:
        told: when a host was reported first, in seconds of the monotonic clock.
        requests: how many there were.
    """

    def __init__(self, host: str, names: Sequence[str], port: int = PORT) -> None:
        self.told: dict[str, float] = {}
        self.requests = 0
        self._notifications: list[dict[str, Any]] = []
        self._lists = _lists(names)
        self._url = f"http://{host}:{port}"
        apis = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"{}")
                code, found = apis.answer(self.command, self.path, body)
                data = json.dumps(found).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("X-Subject-Token", "token")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # its member is being switched off
                    self.wfile.write(data)

            do_GET = do_POST = do_PUT = answer  # noqa: N815 - the server's names

            def log_message(self, *args: object) -> None:
                """Say nothing of each request."""

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def configuration(self) -> str:
        """Return the notifier's configuration file."""
        keystone = f"auth_url = {self._url}/v3\nusername = u\npassword = p\nproject_name = s\n"
        return f"[keystone]\n{keystone}[api]\nendpoints = {self._url}/v1\n"

    def answer(self, method: str, target: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return the status and the document that a request is answered with."""
        self.requests += 1
        parts = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path.endswith("/auth/tokens"):
            return 201, _token(self._url)
        if method == "POST" and parts.path.endswith("/notifications"):
            return 202, {"notification": self._notify(body["notification"])}
        if "marker" in query:  # one page has all
            return 200, {name: [] for name in ("segments", "hosts", "notifications")}
        if parts.path.endswith("/notifications"):
            wanted = {k: v for k, v in query.items() if k in ("source_host_uuid", "status")}
            found = [n for n in self._notifications if wanted.items() <= n.items()]
            return 200, {"notifications": found}
        name = parts.path.removeprefix("/v1/segments/one").rpartition("/")[2]
        return 200, {name.removeprefix("os-"): self._lists.get(name, [])}

    def _notify(self, wanted: dict[str, Any]) -> dict[str, Any]:
        name, number = wanted["hostname"], len(self._notifications) + 1
        self.told.setdefault(name, time.monotonic())
        own = {"notification_uuid": f"n{number}", "id": number, "status": "finished"}
        made = {**wanted, **own, "source_host_uuid": name, "updated_at": wanted["generated_time"]}
        self._notifications.append(made)
        return made


def _token(url: str) -> dict[str, Any]:
    def service(kind: str, path: str) -> dict[str, Any]:
        ends = [{"interface": "internal", "region": "r", "region_id": "r", "url": url + path}]
        return {"type": kind, "name": kind, "id": kind, "endpoints": ends}

    catalog = [service("compute", "/v2.1"), service("instance-ha", "/v1")]
    user = {"id": "u", "name": "u", "domain": {"id": "d", "name": "d"}}
    times = {"expires_at": "2999-01-01T00:00:00.0Z", "issued_at": "2020-01-01T00:00:00.0Z"}
    return {"token": {"methods": ["password"], "user": user, "catalog": catalog, **times}}


def _lists(names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    return {
        "segments": [{"uuid": "one", "id": 1, "name": "one", "enabled": True}],
        "hosts": [
            {"uuid": name, "id": number, "name": name, "on_maintenance": False}
            for number, name in enumerate(names, 1)
        ],
        "os-services": [
            {
                "id": name, "host": name, "binary": "nova-compute", "status": "enabled",
                "state": "up", "forced_down": False, "updated_at": "2026-01-01T00:00:00",
            }
            for name in names
        ],
    }  # fmt: skip
