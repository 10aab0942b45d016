"""A network service without networks.

Nova asks Neutron about ports, networks and security groups also for a guest that has none; it
creates such a guest, evacuates and deletes it when every answer is an empty collection. Neutron
itself would bring a schema, workers and agents for that same answer.

Usage: stub.py PORT
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Stub(BaseHTTPRequestHandler):
    """Answers every list with nothing, and refuses every change."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """List a collection, which is empty, or the versions of the API."""
        parts = [part for part in urlsplit(self.path).path.split("/") if part]
        if len(parts) < 2:
            links = [{"rel": "self", "href": f"http://{self.headers['Host']}/v2.0/"}]
            version = {"id": "v2.0", "status": "CURRENT", "links": links}
            self._answer(200, {"versions": [version]} if not parts else {"resources": []})
        elif len(parts) == 2:
            self._answer(200, {parts[1].replace("-", "_"): []})
        else:
            self._refuse(404, "NotFound", f"There is no {parts[1]} {parts[2]}.")

    def do_POST(self) -> None:
        """Refuse to create, change or delete anything."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._refuse(501, "NotImplemented", "The lab has no networks.")

    do_PUT = do_POST  # noqa: N815  (the base class calls it so)
    do_DELETE = do_POST  # noqa: N815

    def _refuse(self, code: int, kind: str, message: str) -> None:
        self._answer(code, {"NeutronError": {"type": kind, "message": message, "detail": ""}})

    def _answer(self, code: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base's name)
        """Leave the journal to what matters."""


if __name__ == "__main__":
    ThreadingHTTPServer(("", int(sys.argv[1])), Stub).serve_forever()
