"""Addresses of agents, and asking one over HTTP."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from network_matrix import consul
from network_matrix.consul import Agent, AgentError, Answer, Member, Status

MEMBERS = [
    {"Name": "node1.maas", "Addr": "10.0.0.1", "Port": 8301, "Tags": {}, "Status": 1},
    {"Name": "node2.maas", "Addr": "10.0.0.2", "Port": 8301, "Tags": {}, "Status": 4},
]


@pytest.mark.parametrize(
    ("text", "agents"),
    [
        ("", ()),
        ("10.0.0.1", (Agent("10.0.0.1", 8500),)),
        ("10.0.0.1:8600, consul.example", (Agent("10.0.0.1", 8600), Agent("consul.example"))),
        ("[2001:db8::1]:8501 [2001:db8::2]", (Agent("2001:db8::1", 8501), Agent("2001:db8::2"))),
        ("a a", (Agent("a"),)),
    ],
)
def test_addresses(text: str, agents: tuple[Agent, ...]) -> None:
    assert consul.parse_agents(text) == agents
    assert consul.parse_agents(" ".join(map(str, agents))) == agents


@pytest.mark.parametrize("word", ["http://a:8500", "a:", "a:0", "a:70000", "a:b", "2001:db8::1"])
def test_what_is_no_address_is_named(word: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        consul.parse_agents(f"10.0.0.1 {word}")


class Server:
    def __init__(self) -> None:
        self.status, self.body = 200, json.dumps(MEMBERS).encode()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                assert self.path == "/v1/agent/members"
                self.send_response(server.status)
                self.end_headers()
                self.wfile.write(server.body)

            def log_message(self, *args: Any) -> None: ...

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.agent = Agent("127.0.0.1", self.http.server_port)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


def test_members_by_name(server: Server) -> None:
    assert consul.members(server.agent) == {
        "node1.maas": Member("node1.maas", "10.0.0.1", 8301, Status.ALIVE),
        "node2.maas": Member("node2.maas", "10.0.0.2", 8301, Status.FAILED),
    }


@pytest.mark.parametrize("body", [b"", b"{}x", b'[{"Name": "a"}]', b"[1]", b'{"a": 1}'])
def test_an_answer_that_is_not_consuls(server: Server, body: bytes) -> None:
    server.body = body
    with pytest.raises(AgentError, match="not answer as Consul does"):
        consul.members(server.agent)


def test_a_state_that_consul_does_not_have(server: Server) -> None:
    server.body = json.dumps([{**MEMBERS[0], "Status": 9}]).encode()
    with pytest.raises(AgentError):
        consul.members(server.agent)


def test_an_error_of_the_agent(server: Server) -> None:
    server.status = 500
    with pytest.raises(AgentError, match="status 500"):
        consul.members(server.agent)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_an_agent_that_is_not_there() -> None:
    with pytest.raises(AgentError, match="does not answer"):
        consul.members(Agent("127.0.0.1", free_port()))


def test_knocking(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def knock(port: int) -> Answer:
        return consul.knock(Member("a", "127.0.0.1", port, Status.ALIVE))

    assert knock(server.agent.port) is Answer.ACCEPTED
    assert knock(free_port()) is Answer.REFUSED

    def unreachable(*args: Any, **kwargs: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", unreachable)
    assert knock(8301) is Answer.SILENT
