"""A cloud in which a host can be drilled: it makes servers, and recovers those of a lost host."""

from __future__ import annotations

import dataclasses
import datetime
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fakerooms import RoomyCloud

IMAGE = "0d9b8e4e-6a3a-4b7f-9a53-1f1f6f1f6f1f"


def iso(moment: float) -> str:
    """A time as the APIs write it."""
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).isoformat()[:26]


@dataclasses.dataclass
class DrilledCloud(RoomyCloud):
    """State of the cloud.

    Attributes:
        migrations: evacuations, as Nova lists them.
        broken_boots: reason why new servers end in ERROR.
        lost: UUIDs of servers that a recovery does not bring back.
        twice: UUIDs of servers that a recovery starts two times.
        made: bodies of the requests for new servers.
        launched_after: seconds after the fence at which a hypervisor has started what it
            recovered; None: a Nova that does not tell.
    """

    migrations: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    broken_boots: str = ""
    lost: set[str] = dataclasses.field(default_factory=set)
    twice: set[str] = dataclasses.field(default_factory=set)
    made: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    launched_after: float | None = None

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        parts = urlsplit(path)
        if parts.path == "/glance/v2/images":
            wanted = parse_qs(parts.query)["name"][0]
            return 200, {"images": [{"id": IMAGE}] if wanted == "canary" else []}
        if parts.path == f"/glance/v2/images/{IMAGE}":
            return 200, {"id": IMAGE}
        if parts.path == "/nova/v2.1/flavors/detail":
            return 200, {"flavors": [{"id": "42", "name": "tiny"}]}
        if parts.path == "/nova/v2.1/os-migrations":
            status = parse_qs(parts.query).get("status")
            if status or "os-migrations" not in self.silent:
                there = {one["id"] for one in self.servers}  # Nova lists none of what is deleted
                found = [one for one in self.migrations if one["instance_uuid"] in there]
                found = [one for one in found if not status or one["status"] in status]
                return 200, {"migrations": found}
        if (method, parts.path) == ("POST", "/nova/v2.1/servers"):
            return self._make(body["server"])
        if method == "DELETE" and (match := re.fullmatch("/nova/v2.1/servers/(.+)", parts.path)):
            self.servers = [one for one in self.servers if one["id"] != match[1]]
            return 204, ""
        return super().answer(method, path, body)

    def _make(self, server: dict[str, Any]) -> tuple[int, Any]:
        self.made.append(server)
        more: dict[str, Any] = {"metadata": server["metadata"]}
        if self.broken_boots:
            more |= {"state": "error", "fault": {"message": self.broken_boots}}
        identity = self.boot(server["host"], server["name"], ram=32, **more)
        return 202, {"server": {"id": identity}}

    def recover(self, host: str, fenced: float, status: str = "finished") -> None:
        """What follows the fence of a host, by a time in seconds since the epoch."""
        uuid = "aaaaaaaa-0000-4000-8000-000000000001"
        day = iso(fenced)[:19].replace("T", " ")
        lines = [(0.2, f"Host '{host}': fenced by st-maas, confirmed at {day}Z")]
        lines += [(0.5, f"Evacuating 1 instance from host '{host}': x")]
        for server in self.servers:
            identity = server["id"]
            if server["OS-EXT-SRV-ATTR:host"] == host and identity not in self.lost:
                server["OS-EXT-SRV-ATTR:host"] = "node2.maas"
                if self.launched_after is not None:
                    server["OS-SRV-USG:launched_at"] = iso(fenced + self.launched_after)[:19]
                for _ in range(2 if identity in self.twice else 1):
                    record = {"instance_uuid": identity, "status": "done"}
                    self.migrations.append({**record, "created_at": iso(fenced + 1)[:19]})
        self.migrations.append({"instance_uuid": "x", "status": "error", "created_at": ""})
        details = [{"timestamp": iso(fenced + after), "message": m} for after, m in lines]
        entry = self.host_entry(host)
        entry["on_maintenance"] = True
        self.services[host].update(forced_down=True, status="disabled")
        self.notifications.append(
            {
                "id": 1,
                "notification_uuid": uuid,
                "type": "COMPUTE_HOST",
                "status": status,
                "payload": {"event": "STOPPED"},
                "source_host_uuid": entry["uuid"],
                "generated_time": iso(fenced),
                "created_at": iso(fenced + 0.1),
                "updated_at": iso(fenced + 3),
                "recovery_workflow_details": [{"progress_details": details}],
            }
        )
