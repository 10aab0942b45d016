"""What an operator looks at after a recovery: the segment's hosts, compute services, servers.

The three lists are those that Canonical's Sunbeam shows for Instance Recovery, with its columns.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jujulab.cloud.connection import Cloud
from jujulab.tables import framed


@dataclass(frozen=True)
class SegmentHost:
    """`openstack segment host list SEGMENT -c name -c reserved -c on_maintenance`."""

    reserved: bool
    on_maintenance: bool


@dataclass(frozen=True)
class ComputeService:
    """`openstack compute service list -c Host -c Status -c State`, and whether it is forced."""

    status: str
    state: str
    forced_down: bool


@dataclass(frozen=True)
class Server:
    """`openstack server list --long --all-projects -c Name -c Host -c Status`."""

    status: str
    host: str
    task: str | None
    locked: bool


@dataclass(frozen=True)
class Records:
    """The three lists at one moment, by name."""

    hosts: Mapping[str, SegmentHost]
    services: Mapping[str, ComputeService]
    servers: Mapping[str, Server]


def segment_hosts(cloud: Cloud) -> list[dict[str, Any]]:
    """Return the hosts of all of Masakari's segments."""
    hosts: list[dict[str, Any]] = []
    for segment in cloud.get("instance-ha", "/segments")["segments"]:
        hosts += cloud.get("instance-ha", f"/segments/{segment['uuid']}/hosts")["hosts"]
    return hosts


def read(cloud: Cloud, prefix: str) -> Records:
    """Ask for the lists, of servers with names that begin so."""
    return Records(
        {h["name"]: SegmentHost(h["reserved"], h["on_maintenance"]) for h in segment_hosts(cloud)},
        {
            s["host"]: ComputeService(s["status"], s["state"], s["forced_down"])
            for s in cloud.compute_services()
        },
        {
            s["name"]: Server(
                s["status"], s["OS-EXT-SRV-ATTR:host"], s["OS-EXT-STS:task_state"], s["locked"]
            )
            for s in cloud.servers()
            if s["name"].startswith(prefix)
        },
    )


def render(records: Records) -> str:
    """Return the lists as the tables of the command-line clients."""
    hosts = [(name, h.reserved, h.on_maintenance) for name, h in records.hosts.items()]
    services = [(name, s.status, s.state) for name, s in records.services.items()]
    servers = [(name, s.host, s.status) for name, s in records.servers.items()]
    tables = (
        _table(("name", "reserved", "on_maintenance"), hosts),
        _table(("Host", "Status", "State"), services),
        _table(("Name", "Host", "Status"), servers),
    )
    return "\n".join(tables)


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = framed([head, *sorted(rows)], "+")
    return "\n".join([lines[1], *lines, lines[1]])
