"""The witness: a daemon on every hypervisor between Masakari's Consul driver and the agents.

For the driver it is one Consul agent for each network, on the loopback interface, whose members
are the hypervisors (see `peers`) as `sight` makes them out from all agents' answers. To the
cluster it testifies, on all addresses, whether it can reach a hypervisor whose connection was
lost, and what the matrix says about that: Pacemaker itself sees a hypervisor in one network only.

    GET /v1/agent/members      (loopback, one port a network) as Consul answers it
    GET /v1/hosts/NAME         {"health": {"storage": "up", ...}, "recovery": true, false or null,
                                "running": the same of a host whose machine is known to run}
    GET /v1/networks           {"storage": {"members": [...], "witnesses": [...], "silent": [...],
                                "problems": [...]}}

Usage: python3 -m network_matrix.witness FILE, with the configuration that `Settings` describes.
"""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from network_matrix import consul, matrix, ports
from network_matrix.consul import parse_agents
from network_matrix.peers import Peers
from network_matrix.sight import HUNG, Blind, Sight, View

LOG = logging.getLogger("network_matrix.witness")

REFRESH = 5.0
"""Seconds between two looks, so that the members' addresses are known when they are needed."""


class SettingsError(Exception):
    """The configuration file is missing or malformed."""


@dataclass(frozen=True)
class Settings:
    """The configuration: JSON with `agents`, network -> addresses, and the matrix."""

    agents: dict[str, tuple[consul.Agent, ...]]
    matrix: matrix.Matrix

    @classmethod
    def read(cls, path: Path) -> Settings:
        """Read the file.

        Raises:
            SettingsError: it is missing or malformed.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            agents = {name: parse_agents(text) for name, text in data["agents"].items()}
            return cls(agents, matrix.parse(data["matrix"], list(agents)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SettingsError(f"{path}: {error}") from None


class Witness:
    """Answers the questions.

    Args:
        sights: looks at each network.
        matrix: what the networks' states call for.
        peers: which members are hypervisors.
    """

    def __init__(self, sights: Mapping[str, Sight], matrix: matrix.Matrix, peers: Peers) -> None:
        self._sights = dict(sights)
        self._matrix = matrix
        self._peers = peers
        self._told: dict[str, str] = {}

    def members(self, network: str) -> list[dict[str, object]]:
        """Return the hypervisors among the members of a network, as Consul does.

        Raises:
            Blind: there is nothing to say.
        """
        return [
            {
                "Name": member.name,
                "Addr": member.address,
                "Port": member.port,
                "Tags": {},
                "Status": int(member.status),
            }
            for member in self._sights[network].look().members.values()
            if member.name in self._peers
        ]

    def host(self, name: str) -> dict[str, object]:
        """Return what can be seen of a hypervisor now, and whether that calls for recovery.

        Where its machine runs for certain, one that accepts connections is in the network, hung as
        it may look: Pacemaker is in touch with what runs on it.
        """
        with ThreadPoolExecutor(len(self._sights)) as pool:
            seen = list(pool.map(lambda sight: sight.state(name), self._sights.values()))

        def judged(hung: str) -> dict[str, object]:
            states = [hung if state == HUNG else state for state in seen]
            health = dict(zip(self._sights, states, strict=True))
            return {"health": health, "recovery": self._matrix.recovers(health)}

        return {**judged(matrix.DOWN), "running": judged(matrix.UP)}

    def networks(self) -> dict[str, object]:
        """Return who is in each network, and what is wrong with it."""
        with ThreadPoolExecutor(len(self._sights)) as pool:
            return dict(zip(self._sights, pool.map(self._network, self._sights), strict=True))

    def _network(self, name: str) -> dict[str, object]:
        try:
            view = self._sights[name].look()
        except Blind as blind:
            view, problems = View({}), [str(blind)]
        else:
            problems = list(view.deaf)
            self._peers.look(view.members.values())
        text = "; ".join(problems)
        if text != self._told.get(name, ""):
            LOG.warning("%s network: %s", name, text or "all agents answer again")
            self._told[name] = text
        return {
            "members": sorted(view.members),
            "witnesses": sorted(name for name in view.members if name in self._peers),
            "silent": sorted(view.silent),
            "problems": problems,
        }


Route = Callable[[str], tuple[int, Any]]
"""Answers a path with a status and something for JSON."""


def agent_route(witness: Witness, network: str) -> Route:
    """Be an agent of one network."""

    def route(path: str) -> tuple[int, Any]:
        if path.partition("?")[0] != consul.PATH:
            return 404, "not found"
        try:
            return 200, witness.members(network)
        except Blind as blind:
            return 500, str(blind)

    return route


def testimony_route(witness: Witness) -> Route:
    """Testify to the cluster and to the charm."""

    def route(path: str) -> tuple[int, Any]:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if parts == ["v1", "networks"]:
            return 200, witness.networks()
        if len(parts) == 3 and parts[:2] == ["v1", "hosts"]:
            return 200, witness.host(parts[2])
        return 404, "not found"

    return route


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


class _AllAddresses(_Server):
    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        """Listen on IPv4, too."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def handler(route: Route) -> type[BaseHTTPRequestHandler]:
    """Return a request handler for a route."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            """Answer in JSON."""
            status, content = route(self.path)
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing about each request."""

    return Handler


def serve(settings: Settings) -> None:
    """Run for ever."""
    sights = {name: Sight(agents) for name, agents in settings.agents.items()}
    witness = Witness(sights, settings.matrix, Peers(ports.TESTIMONY))
    _start(_all_addresses(testimony_route(witness)))
    # Before the driver asks: in one network it must not miss whom it has seen in another.
    witness.networks()
    for name in settings.agents:
        address = ("127.0.0.1", ports.AGENTS[name])
        _start(_Server(address, handler(agent_route(witness, name))))
    while True:
        time.sleep(REFRESH)
        witness.networks()


def _start(server: _Server) -> None:
    threading.Thread(target=server.serve_forever, daemon=True).start()


def _all_addresses(route: Route) -> _Server:
    try:
        return _AllAddresses(("::", ports.TESTIMONY), handler(route))
    except OSError:  # no IPv6 in this kernel
        return _Server(("0.0.0.0", ports.TESTIMONY), handler(route))  # noqa: S104 - see the README


def main(argv: list[str]) -> int:
    """Run the daemon.

    Returns:
        the exit code, when it cannot run as it is configured.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        settings = Settings.read(Path(argv[0]))
    except SettingsError as error:
        LOG.error("%s", error)
        return 1
    serve(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
