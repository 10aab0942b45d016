"""The processes of Masakari and of the notifier, with a model of the broker between them.

The engine is Masakari's real manager.
"""

from __future__ import annotations

import json
from typing import Any

from masakari import context as contexts
from masakari import exception, objects
from masakari.engine import manager, rpcapi
from masakari.objects import base as objects_base
from masakari_fencing import commands
from masakari_fencing.notifier import daemon, settings
from masakari_fencing.openstack.failure_domains import parse_limits

from simulation.core import kernel
from simulation.core.kernel import Kernel, Process
from simulation.models.masakari import database
from simulation.models.masakari.api import Api
from simulation.models.masakari.session import Session, Wake
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
        self._flags: tuple[int, dict[str, Any]] = (-1, {})
        self._key: tuple[Any, int] = (None, 0)
        self.disabled = 0.0
        self.api = Api(self)
        rpcapi.EngineAPI.__init__ = lambda api: None  # type: ignore[method-assign]
        rpcapi.EngineAPI.process_notification = (  # type: ignore[method-assign]
            lambda api, context, notification: self.cast(notification)
        )

    # -- what is true -----------------------------------------------------------------------
    def key(self) -> int:
        """Return what stands for the state of the notifications and hosts."""
        version = (database.VERSIONS["hosts"], database.VERSIONS["notifications"])
        if self._key[0] != version:
            found = [(kind, status) for kind, status, _ in self.notifications()]
            held = [entry[0] for entry in self.hosts().values()]
            self._key = (version, hash((tuple(found), tuple(held))))
        return self._key[1]

    def hosts(self) -> dict[str, Any]:
        """Return by name whether a host is in maintenance, its UUID, and its segment's."""
        if self._flags[0] != database.VERSIONS["hosts"]:
            flags = {
                row["name"]: (row["on_maintenance"], row["uuid"], row["failover_segment_id"])
                for row in database.TABLES[0].hosts.rows
            }
            self._flags = (database.VERSIONS["hosts"], flags)
        return self._flags[1]

    def on_maintenance(self, name: str) -> bool:
        """Whether Masakari holds a hypervisor in maintenance."""
        return bool(self.hosts().get(name, (False,))[0])

    def off_for(self, name: str) -> float:
        """Return for how many seconds its segment is disabled; a host in none is off for ever."""
        if name not in self.hosts():
            return float("inf")
        return self.kernel.now - self.disabled if self.disabled else 0.0

    def notifications(self) -> list[tuple[str, str, str]]:
        """Return type, status and host of all notifications."""
        names = {entry[1]: name for name, entry in self.hosts().items()}
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
        if unit.paused or (unit.engine is not None and unit.engine.alive):
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
        process.stalled = unit.stalled
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
        if unit.paused:
            return
        unit.api = self._process(unit, "api")

    def start_notifier(self, unit: Unit) -> None:
        """Start this project's notifier."""
        if unit.paused or (unit.notifier is not None and unit.notifier.alive):
            return
        process = unit.notifier = self._process(unit, "notifier")
        wake = Wake()
        process.wake = wake  # type: ignore[attr-defined]
        session = Session(self)

        def main() -> None:
            found = settings.Settings(domain_limits=parse_limits(self.limits))
            daemon.run(found, session, {"interface": "internal"}, wake)  # type: ignore[arg-type]

        self.kernel.spawn(process, main)

    def ended(self, process: Process) -> None:
        """Have systemd run what it runs after a process, however that has ended."""
        # Imported late: the seams come first.
        from masakari_fencing.notifier import presence
        from masakari_fencing.workflow import ended

        programs = {"engine": ended.main, "notifier": presence.main}
        kind = process.name.split()[0]
        if process.unit is not None and kind in programs:
            after = self._process(process.unit, f"after {kind}")
            self.kernel.spawn(after, programs[kind], commands.Subprocess())

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
