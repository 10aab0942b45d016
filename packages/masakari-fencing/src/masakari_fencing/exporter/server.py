"""Answers scrapes, on this machine alone.

Whoever scrapes is a collector beside this unit (opentelemetry-collector or grafana-agent, by the
relation `cos-agent`); nobody else needs the port.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from masakari_fencing.exporter import exposition

LOG = logging.getLogger("masakari_fencing.exporter")

ADDRESS = "127.0.0.1"

PORT = 15878
"""Beside those of the API, 15848 to 15868."""

TIMEOUT = 30
"""Seconds for which a connection may say nothing."""


def make(collect: Callable[[], list[exposition.Metric]], port: int = PORT) -> ThreadingHTTPServer:
    """Listen.

    Args:
        collect: what there is to show; called by each request, several at a time.
        port: TCP port.

    Raises:
        OSError: the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404, "there is /metrics")
                return
            body = exposition.render(collect()).encode()
            self.send_response(200)
            self.send_header("Content-Type", exposition.CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing of each scrape."""

    server = ThreadingHTTPServer((ADDRESS, port), Handler)
    server.daemon_threads = True
    return server


def serve(collect: Callable[[], list[exposition.Metric]]) -> None:
    """Answer for ever.

    Raises:
        OSError: the port is taken.
    """
    server = make(collect)
    LOG.info("metrics on http://%s:%s/metrics", ADDRESS, PORT)
    server.serve_forever()
