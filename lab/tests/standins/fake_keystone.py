"""As much of Keystone's v3 API, in memory, as the stand-in for keystone uses."""

from __future__ import annotations

import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

KINDS = ("domains", "endpoints", "projects", "regions", "roles", "services", "users")


class FakeKeystone:
    """The API, served on a port of this machine.

    Attributes:
        things: what there is, by kind (``users``) and id.
        grants: user, role and project or domain of each assignment, by name.
        writes: method and path of every request but GET.
    """

    def __init__(self) -> None:
        self.things: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in KINDS}
        for name in ("Admin", "member", "reader"):
            self.add("roles", {"name": name})
        self.things["regions"]["RegionOne"] = {"id": "RegionOne"}
        self.grants: set[tuple[str, str, str]] = set()
        self.writes: list[tuple[str, str]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                code, said = api.answer(self.command, self.path, json.loads(body or b"{}"))
                data = json.dumps(said).encode() if said is not None else b""
                self.send_response(code)
                self.send_header("X-Subject-Token", "token")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = do_PUT = handle_any  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, kind: str, thing: dict[str, Any]) -> dict[str, Any]:
        made = {"id": thing.get("id") or uuid.uuid4().hex, **thing}
        self.things[kind][made["id"]] = made
        return made

    def names(self, kind: str) -> set[str]:
        return {thing["name"] for thing in self.things[kind].values()}

    def urls(self, service: str) -> dict[str, str]:
        """URL by interface of a service's endpoints."""
        (found,) = [s["id"] for s in self.things["services"].values() if s["name"] == service]
        endpoints = [e for e in self.things["endpoints"].values() if e["service_id"] == found]
        assert len({e["interface"] for e in endpoints}) == len(endpoints)
        return {endpoint["interface"]: endpoint["url"] for endpoint in endpoints}

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        url = urlsplit(path)
        kind, *rest = url.path.removeprefix("/v3/").split("/")
        if kind == "auth":
            return 201, {}
        if method != "GET":
            self.writes.append((method, url.path))
        if method == "PUT":
            scope, _, user, _, role = rest
            name = self.things["roles"][role]["name"]
            target = self.things[kind][scope]["name"]
            self.grants.add((self.things["users"][user]["name"], name, target))
            return 204, None
        singular = kind[:-1]
        if method == "POST":
            return 201, {singular: self.add(kind, body[singular])}
        if method == "PATCH":
            self.things[kind][rest[0]].update(body[singular])
            return 200, {singular: self.things[kind][rest[0]]}
        wanted = dict(parse_qsl(url.query))
        found = [t for t in self.things[kind].values() if wanted.items() <= t.items()]
        return 200, {kind: found}
