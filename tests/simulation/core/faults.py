"""How a fault acts, at a certain external call or from a certain moment on.

Which ones are drawn, and how often, is `mixed`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from novaclient import exceptions as nova_exceptions
from oslo_db import exception as db_exceptions

from simulation.core.kernel import Process
from simulation.models.pacemaker.commands.commands import CommandFailed
from simulation.world import World


@dataclass
class Strike:
    """A fault at one external call.

    Attributes:
        kind: one of `names.KINDS`.
        process: beginning of the process's name, such as `engine`.
        number: at which of its matching calls, counted from 1 over all such processes.
        seconds: how long it stalls, or until the crashed process runs again.
        service: only calls of this service; empty: of all.
    """

    kind: str
    process: str
    number: int
    seconds: float = 10.0
    service: str = ""
    name: str = ""
    done: bool = False
    seen: int = 0

    def __str__(self) -> str:
        what = self.service or "any"
        return f"{self.kind} at call {self.number} ({what}) of {self.process}, {self.seconds:g} s"


class ProxyAnswer(Exception):  # noqa: N818 - a fault that is injected
    """A proxy in front of an API gives an answer of its own: it has no such page."""


class Faults:
    """All faults of one run.

    Args:
        world: what they strike.

    Attributes:
        strikes: the faults at calls, by what is called.
        log: all calls, each with the state that everything was in; None: nobody asks for them.
        planned: kind and seconds of more faults, by the number of the call; they need the log.
        state: the state now, as a number.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.strikes: list[Strike] = []
        self.proxy = False
        self.away: dict[str, float] = {}
        self.messages: list[int] = []
        self.log: list[tuple[str, str, str, int]] | None = None
        self.planned: dict[int, tuple[str, float]] = {}
        self.state = 0

    def copies(self) -> int:
        """Return how often a message arrives."""
        return self.messages.pop(0) if self.messages else 1

    def outage(self, service: str, seconds: float) -> None:
        """Have every call of a service fail for some time."""
        self.away[service] = self.world.kernel.now + seconds
        self.world.note_fault(f"outage of {service} for {seconds:.0f} s")
        self.world.later(seconds, lambda: self.world.note_fault(f"{service} is back"))

    def nova_database(self, seconds: float) -> None:
        """Nova's database restarts: its API answers nothing, and what is going on breaks off."""
        nova = self.world.nova
        nova.database_away = True
        self.outage("nova", seconds)

        def back() -> None:
            nova.database_away = False

        self.world.later(seconds, back)

    def strike(
        self, process: Process, service: str, name: str
    ) -> tuple[Exception | None, Callable[[], None] | None]:
        """Decide about a call: an error instead of it, and what happens once it is done."""
        if self.log is not None:
            planned = self.planned.get(len(self.log))
            self.log.append((process.name, service, name, self.state))
            if planned is not None:
                return self._strike(Strike(planned[0], "", 0, planned[1]), process, service, name)
        until = self.away.get(service)
        if until is not None and until > self.world.kernel.now:
            return self._error(process, service, name), None
        for strike in self.strikes:
            if strike.done or not process.name.startswith(strike.process):
                continue
            if (strike.service and strike.service != service) or strike.name not in name:
                continue
            strike.seen += 1
            if strike.seen == strike.number:
                strike.done = True
                return self._strike(strike, process, service, name)
        return None, None

    def _strike(
        self, strike: Strike, process: Process, service: str, name: str
    ) -> tuple[Exception | None, Callable[[], None] | None]:
        text = f"{strike.kind} ({strike.seconds:.0f} s) at {service} {name} of {process.name}"
        self.world.note_fault(text)

        def stop() -> None:
            if strike.kind.startswith("freeze"):
                self.freeze_unit(process.unit, strike.seconds)
            elif strike.kind.startswith("crash"):
                self.crash(process, strike.seconds)
            else:
                self.stall(process, strike.seconds)
            self.world.kernel.sleep(0.0)

        def fail() -> None:
            raise self._error(process, service, name)

        if strike.kind in ("crash", "stall", "freeze"):
            stop()
            return None, None
        if strike.kind == "error":
            return self._error(process, service, name), None
        return None, fail if strike.kind == "error after" else stop

    def _error(self, process: Process, service: str, name: str) -> Exception:
        """Return what a client sees when a service does not answer."""
        if service == "db":
            return db_exceptions.DBConnectionError("Lost connection to MySQL server")
        if service == "pacemaker":
            return CommandFailed(102, f"{name}: Connection to cluster failed")
        if service == "nova" and not process.name.startswith("notifier"):
            return nova_exceptions.ClientException(503, "Service Unavailable")
        if service == "api" and self.proxy:
            return ProxyAnswer()
        if service == "broker":
            return TimeoutError("no connection to RabbitMQ")
        return ConnectionError(f"{service} is away")

    def crash(self, process: Process, seconds: float) -> None:
        """Kill a process; systemd starts it again after some seconds, if they are finite."""
        if process.alive:
            process.kill()
            self.world.masakari.ended(process)
        if seconds == float("inf"):
            return
        unit, masakari = process.unit, self.world.masakari
        starts = {
            "engine": masakari.start_engine,
            "notifier": masakari.start_notifier,
            "api": masakari.start_api,
        }
        start = starts.get(process.name.split()[0])
        if unit is not None and start is not None:
            self.world.later(seconds, lambda: self._restart(unit, start))

    def _restart(self, unit: Any, start: Callable[[Any], None]) -> None:
        if unit.alive:
            self.world.note_fault(f"{start.__name__} on {unit.name}")
            start(unit)

    def stall(self, process: Process, seconds: float) -> None:
        """Let a process not run for some time."""
        process.stalled = max(process.stalled, self.world.kernel.now + seconds)
        self.world.later(seconds, lambda: self.world.note_fault(f"{process.name} goes on"))

    # -- whole units ------------------------------------------------------------------------
    def kill_unit(self, unit: Any, seconds: float) -> None:
        """A unit's machine dies, and boots again."""
        self.world.note_fault(f"unit {unit.name} dies for {seconds:.0f} s")
        self.lose_unit(unit)
        self.world.later(seconds, lambda: self.boot_unit(unit))

    def lose_unit(self, unit: Any) -> None:
        """A unit's machine dies."""
        unit.alive = False
        unit.stalled = 0.0
        for process in unit.processes:
            process.kill()
        self.world.cluster.membership.stop(unit)

    def boot_unit(self, unit: Any) -> None:
        """A unit's machine boots, if it has died, and the one that carries it, if any, runs."""
        host = self.world.hosts.get(unit.host)
        if unit.alive or (host is not None and not host.up):
            return
        unit.alive = True
        self.world.note_fault(f"unit {unit.name} boots")
        unit.boots += 1
        unit.files = {k: v for k, v in unit.files.items() if not k.startswith("/run/")}
        unit.processes.clear()
        self.world.cluster.membership.start(unit)
        self._start_services(unit)

    def _start_services(self, unit: Any) -> None:
        masakari = self.world.masakari
        for start in (masakari.start_api, masakari.start_engine, masakari.start_notifier):
            start(unit)

    def pause_unit(self, unit: Any, seconds: float) -> None:
        """An operator pauses a unit, whose Pacemaker goes on, and may resume it.

        Nothing waits for that: a unit may be paused for as long as its operator likes.
        """
        self.world.note_fault(f"{unit.name} is paused for {seconds:.0f} s")
        unit.paused = True
        for process in (unit.engine, unit.api, unit.notifier):
            if process is not None and process.alive:
                self.crash(process, float("inf"))

        def resume() -> None:
            unit.paused = False
            if unit.alive:
                self.world.note_fault(f"{unit.name} is resumed")
                self._start_services(unit)

        if seconds != float("inf"):
            self.world.kernel.after(seconds, resume)

    def freeze_unit(self, unit: Any, seconds: float) -> None:
        """A unit's machine stands still, Pacemaker included."""
        self.world.note_fault(f"unit {unit.name} stands still for {seconds:.0f} s")
        unit.stalled = max(unit.stalled, self.world.kernel.now + seconds)
        for process in unit.processes:
            process.stalled = max(process.stalled, unit.stalled)
        self.world.cluster.membership.stop(unit, stands=True)

        def resume() -> None:
            self.world.note_fault(f"unit {unit.name} goes on")
            self._start_member(unit)

        self.world.later(seconds, resume)

    def pacemaker_away(self, unit: Any, seconds: float) -> None:
        """Only a unit's Pacemaker is away."""
        self.world.note_fault(f"Pacemaker of {unit.name} is away for {seconds:.0f} s")
        self.world.cluster.membership.stop(unit)

        def start() -> None:
            self.world.note_fault(f"Pacemaker of {unit.name} is back")
            self._start_member(unit)

        self.world.later(seconds, start)

    def _start_member(self, unit: Any) -> None:
        if unit.alive:
            self.world.cluster.membership.start(unit)

    def isolate(self, unit: Any, seconds: float) -> None:
        """A unit cannot reach the other members."""
        if unit.isolated:
            return
        self.world.note_fault(f"{unit.name} is cut off for {seconds:.0f} s")
        self.world.cluster.membership.isolate(unit)
        self.world.commands.views.cut_off(unit)

        def back() -> None:
            self.world.note_fault(f"{unit.name} is reached again")
            copied = self.world.commands.views.rejoined(unit)
            self.world.cluster.membership.rejoin(unit, copied)

        self.world.later(seconds, back)
