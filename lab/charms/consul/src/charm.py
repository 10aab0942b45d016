"""Stand-in for Consul: Serf in one network, behind an adapter that answers as Consul does."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import workload
from standin import Unit, main, tool

GOSSIP_PORT = 8301
"""Consul's port for gossip in its own network, `serf_lan`."""

HTTP_PORT = 8500
RPC_PORT = 8400
"""Where Serf takes commands; once the port of Consul's own command line."""

PROGRAM = "usr/local/lib/consul-standin/agent.py"

_SERF = """\
[Unit]
Description=Serf in the network {address}
After=network.target

[Service]
ExecStart=/usr/bin/serf agent -config-file=/{settings}
DynamicUser=yes
Restart=always
RestartSec=2
KillSignal=SIGINT

[Install]
WantedBy=multi-user.target
"""

_AGENT = """\
[Unit]
Description=Consul's HTTP API on {address}
After=network.target

[Service]
ExecStart=/usr/bin/python3 /{program} {address} {http} {rpc}
DynamicUser=yes
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
"""


def reconcile(unit: Unit) -> list[str]:
    """Operate a member and tell who relates where it answers."""
    unit.keep("serf", install)
    address = unit.address("cluster")
    application = unit.name.partition("/")[0]
    settings = f"etc/consul-standin/{application}.json"
    serf, agent = f"{application}-serf", f"{application}-agent"
    peers = [bag["ingress-address"] for _, bag in unit.bags("cluster") if "ingress-address" in bag]
    changed = [
        workload.write(unit.root / PROGRAM, Path(__file__).with_name("agent.py").read_text()),
        workload.write(unit.root / settings, serf_settings(unit, address, peers)),
        workload.write(
            unit.root / unit_file(serf), _SERF.format(address=address, settings=settings)
        ),
        workload.write(
            unit.root / unit_file(agent),
            _AGENT.format(address=address, program=PROGRAM, http=HTTP_PORT, rpc=RPC_PORT),
        ),
    ]
    if any(changed[2:]):
        workload.run("systemctl", "daemon-reload")
    workload.serve(unit, [serf], settings, unit_file(serf))
    workload.serve(unit, [agent], PROGRAM, unit_file(agent))
    if unit.leader:
        for relation in unit.related("consul-cluster"):
            relation.publish_app(endpoints(unit, address))
    return [serf, agent]


def unit_file(service: str) -> str:
    """Path of a service's file, below the root."""
    return f"etc/systemd/system/{service}.service"


def serf_settings(unit: Unit, address: str, peers: list[str]) -> str:
    """Serf's configuration, with Consul's behaviour of a client agent."""
    name = socket.gethostname()
    if unit.config["node-names"] == "fqdn":
        name = socket.getaddrinfo(name, None, flags=socket.AI_CANONNAME)[0][3]
    settings = {
        "node_name": name,
        "bind": f"{address}:{GOSSIP_PORT}",
        "rpc_addr": f"{address}:{RPC_PORT}",
        "profile": "lan",
        "leave_on_terminate": True,
        "rejoin_after_leave": True,
        "retry_join": [f"{peer}:{GOSSIP_PORT}" for peer in sorted(peers)],
        "retry_interval": "2s",
        # Consul's own is 30 s; here somebody waits for the network that is plugged in again.
        "reconnect_interval": "5s",
    }
    return json.dumps(settings, indent=1)


def endpoints(unit: Unit, address: str) -> dict[str, str]:
    """The databag of the interface, in its own encoding: text, and JSON for the endpoints."""
    return {
        "datacenter": unit.config["datacenter"],
        "internal_gossip_endpoints": json.dumps([f"{address}:{GOSSIP_PORT}"]),
        "external_gossip_endpoints": json.dumps([f"{address}:{GOSSIP_PORT}"]),
        "internal_http_endpoint": json.dumps(f"{address}:{HTTP_PORT}"),
        "external_http_endpoint": json.dumps(f"{address}:{HTTP_PORT}"),
    }


def install() -> bool:
    """Install Serf, without the service that its package brings."""
    tool("status-set", "maintenance", "Installing apt packages")
    workload.run("systemctl", "mask", "serf.service")
    workload.run("apt-get", "install", "--yes", "-qq", "serf")
    return True


if __name__ == "__main__":
    main(reconcile)
