"""A cloud with room in it: what Nova and Placement tell of hypervisors and of what they run.

The forms are those that Nova 26 and Placement 8 (Zed) gave when they were asked the same.
"""

from __future__ import annotations

import dataclasses
import re
import uuid
from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fakecloud import FakeCloud, RefusedError

DEFAULTS = {"VCPU": 16, "MEMORY_MB": 16384, "DISK_GB": 400}

OWN_PROJECT = "5" * 32
"""The project of the service user."""


@dataclasses.dataclass
class BusyCloud(FakeCloud):
    """What Nova tells of instances, and how they are moved.

    Attributes:
        servers: as Nova lists them, the newest first.
        groups: as Nova lists them.
        most: entries in one answer of Nova's.
        stuck: UUIDs of servers whose live migration fails.
        refused: those that Nova does not even begin to move.
        moved: UUIDs in the order in which they were asked to be.
        migrations: Nova's record of moves.
    """

    servers: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    groups: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    most: int = 1000
    stuck: set[str] = dataclasses.field(default_factory=set)
    refused: set[str] = dataclasses.field(default_factory=set)
    moved: list[str] = dataclasses.field(default_factory=list)
    migrations: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    # What the tests say.

    def boot(self, host: str, name: str, *, ram: int = 2048, vcpus: int = 1, **given: Any) -> str:
        """An instance on a host; returns its UUID."""
        identity = str(uuid.uuid4())
        specs = given.pop("extra_specs", {})
        self.servers.insert(
            0,
            {
                "id": identity,
                "name": name,
                "tenant_id": given.pop("project", "p1"),
                "metadata": given.pop("metadata", {}),
                "image": given.pop("image", ""),
                "flavor": {
                    "original_name": "m1",
                    "vcpus": vcpus,
                    "ram": ram,
                    "disk": given.pop("disk", 10),
                    "ephemeral": 0,
                    "swap": 0,
                    "extra_specs": specs,
                },
                "OS-EXT-SRV-ATTR:host": host,
                "OS-EXT-STS:vm_state": given.pop("state", "active"),
                **given,
            },
        )
        return identity

    def group(self, policy: str, *members: str, most: int | None = None) -> None:
        """A server group of instances."""
        rules = {} if most is None else {"max_server_per_host": most}
        self.groups.append(
            {
                "id": str(uuid.uuid4()),
                "name": "group",
                "policy": policy,
                "rules": rules,
                "members": list(members),
            }
        )

    def work(self) -> None:
        """What is under way in Nova ends."""
        for server in self.servers:
            if server.pop("OS-EXT-STS:task_state", None) and server["id"] not in self.stuck:
                source = server["OS-EXT-SRV-ATTR:host"]
                server["OS-EXT-SRV-ATTR:host"] = server.pop("to")
                self.note_migration(server, "live-migration", source)

    def note_migration(self, server: dict[str, Any], kind: str, source: str) -> None:
        """Nova's record of a move that has ended well."""
        self.migrations.append(
            {
                "id": len(self.migrations) + 1,
                "instance_uuid": server["id"],
                "migration_type": kind,
                "source_compute": source,
                "dest_compute": server["OS-EXT-SRV-ATTR:host"],
                "status": "done" if kind == "evacuation" else "completed",
            }
        )

    # What the APIs answer.

    def all_servers(self, query: dict[str, str]) -> dict[str, Any]:
        assert query["all_tenants"] == "1"
        wanted = [one for one in self.servers if self._wanted(one, query)]
        page = self._after(wanted, query)
        more = len(page) == min(self.most, int(query["limit"]))
        return {"servers": page, **({"servers_links": [{"rel": "next"}]} if more else {})}

    def _wanted(self, server: dict[str, Any], query: dict[str, str]) -> bool:
        host = query.get("host", server["OS-EXT-SRV-ATTR:host"])
        return host == server["OS-EXT-SRV-ATTR:host"] and query.get("name", "") in server["name"]

    def _of_server(self, identity: str, what: str, body: Any) -> tuple[int, Any]:
        [server] = [one for one in self.servers if one["id"] == identity]
        if what == "action":
            (order,) = body.values()
            assert body == {"os-migrateLive": {**order, "block_migration": "auto"}}
            self.log.append(("POST", "action", body))
            self.moved.append(identity)
            if identity in self.refused:
                raise RefusedError(400, "badRequest", "it is in a state that is not right")
            server["OS-EXT-STS:task_state"] = "migrating"
            server["to"] = order["host"] or "node9.maas"
            return 202, ""
        actions = [
            {"request_id": "req-1", "action": "create", "start_time": "2026-11-28T01:00:00.0"},
            {"request_id": "req-2", "action": "live-migration", "start_time": "2026-11-28T02"},
        ]
        if what == "os-instance-actions":
            return 200, {"instanceActions": actions}
        assert what == "os-instance-actions/req-2"
        events = [{"result": "Error", "details": "No valid host was found."}]
        return 200, {"instanceAction": {**actions[1], "events": events}}

    def all_migrations(self, query: dict[str, str]) -> dict[str, Any]:
        def wanted(item: dict[str, Any]) -> bool:
            return all(item[key] == value for key, value in query.items())

        return {"migrations": [item for item in self.migrations if wanted(item)]}

    def all_groups(self, query: dict[str, str]) -> dict[str, Any]:
        assert "all_projects" in query
        begin = int(query["offset"])
        return {"server_groups": self.groups[begin : begin + self.most]}

    def _after(self, found: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
        ids = [item["id"] for item in found]
        begin = ids.index(query["marker"]) + 1 if "marker" in query else 0
        return found[begin : begin + min(self.most, int(query.get("limit", self.most)))]


@dataclasses.dataclass
class RoomyCloud(BusyCloud):
    """What Nova tells of hypervisors, and Placement of their room.

    Attributes:
        rooms: capacity by host and resource class, where it is not `DEFAULTS`.
        zones: availability zone by host, where it is not `nova`.
        traits: of the hosts' providers.
        aggregates: as Nova lists them.
        down: Nova's programs of which none is up.
        asked: how often each path was asked for, without its query.
        silent: APIs that answer with an error.
        images: Glance's, by identifier.
        date: what the answers call the time; the server's own clock where empty.
    """

    rooms: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    zones: dict[str, str] = dataclasses.field(default_factory=dict)
    traits: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    aggregates: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    down: set[str] = dataclasses.field(default_factory=set)
    asked: Counter[str] = dataclasses.field(default_factory=Counter)
    silent: set[str] = dataclasses.field(default_factory=set)
    images: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)

    # What the tests say.

    def add_segment(
        self, name: str, *hosts: str, method: str = "auto", reserved: str = ""
    ) -> None:
        """A failover segment with hosts; reserved ones are disabled in Nova."""
        segment = str(uuid.uuid4())
        self.segments[segment] = {
            "id": len(self.segments) + 1,
            "uuid": segment,
            "name": name,
            "recovery_method": method,
            "description": None,
            "enabled": True,
        }
        for host in (*hosts, *filter(None, [reserved])):
            entry = str(uuid.uuid4())
            self.hosts[entry] = {
                "id": len(self.hosts) + 1,
                "uuid": entry,
                "name": host,
                "failover_segment_id": segment,
                "reserved": host == reserved,
                "on_maintenance": False,
            }
        if reserved:
            self.services[reserved]["status"] = "disabled"

    def host_entry(self, name: str) -> dict[str, Any]:
        """Masakari's entry of a host."""
        return next(host for host in self.hosts.values() if host["name"] == name)

    # What the APIs answer.

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        parts = urlsplit(path)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        self.asked[f"{method} {re.sub('[0-9a-f-]{36}', 'ID', parts.path)}"] += 1
        if any(name in parts.path for name in self.silent):
            return 503, ""
        for end, handler in _ROUTES.items():
            if method == "GET" and parts.path == end:
                return 200, handler(self, query)
        if match := re.fullmatch("/nova/v2.1/servers/([^/]+)/(.+)", parts.path):
            return self._of_server(match[1], match[2], body)
        if parts.path.startswith("/glance/v2/images/"):
            found = self.images.get(parts.path.rpartition("/")[2])
            return (404, {}) if found is None else (200, found)
        if parts.path == "/v3/auth/tokens":
            return self.token(body)
        return super().answer(method, path, body)

    def token(self, body: Any) -> tuple[int, Any]:
        status, answer = super().token(body)
        endpoint = {"interface": "public", "region": "RegionOne", "region_id": "RegionOne"}
        domain = {"id": "d", "name": "service_domain"}
        answer["token"]["project"] = {"id": OWN_PROJECT, "name": "services", "domain": domain}
        answer["token"]["catalog"] += [
            {
                "type": kind,
                "name": name,
                "id": name,
                "endpoints": [{**endpoint, "id": f"e-{name}", "url": f"{self.url}/{name}"}],
            }
            for kind, name in (("placement", "placement"), ("image", "glance"))
        ]
        return status, answer

    def all_services(self, query: dict[str, str]) -> dict[str, Any]:
        programs = [
            {
                "id": str(uuid.uuid4()),
                "host": "ctl",
                "binary": name,
                "zone": "internal",
                "status": "enabled",
                "state": "down" if name in self.down else "up",
            }
            for name in ("nova-conductor", "nova-scheduler")
        ]
        computes = [
            {**self._service(entry), "zone": self.zones.get(host, "nova")}
            for host, entry in self.services.items()
            if query.get("binary", "nova-compute") == "nova-compute"
        ]
        return {"services": computes if "binary" in query else programs + computes}

    def all_hypervisors(self, query: dict[str, str]) -> dict[str, Any]:
        found = self.list_hypervisors(None)[1]["hypervisors"]
        for item in found:
            room = self._room(item["service"]["host"])
            item |= {"vcpus": room.get("VCPU", 0), "memory_mb": room.get("MEMORY_MB", 0)}
            item["local_gb"] = room.get("DISK_GB", 0)
        return {"hypervisors": self._after(found, query)}

    def all_aggregates(self, query: dict[str, str]) -> dict[str, Any]:
        return {"aggregates": self.aggregates}

    def candidates(self, query: dict[str, str]) -> dict[str, Any]:
        assert query == {"resources": "MEMORY_MB:1"}
        used: dict[str, Counter[str]] = {host: Counter() for host in self.services}
        for server in self.servers:
            flavor = server["flavor"]
            disk = flavor["disk"] if server["image"] else 0
            specs = flavor["extra_specs"]
            cpus = "PCPU" if specs.get("hw:cpu_policy") == "dedicated" else "VCPU"
            demand = {cpus: flavor["vcpus"], "MEMORY_MB": flavor["ram"], "DISK_GB": disk}
            demand |= {k[10:]: int(v) for k, v in specs.items() if k.startswith("resources:")}
            used[server["OS-EXT-SRV-ATTR:host"]].update(demand)
        found = {}
        for item in self.list_hypervisors(None)[1]["hypervisors"]:
            host = item["service"]["host"]
            room = self._room(host)
            if room["MEMORY_MB"] > used[host]["MEMORY_MB"]:
                found[item["id"]] = {
                    "resources": {
                        kind: {"capacity": amount, "used": used[host][kind]}
                        for kind, amount in room.items()
                    },
                    "traits": self.traits.get(host, []),
                    "parent_provider_uuid": None,
                    "root_provider_uuid": item["id"],
                }
        return {"allocation_requests": [], "provider_summaries": found}

    def _room(self, host: str) -> dict[str, int]:
        return {**DEFAULTS, **self.rooms.get(host, {})}


_ROUTES = {
    "/nova/v2.1/os-services": RoomyCloud.all_services,
    "/nova/v2.1/os-hypervisors/detail": RoomyCloud.all_hypervisors,
    "/nova/v2.1/servers/detail": RoomyCloud.all_servers,
    "/nova/v2.1/os-server-groups": RoomyCloud.all_groups,
    "/nova/v2.1/os-aggregates": RoomyCloud.all_aggregates,
    "/nova/v2.1/os-migrations": RoomyCloud.all_migrations,
    "/placement/allocation_candidates": RoomyCloud.candidates,
}


class Clock:
    """Time that passes while somebody waits, in which Nova does its work."""

    def __init__(self, cloud: RoomyCloud) -> None:
        self.now = 0.0
        self.most = 0
        self._cloud = cloud

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        tasks = [s for s in self._cloud.servers if s.get("OS-EXT-STS:task_state")]
        self.most = max(self.most, len(tasks))
        self._cloud.work()
