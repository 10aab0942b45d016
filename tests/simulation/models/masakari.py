"""The processes of Masakari and of the notifier, with a model of the broker between them.

The engine is Masakari's real manager, its API the real `masakari.ha.api`; only the WSGI layer in
front of it, which maps exceptions to HTTP codes, is written here after
masakari/api/openstack/ha (17.0.0).
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from masakari import context as contexts
from masakari import exception, objects
from masakari.engine import manager, rpcapi
from masakari.ha import api as ha
from masakari.objects import base as objects_base
from masakari_fencing.notifier import daemon, settings
from masakari_fencing.openstack.failure_domains import parse_limits
from oslo_utils import timeutils

from simulation.core import kernel
from simulation.core.faults import ProxyAnswer
from simulation.core.kernel import Kernel, Process, Task
from simulation.models import database
from simulation.models.nova_records import ADMIN
from simulation.world import Unit, World

SPOOL = "/var/lib/masakari-fencing/spool"

_UNFINISHED = ("new", "running", "error")
"""The states of notifications that the manager's periodic tasks look for."""

HEARTBEAT = 7.5
"""Seconds after which RabbitMQ gives a message of an engine that does not answer to another."""


class Masakari:
    """Everything of Masakari on all units."""

    def __init__(self, world: World, kernel_: Kernel) -> None:
        self.world = world
        self.kernel = kernel_
        self.admin = contexts.get_admin_context()
        self.serializer = objects_base.MasakariObjectSerializer()
        self.limits = ""
        self.queue: list[Any] = []
        self.broker_away = False
        self.turn = 0
        self.lost_casts = 0
        self.segment_names: dict[str, str] = {}
        self._flags: tuple[int, dict[str, Any]] = (-1, {})
        self._key: tuple[Any, int] = (None, 0)
        self.disabled = 0.0
        self._answers: dict[Any, tuple[int, Any]] = {}
        rpcapi.EngineAPI.__init__ = lambda api: None  # type: ignore[method-assign]
        rpcapi.EngineAPI.process_notification = (  # type: ignore[method-assign]
            lambda api, context, notification: self.cast(notification)
        )

    # -- what is true -----------------------------------------------------------------------
    def _hosts(self) -> dict[str, Any]:
        if self._flags[0] != database.VERSIONS["hosts"]:
            flags = {
                row["name"]: (row["on_maintenance"], row["uuid"], row["failover_segment_id"])
                for row in database.TABLES[0].hosts.rows
            }
            self._flags = (database.VERSIONS["hosts"], flags)
        return self._flags[1]

    def key(self) -> int:
        """Return what stands for the state of the notifications and hosts."""
        version = (database.VERSIONS["hosts"], database.VERSIONS["notifications"])
        if self._key[0] != version:
            found = [(kind, status) for kind, status, _ in self.notifications()]
            held = [entry[0] for entry in self._hosts().values()]
            self._key = (version, hash((tuple(found), tuple(held))))
        return self._key[1]

    def on_maintenance(self, name: str) -> bool:
        """Whether Masakari holds a hypervisor in maintenance."""
        return bool(self._hosts().get(name, (False,))[0])

    def off_for(self, name: str) -> float:
        """Return for how many seconds its segment is disabled; a host in none is off for ever."""
        if name not in self._hosts():
            return float("inf")
        return self.kernel.now - self.disabled if self.disabled else 0.0

    def notifications(self) -> list[tuple[str, str, str]]:
        """Return type, status and host of all notifications."""
        names = {entry[1]: name for name, entry in self._hosts().items()}
        return [
            (row["type"], row["status"], names.get(row["source_host_uuid"], "?"))
            for row in database.TABLES[0].notifications.rows
        ]

    # -- broker -----------------------------------------------------------------------------
    def cast(self, notification: Any) -> None:
        """Send a notification to one of the engines."""
        message = self.serializer.serialize_entity(self.admin, notification)
        self.kernel.call("broker", "cast", lambda: self._accept(message))

    def _accept(self, message: Any) -> None:
        copies = self.kernel.faults.copies()
        for _ in range(copies):
            self.queue.append(message)
            self.kernel.after(0.01 + 0.05 * self.kernel.rng.random(), self._deliver)

    def _deliver(self) -> None:
        if not self.queue or self.broker_away:
            return
        engines = [u.engine for u in self.world.units.values() if u.engine and u.engine.alive]
        if not engines:
            return
        engine = engines[self.turn % len(engines)]
        self.turn += 1
        message = self.queue.pop(0)
        if engine.stalled > self.kernel.now + HEARTBEAT:
            self.queue.append(message)
            self.kernel.after(HEARTBEAT, self._deliver)
            return
        self.kernel.trace("broker", f"message to {engine.name}")

        def process() -> None:
            notification = self.serializer.deserialize_entity(self.admin, message)
            unit_manager = engine.manager  # type: ignore[attr-defined]
            unit_manager.process_notification(contexts.get_admin_context(), notification)

        self.kernel.spawn(engine, process)

    def flush(self) -> None:
        """Deliver what waits, when an engine or the broker is back."""
        for _ in self.queue:
            self.kernel.after(0.5 * self.kernel.rng.random(), self._deliver)

    # -- processes --------------------------------------------------------------------------
    def start_engine(self, unit: Unit) -> None:
        """Start masakari-engine."""
        if unit.engine is not None and unit.engine.alive:
            return
        engine = unit.engine = self._process(unit, "engine")
        engine.manager = manager.MasakariManager()  # type: ignore[attr-defined]
        # oslo.service counts from when the class was made, by the machine's own clock.
        last_runs = engine.manager._periodic_last_run  # type: ignore[attr-defined]
        last_runs.update(dict.fromkeys(last_runs, self.kernel.now))
        self.kernel.spawn(engine, self._periodic, engine)
        self.flush()

    def _process(self, unit: Unit, kind: str) -> Process:
        process = Process(self.kernel, f"{kind} {unit.name}", unit)
        unit.processes.append(process)
        return process

    def _periodic(self, engine: Process) -> None:
        """As masakari/service.py: the tasks of one engine run one after the other."""
        found = kernel.current()
        self.kernel.sleep(self.kernel.rng.random() * 30)
        if found is not None:
            found.poller = False
        while True:
            pause = None
            if any(status in _UNFINISHED for _, status, _ in self.notifications()):
                # Else there is nothing that they look for.
                pause = engine.manager.periodic_tasks(self.admin)  # type: ignore[attr-defined]
            self.kernel.sleep(max(1.0, min(60.0, pause or 30.0)))

    def start_api(self, unit: Unit) -> None:
        """Start masakari-api."""
        unit.api = self._process(unit, "api")

    def start_notifier(self, unit: Unit) -> None:
        """Start this project's notifier."""
        if unit.notifier is not None and unit.notifier.alive:
            return
        process = unit.notifier = self._process(unit, "notifier")
        wake = Wake()
        process.wake = wake  # type: ignore[attr-defined]
        session = Session(self)

        def main() -> None:
            found = settings.Settings(domain_limits=parse_limits(self.limits))
            daemon.run(found, session, {"interface": "internal"}, wake)  # type: ignore[arg-type]

        self.kernel.spawn(process, main)

    def spool(self, unit: Unit, found: dict[str, Any]) -> None:
        """The alert agent leaves an event, and pokes the notifier."""
        path = f"{SPOOL}/{found['id']}.json"
        unit.files[path] = (json.dumps(found), self.kernel.now + unit.skew)
        self.kernel.trace(f"alert {unit.name}", f"spools {found['node']}")
        if unit.notifier is not None and unit.notifier.alive:
            unit.notifier.wake.poke()  # type: ignore[attr-defined]
        self.kernel.changed(unit)

    def requeue(self, uuid: str, *, unfinished: bool) -> tuple[int, str]:
        """`masakari_fencing.notifier.requeue`, which takes a second to import Masakari."""
        from masakari_fencing.notifier import requeue

        self.kernel.sleep(1.0 + self.kernel.rng.random())
        states = requeue.UNFINISHED if unfinished else requeue.INTERRUPTED
        try:
            requeue.requeue(self.admin, objects, rpcapi.EngineAPI(), uuid, states)
        except exception.NotFound:
            return 0, ""
        except Exception as error:
            return 1, f"{type(error).__name__}: {error}"
        return 0, ""

    def run_program(self, words: tuple[str, ...]) -> tuple[int, str]:
        """Run another of this package's programs."""
        raise NotImplementedError(f"the model has no {words}")

    # -- API --------------------------------------------------------------------------------
    def serve(self, unit: Unit, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Answer one request in a process of the unit's API, whatever becomes of the caller."""
        if unit.api is None or not unit.api.alive:
            raise ConnectionRefusedError(111, "Connection refused")
        if method == "GET":
            table = "hosts" if path.startswith("/segments") else "notifications"
            version = database.VERSIONS[table]
            known = self._answers.get(path)
            away = self.kernel.faults.away.get("db", 0.0) > self.kernel.now
            if known is not None and known[0] == version and not away:
                return known[1]  # type: ignore[no-any-return]
        answers: list[tuple[int, Any]] = []
        caller = kernel.current()

        def work() -> None:
            answers.append(self._route(method, path, body))
            if caller is not None and caller.asleep is not None:
                self.kernel.wake(caller)

        self.kernel.spawn(unit.api, work)
        self.kernel.park(10.0)
        if not answers:
            raise TimeoutError("no answer within 10 s")
        if method == "GET" and answers[0][0] == 200:
            self._answers[path] = (version, answers[0])
        return answers[0]

    def _route(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        try:
            return self._answer(method, path, body)
        except exception.HostNotFoundByName as error:
            return 400, error.format_message()
        except exception.NotFound as error:
            return 404, error.format_message()
        except (
            exception.DuplicateNotification, exception.HostOnMaintenanceError, exception.Conflict,
        ) as error:  # fmt: skip
            return 409, error.format_message()
        except Exception as error:
            return 500, f"Unexpected API Error: {type(error).__name__}"

    def _answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        url = urlsplit(path)
        parts = [part for part in url.path.split("/") if part]
        admin = contexts.get_admin_context()
        if parts[0] == "notifications":
            return self._notifications(admin, method, parts[1:], parse_qs(url.query), body)
        query = parse_qs(url.query)
        marker = query.get("marker", [None])[0]
        if len(parts) == 1:
            found = ha.FailoverSegmentAPI().get_all(admin, None, None, None, None, marker)
            return 200, {"segments": [_plain(s, ("id", "uuid", "name", "enabled")) for s in found]}
        if method == "GET":
            segment = ha.FailoverSegmentAPI().get_segment(admin, parts[1])
            filters = {"failover_segment_id": segment.uuid}
            hosts = ha.HostAPI().get_all(admin, filters, None, None, None, marker)
            names = ("id", "uuid", "name", "on_maintenance", "reserved")
            return 200, {"hosts": [_plain(h, names) for h in hosts]}
        found = ha.HostAPI().update_host(admin, parts[1], parts[3], body["host"])
        return 200, {"host": _plain(found, ("uuid", "name"))}

    def _notifications(
        self, admin: Any, method: str, rest: list[str], query: Any, body: Any
    ) -> tuple[int, Any]:
        if method == "POST":
            data = dict(body["notification"])
            data["generated_time"] = timeutils.parse_isotime(data["generated_time"])
            found = ha.NotificationAPI().create_notification(admin, data)
            return 202, {"notification": _view(found)}
        if rest:
            return 200, {"notification": _view(objects.Notification.get_by_uuid(admin, rest[0]))}
        filters = {name: values[0] for name, values in query.items()}
        limit = int(filters.pop("limit", 0)) or None
        known = {k: v for k, v in filters.items() if k in ("status", "source_host_uuid", "type")}
        if "generated-since" in filters:
            known["generated-since"] = timeutils.parse_isotime(filters["generated-since"])
        found = ha.NotificationAPI().get_all(
            admin, known, None, None, limit, filters.get("marker")
        )
        return 200, {"notifications": [_view(n) for n in found]}


def _plain(found: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(found, name) for name in names}


def _view(found: Any) -> dict[str, Any]:
    updated = getattr(found, "updated_at", None)
    return {
        "id": found.id,
        "notification_uuid": found.notification_uuid,
        "type": found.type,
        "status": found.status,
        "payload": found.payload,
        "source_host_uuid": found.source_host_uuid,
        "generated_time": found.generated_time.replace(tzinfo=None).isoformat(),
        "updated_at": updated.replace(tzinfo=None).isoformat() if updated else None,
        "created_at": None,
    }


class Wake:
    """The socket that the alert agent pokes."""

    def __init__(self) -> None:
        self.task: Task | None = None

    def poke(self) -> None:
        """Wake whoever waits."""
        if self.task is not None and kernel.ACTIVE is not None:
            kernel.ACTIVE.wake(self.task)
            self.task = None

    def wait(self, seconds: float) -> None:
        """Wait for a poke, less often where nothing happens."""
        task, running = kernel.current(), kernel.ACTIVE
        if task is None or running is None:
            return
        task.quiet = task.quiet + 1 if task.nothing_new() else 0
        if seconds >= 1.0 and task.quiet > 1:
            seconds = min(running.IDLE_FACTOR, 2 ** (task.quiet - 1))
        self.task = task
        running.park(seconds)
        self.task = None
        task.look_again()


def _json(data: Any) -> Any:
    if isinstance(data, str):
        raise ValueError("no JSON")
    return data


class Session:
    """keystoneauth1's session: Masakari's API on each unit, and Nova's."""

    def __init__(self, masakari: Masakari) -> None:
        self._masakari = masakari

    def get_token(self) -> str:
        return "token"

    def get_user_id(self) -> str:
        return ADMIN

    def request(self, url: str, method: str, **options: Any) -> Any:
        task, running = kernel.current(), kernel.ACTIVE
        if task is None or running is None:
            raise RuntimeError("nobody asks")
        service = (options.get("endpoint_filter") or {}).get("service_type")
        body, proxy = options.get("json"), False
        if service == "compute":
            code, data = running.call(
                "nova", f"{method} {url[:12]}", lambda: self._nova(method, url, body)
            )
        else:
            unit = self._unit(task.process.unit, "endpoint_override" in options)
            try:
                code, data = running.call(
                    "api",
                    f"{method} {url[:14]}",
                    lambda: self._masakari.serve(unit, method, url, body),
                )
            except ProxyAnswer:
                code, data, proxy = 404, "<html><h1>Not Found</h1></html>", True
        text = data if isinstance(data, str) else "json"
        if text is data and code < 500 and not proxy:
            # Source only: masakari/api/openstack/wsgi.py: Fault
            data = {"fault": {"code": code, "message": text}}
        return SimpleNamespace(status_code=code, text=text, headers={}, json=lambda: _json(data))

    def _unit(self, own: Unit, local: bool) -> Unit:
        if local:
            return own
        units = self._masakari.world.units.values()
        able = [u for u in units if u.api is not None and u.api.alive and not u.isolated]
        if not able:
            raise ConnectionRefusedError(111, "Connection refused")
        return able[0]

    def _nova(self, method: str, url: str, body: Any) -> tuple[int, Any]:
        from novaclient import exceptions

        nova = self._masakari.world.nova
        if url.startswith("/os-hypervisors"):
            return nova.hypervisors(url)
        if url.startswith("/os-migrations?"):
            return nova.records(url)
        if url.startswith("/servers?"):
            return nova.listed(url)
        if url.startswith("/servers/"):
            return nova.show(url)
        if method == "GET":
            found = [
                {"id": s.uuid, "host": s.host, "forced_down": s.forced_down,
                 "status": "enabled" if s.enabled else "disabled"}
                for s in nova.services.values()
            ]  # fmt: skip
            return 200, {"services": found}
        uuid = url.rsplit("/", 1)[1]
        service = next(s for s in nova.services.values() if s.uuid == uuid)
        try:
            if "forced_down" in body:
                nova.set_forced_down(service, body["forced_down"])
            if "status" in body:
                nova.set_enabled(service, body["status"] == "enabled")
        except exceptions.ClientException as error:
            return error.code, str(error)
        return 200, {"service": {}}
