"""Answers Consul's `/v1/agent/members` with the members that Serf knows.

Serf's RPC is a stream of MessagePack: a header `{Command, Seq}` and a body, answered by a header
`{Seq, Error}` and a body; see https://www.serf.io/docs/agent/rpc.html.

Usage: agent.py ADDRESS HTTP_PORT RPC_PORT
"""

from __future__ import annotations

import ipaddress
import json
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgpack

STATUS = {"none": 0, "alive": 1, "leaving": 2, "left": 3, "failed": 4}
"""Serf's words for a member's state, and the numbers by which Consul answers."""


def members(address: str, port: int) -> list[dict[str, Any]]:
    """Ask Serf.

    Raises:
        OSError: it does not answer.
    """
    with socket.create_connection((address, port), timeout=5) as connection:
        unpacker = msgpack.Unpacker(raw=False, unicode_errors="surrogateescape")

        def receive() -> Any:
            while True:
                try:
                    return unpacker.unpack()
                except msgpack.OutOfData:
                    data = connection.recv(65536)
                    if not data:
                        raise OSError("Serf closed the connection") from None
                    unpacker.feed(data)

        def send(*parts: object) -> None:
            connection.sendall(b"".join(msgpack.packb(p, use_bin_type=False) for p in parts))

        send({"Command": "handshake", "Seq": 0}, {"Version": 1})
        receive()
        send({"Command": "members", "Seq": 1})
        receive()
        return [_member(entry) for entry in receive()["Members"]]


def _member(entry: dict[str, Any]) -> dict[str, Any]:
    raw = entry["Addr"]
    packed = raw.encode("utf-8", "surrogateescape") if isinstance(raw, str) else raw
    address = ipaddress.ip_address(packed)
    mapped = getattr(address, "ipv4_mapped", None)
    return {
        "Name": entry["Name"],
        "Addr": str(mapped or address),
        "Port": entry["Port"],
        "Tags": entry["Tags"] or {},
        "Status": STATUS[entry["Status"]],
        "ProtocolMin": entry["ProtocolMin"],
        "ProtocolMax": entry["ProtocolMax"],
        "ProtocolCur": entry["ProtocolCur"],
        "DelegateMin": entry["DelegateMin"],
        "DelegateMax": entry["DelegateMax"],
        "DelegateCur": entry["DelegateCur"],
    }


def handler(address: str, rpc_port: int) -> type[BaseHTTPRequestHandler]:
    """Return the request handler for the Serf at an address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """List the members."""
            if self.path.partition("?")[0] != "/v1/agent/members":
                self._answer(404, b"")
                return
            try:
                body = json.dumps(members(address, rpc_port)).encode()
            except (OSError, ValueError, KeyError) as error:
                self._answer(500, str(error).encode())
            else:
                self._answer(200, body)

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing about each request."""

    return Handler


def main(argv: list[str]) -> None:
    """Serve for ever."""
    address, http_port, rpc_port = argv[0], int(argv[1]), int(argv[2])
    ThreadingHTTPServer((address, http_port), handler(address, rpc_port)).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
