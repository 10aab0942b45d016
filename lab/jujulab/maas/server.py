"""A look-alike of the part of MAAS that fencing needs: machines and their power, over its API.

It listens on the bridges of all spaces, where nodes reach it as ``http://10.77.2.1:5240/MAAS``
and so on. The server's process is
``python -m jujulab.maas.server --home DIR``.
"""

import argparse
import ctypes
import json
import re
import signal
import socket
import sys
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jujulab.maas.oauth import ApiKey
from jujulab.maas.power import PowerController
from jujulab.machines.addresses import gateway
from jujulab.machines.lab import Lab, Machine

PORT = 5240
API = "/MAAS/api/2.0/"

_CLONE_NEWNET = 0x40000000
_SYSTEM_ID = "lab{:03}"

_MACHINE = re.compile(r"machines/(?P<system_id>[^/]+)/(?:op-(?P<op>\w+)/?)?")


def url(space: str = "admin") -> str:
    """Return the ``maas_url`` by which a space's machines reach the API."""
    return f"http://{gateway(space)}:{PORT}/MAAS"


def credentials_file(lab: Lab) -> Path:
    """Return the file with the API key, for ``maas_credentials``."""
    return lab.home / "maas-credentials"


class ApiError(Exception):
    """The request is answered with an error: an HTTP status, and a body."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class Api:
    """What the requests mean, apart from HTTP; one API key is good."""

    def __init__(self, power: PowerController, key: ApiKey) -> None:
        self._power = power
        self._key = key

    def answer(
        self, method: str, path: str, query: dict[str, list[str]], authorization: str | None
    ) -> Any:
        """Carry out a request below ``/MAAS/api/2.0/``; return the answer, or raise ApiError."""
        if self._power.settings.outage:
            self._power.journal.write("refuse", "", f"outage: {method} {path}")
            raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "Service unavailable")
        if (method, path) == ("GET", "version/"):
            # MAAS tells its version to anybody.
            return {"version": "3.5.0", "subversion": "", "capabilities": []}
        if (method, path) == ("GET", "describe/"):
            # Nor does it take a key to learn what there is, the first thing that libmaas asks.
            return {"doc": "MAAS API", "hash": "lab", "resources": []}
        if not self._key.accepts(authorization):
            self._power.journal.write("refuse", "", f"wrong API key: {method} {path}")
            raise ApiError(HTTPStatus.UNAUTHORIZED, "Authorization Error: Invalid API key.")
        operation = query.get("op", [""])[0]
        if (method, path, operation) == ("GET", "users/", "whoami"):
            return {"username": "lab", "is_superuser": True, "is_local": True}
        if (method, path) == ("GET", "machines/"):
            return self._list(query.get("hostname"))
        match = _MACHINE.fullmatch(path)
        if match is None:
            raise ApiError(HTTPStatus.NOT_FOUND, f"Unknown API endpoint: {API}{path}.")
        return self._machine(method, match["system_id"], match["op"] or operation)

    def _nodes(self) -> list[Machine]:
        forgotten = self._power.settings.forgotten
        return [node for node in self._power.nodes() if node.hostname not in forgotten]

    def _list(self, hostnames: list[str] | None) -> list[dict[str, Any]]:
        # MAAS knows a machine by its short name only; a fully qualified one matches nothing.
        nodes = self._nodes()
        return [self._describe(n) for n in nodes if hostnames is None or n.hostname in hostnames]

    def _machine(self, method: str, system_id: str, operation: str) -> Any:
        node = next((n for n in self._nodes() if _system_id(n) == system_id), None)
        if node is None:
            raise ApiError(HTTPStatus.NOT_FOUND, "No Machine matches the given query.")
        if (method, operation) == ("GET", ""):
            return self._describe(node)
        if operation and node.hostname in self._power.settings.mute:
            raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "The power controller does not answer.")
        if (method, operation) == ("GET", "query_power_state"):
            time.sleep(self._power.settings.answer_delay)
            return {"state": self._power.state(node)}
        if method != "POST" or operation not in ("power_off", "power_on"):
            text = f"Unrecognised signature: method={method} op={operation}"
            raise ApiError(HTTPStatus.BAD_REQUEST, text)
        if operation == "power_off":
            self._power.power_off(node)
        else:
            self._power.power_on(node)
        return self._describe(node)

    def _describe(self, node: Machine) -> dict[str, Any]:
        return {
            "system_id": _system_id(node),
            "hostname": node.hostname,
            "fqdn": node.fqdn,
            "power_state": self._power.state(node),
            "power_type": "ipmi",
            "status_name": "Deployed",
            "ip_addresses": [str(address.ip) for address in node.addresses.values()],
            "resource_uri": f"{API}machines/{_system_id(node)}/",
        }


def _system_id(node: Machine) -> str:
    return _SYSTEM_ID.format(node.identity.node)


def handler(api: Api) -> type[BaseHTTPRequestHandler]:
    """Return the class that answers HTTP requests with an `Api`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Leave logging to the journal: a request line says nothing that matters."""

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            status, body = HTTPStatus.OK, ""
            try:
                if not parts.path.startswith(API):
                    raise ApiError(HTTPStatus.NOT_FOUND, f"Unknown path: {parts.path}")
                path, query = parts.path.removeprefix(API), parse_qs(parts.query)
                answer = api.answer(self.command, path, query, self.headers.get("Authorization"))
                body = json.dumps(answer)
            except ApiError as error:
                status, body = error.status, str(error)
            except Exception as error:
                # The server must outlive whatever goes wrong with one machine.
                status, body = HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}"
            kind = "application/json" if status == HTTPStatus.OK else "text/plain"
            content = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the names are those of http.server

    return Handler


class Server(ThreadingHTTPServer):
    """The HTTP server, on a socket in another network namespace than the process."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, namespace: Path, handler_class: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("0.0.0.0", PORT), handler_class, bind_and_activate=False)  # noqa: S104
        self.socket.close()
        self.socket = listen_in(namespace, PORT)


def listen_in(namespace: Path, port: int) -> socket.socket:
    """Return a TCP socket that listens on all addresses of a network namespace.

    A socket stays in the namespace in which it was made; the thread that makes it goes back.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(handle: int) -> None:
        if libc.setns(handle, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")

    with Path("/proc/thread-self/ns/net").open() as home, namespace.open() as target:
        enter(target.fileno())
        try:
            return socket.create_server(("", port), backlog=64)
        finally:
            enter(home.fileno())


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="jujulab.maas.server")
    parser.add_argument("--home", type=Path, required=True, help="the lab's directory")
    parser.add_argument("--cache", type=Path, required=True, help="the image cache")
    arguments = parser.parse_args()
    lab = Lab(arguments.home, arguments.cache)
    power = PowerController(lab)
    api = Api(power, ApiKey.at(credentials_file(lab)))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Server(lab.network.path(), handler(api)) as server:
        power.resume()
        lab.maas.announce()
        server.serve_forever()


if __name__ == "__main__":
    main()
