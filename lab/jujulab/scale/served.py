"""The APIs of a cloud, by HTTP on the loopback: `python -m jujulab.scale.served SIZE`.

A process of its own, so that what it takes is nobody else's. It says its port, and ends when its
standard input does. `/set?latency=0.02&entry=0.0002&errors=0.01` says how it answers: seconds for
each request and each entry, and the share that is answered with status 503. `/counted` tells the
requests and bytes so far.
"""

import contextlib
import json
import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jujulab.scale.cloud import Cloud, NoSuchError, entries


class Served:
    """Listens at a free port.

    Attributes:
        url: where.
    """

    def __init__(self, size: int) -> None:
        self._manners = {"latency": 0.0, "entry": 0.0, "errors": 0.0}
        self._counted = {"requests": 0, "bytes": 0}
        self._chance = random.Random(size)  # noqa: S311 - no secret
        self._lock = threading.Lock()
        self._known: dict[str, tuple[bytes, int]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._cloud = Cloud(size, self.url)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, target: str) -> tuple[int, bytes]:
        """Return the status and the body that a request is answered with, after a while."""
        parts = urlsplit(target)
        query = parse_qs(parts.query)
        if parts.path == "/counted":
            return 200, json.dumps(self._counted).encode()
        if parts.path == "/set":
            self._manners |= {key: float(values[0]) for key, values in query.items()}
            return 200, b"{}"
        login = parts.path.endswith("/tokens")
        with self._lock:
            fails = not login and self._chance.random() < self._manners["errors"]
        if fails:
            return self._count(503, b'{"error": {"message": "try again", "code": 503}}')
        try:
            body, number = self._body(method, target, parts.path, query)
        except NoSuchError as error:
            text = json.dumps({"itemNotFound": {"message": str(error), "code": 404}})
            return self._count(404, text.encode())
        time.sleep(self._manners["latency"] + number * self._manners["entry"])
        codes = {"POST": 202 if parts.path.endswith("/notifications") else 201, "DELETE": 204}
        return self._count(codes.get(method, 200), b"" if method == "DELETE" else body)

    def _body(self, method: str, target: str, path: str, query: Any) -> tuple[bytes, int]:
        """Return an answer and its entries; it is made once, as that is not what is measured."""
        found = self._known.get(target) if method == "GET" else None
        if found is None:
            document = self._cloud.answer(method, path, query)
            found = json.dumps(document).encode(), entries(document)
            if method == "GET":
                self._known[target] = found
        return found

    def _count(self, code: int, body: bytes) -> tuple[int, bytes]:
        with self._lock:
            self._counted["requests"] += 1
            self._counted["bytes"] += len(body)
        return code, body

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        served = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            disable_nagle_algorithm = True

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                code, body = served.answer(self.command, self.path)
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("X-Subject-Token", "token")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # nobody waits for it any more
                    self.wfile.write(body)
                    self.wfile.flush()

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the server's names

            def log_message(self, *args: object) -> None:
                """Say nothing of each request."""

        return Handler


def main() -> None:
    """Serve until the standard input ends."""
    served = Served(int(sys.argv[1]))
    print(served.url, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
