"""Nova, as far as a recovery asks it, through novaclient (microversion 2.53).

What it does to an instance that it evacuates is nova's `compute.api.API.evacuate` and
`compute.manager.ComputeManager.rebuild_instance`, release 2023.2: the request writes a migration
and the task state, the new host is written down before the migration is done, one that was
stopped is stopped again, a failure leaves ERROR.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

OWN = "masakari"
"""The user of what a recovery does."""


class HttpError(Exception):
    """What novaclient raises: it carries the status."""

    def __init__(self, code: int, text: str = "") -> None:
        self.code = code
        super().__init__(f"{text or 'failed'} (HTTP {code})")


@dataclass
class Server:
    """An instance."""

    id: str
    host: str = "node1.maas"
    vm: str = "active"
    task: str | None = None
    power: int = 1
    locked: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    fault: dict[str, str] = field(default_factory=dict)
    hypervisor: str = ""

    def shown(self) -> Any:
        server = SimpleNamespace(
            id=self.id,
            name=self.id,
            locked=self.locked,
            metadata=self.metadata,
            fault=self.fault,
        )
        server.__dict__.update(
            {
                "OS-EXT-STS:vm_state": self.vm,
                "OS-EXT-STS:task_state": self.task,
                "OS-EXT-STS:power_state": self.power,
                "OS-EXT-SRV-ATTR:host": self.host,
                "OS-EXT-SRV-ATTR:hypervisor_hostname": self.hypervisor or self.host,
            }
        )
        return server


class FakeNova:
    """Nova's API and computes.

    Attributes:
        instances: by identifier.
        services: the nova-compute of each host.
        migrations_made: evacuations.
        rebuild: seconds that one takes.
        page: how many instances one page has.
        conductor: `up`, or `down`: it does not report, nor does any nova-compute.
        full: hosts, or all with `*`, that have no room.
        fail: called with the name of each request and its instance; may raise.
        after: the same, when the request was carried out: the answer is lost.
        requests: what was asked for that changes something.
    """

    def __init__(self, *servers: Server, clock: Callable[[], float] = time.time) -> None:
        self.instances = {server.id: server for server in servers}
        self.clock = clock
        self.services_known = {
            f"node{number}.maas": SimpleNamespace(
                id=f"s{number}",
                host=f"node{number}.maas",
                status="enabled",
                state="up",
                forced_down=False,
                updated_at=_iso(clock()),
            )
            for number in (1, 2, 3, 9)
        }
        self.migrations_made: list[Any] = []
        self.rebuild = 0.0
        self.page = 1000
        self.conductor = "up"
        self.full: set[str] = set()
        self.fail: Callable[[str, str], None] = lambda name, uuid: None
        self.after: Callable[[str, str], None] = lambda name, uuid: None
        self.requests: list[str] = []
        self.actions: dict[str, list[Any]] = {}
        self.servers = SimpleNamespace(
            get=self._asked("get", self._get),
            list=self._asked("list", self._list),
            lock=self._changing("lock", self._lock),
            unlock=self._changing("unlock", self._unlock),
            reset_state=self._changing("reset_state", self._reset),
            stop=self._changing("stop", self._stop),
            start=self._changing("start", self._start),
            reboot=self._changing("reboot", self._reboot),
            evacuate=self._changing("evacuate", self._evacuate),
        )
        self.migrations = SimpleNamespace(list=self._asked("migrations", self._migrations))
        self.services = SimpleNamespace(
            list=self._asked("services", self._services),
            force_down=self._changing("force_down", self._force_down),
            disable_log_reason=self._changing("disable", self._disable),
            disable=self._changing("disable", self._disable),
            enable=self._changing("enable", self._enable),
        )
        self.aggregates = SimpleNamespace(list=lambda: [], add_host=lambda *args: None)
        self.client = SimpleNamespace(session=SimpleNamespace(get_user_id=lambda: OWN))
        self.instance_action = SimpleNamespace(
            # As Nova does, the latest first.
            list=lambda server: self.actions.get(getattr(server, "id", server), [])[::-1],
            get=lambda server, request: next(
                one
                for one in self.actions[getattr(server, "id", server)]
                if one.request_id == request
            ),
        )

    def _asked(self, name: str, do: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*args: Any, **options: Any) -> Any:
            uuid = str(getattr(args[0], "id", args[0])) if args else ""
            self.fail(name, uuid)
            self._settle()
            answer = do(*args, **options)
            self.after(name, uuid)
            return answer

        return ask

    def _changing(self, name: str, do: Callable[..., Any]) -> Callable[..., Any]:
        def change(*args: Any, **options: Any) -> Any:
            target = options.get("host")
            self.requests.append(f"{name} {args[0]}{f' to {target}' if target else ''}")
            return self._asked(name, do)(*args, **options)

        return change

    def _find(self, uuid: str) -> Server:
        if uuid not in self.instances:
            raise HttpError(404, f"Instance {uuid} could not be found.")
        return self.instances[uuid]

    def _get(self, uuid: str) -> Any:
        return self._find(uuid).shown()

    def _list(
        self, *, detailed: bool, search_opts: dict[str, Any], limit: int | None
    ) -> list[Any]:
        assert detailed and search_opts["all_tenants"]
        found = [s.shown() for s in self.instances.values() if s.host == search_opts["host"]]
        return found if limit == -1 else found[: self.page]

    def _lock(self, uuid: str) -> None:
        self._find(uuid).locked = True

    def _unlock(self, uuid: str) -> None:
        self._find(uuid).locked = False

    def _reset(self, uuid: str, state: str) -> None:
        server = self._find(uuid)
        server.vm, server.task = state, None

    def _stop(self, uuid: str) -> None:
        server = self._find(uuid)
        if server.task is not None or server.vm not in ("active", "error"):
            raise HttpError(409, f"Cannot 'stop' instance while it is in vm_state {server.vm}")
        server.vm, server.power = "stopped", 4

    def _start(self, uuid: str) -> None:
        server = self._find(uuid)
        if server.task is not None or server.vm != "stopped":
            raise HttpError(409, f"Cannot 'start' instance while it is in vm_state {server.vm}")
        server.vm, server.power = "active", 1
        self.act(uuid, "start")

    def _reboot(self, uuid: str, reboot_type: str) -> None:
        assert reboot_type == "HARD"
        server = self._find(uuid)
        server.vm, server.power = "active" if server.vm == "stopped" else server.vm, 1
        self.act(uuid, "reboot")

    def act(self, uuid: str, name: str) -> None:
        """Write down an action of the recoveries' user."""
        action = SimpleNamespace(action=name, start_time=_iso(self.clock()), user_id=OWN)
        self.actions.setdefault(uuid, []).append(action)

    def _evacuate(self, uuid: str, host: str | None = None) -> None:
        server = self._find(uuid)
        service = self.services_known[server.host]
        if service.state == "up":
            raise HttpError(400, f"Compute service of {server.host} is still in use.")
        if server.vm not in ("active", "stopped", "error"):
            raise HttpError(409, f"Cannot 'evacuate' instance while it is in vm_state {server.vm}")
        self.migrations_made.append(
            SimpleNamespace(
                instance_uuid=uuid,
                source_compute=server.host,
                dest_compute=host or "node9.maas",
                migration_type="evacuation",
                status="accepted",
                created_at=_iso(self.clock()),
                updated_at=None,
                due=self.clock() + self.rebuild,
            )
        )
        server.task = "rebuilding"

    def _settle(self) -> None:
        for migration in self.migrations_made:
            server = self.instances.get(migration.instance_uuid)
            if migration.status != "accepted" or self.clock() < migration.due or server is None:
                continue
            migration.updated_at = _iso(self.clock())
            server.task = None
            if self.full & {"*", migration.dest_compute}:
                migration.status, server.vm = "error", "error"
                server.fault = {"message": "No valid host was found."}
            else:
                migration.status, server.host = "done", migration.dest_compute
                server.vm = "stopped" if server.vm == "stopped" else "active"
                server.power = 4 if server.vm == "stopped" else 1

    def _migrations(self, instance_uuid: str = "", host: str = "", status: str = "") -> list[Any]:
        return [
            m
            for m in self.migrations_made
            if instance_uuid in ("", m.instance_uuid)
            and host in ("", m.source_compute, m.dest_compute)
            and status in ("", m.status)
        ]

    def _services(self, host: str | None = None, binary: str | None = None) -> list[Any]:
        # Each reports every 10 s; a nova-compute by the conductor.
        moment = _iso(self.clock() // 10 * 10 if self.conductor == "up" else 0)
        if binary in ("nova-conductor", "nova-scheduler"):
            return [SimpleNamespace(host="controller", updated_at=moment)]
        assert binary == "nova-compute"
        if (last := self.services_known.get("node9.maas")) is not None:
            last.updated_at = moment
        return [s for s in self.services_known.values() if host in (None, s.host)]

    def _service(self, identifier: str) -> Any:
        return next(s for s in self.services_known.values() if s.id == identifier)

    def _force_down(self, identifier: str, down: bool) -> Any:
        service = self._service(identifier)
        service.forced_down, service.state = down, "down" if down else "up"
        return service

    def _disable(self, identifier: str, reason: str = "") -> None:
        self._service(identifier).status = "disabled"

    def _enable(self, identifier: str) -> None:
        self._service(identifier).status = "enabled"


def _iso(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).strftime(
        "%Y-%m-%dT%H:%M:%S.%f"
    )
