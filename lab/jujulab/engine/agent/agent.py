"""The agents of one machine and its units: one thread, so that hooks take turns as in Juju."""

from __future__ import annotations

import logging
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jujulab.engine.agent import process
from jujulab.engine.agent.tasks import TaskRun, execute, start_task
from jujulab.engine.hooktools.context import Context
from jujulab.engine.hooktools.toolserver import SOCKET, ToolServer, install_tools
from jujulab.engine.model import lifecycle, resolver
from jujulab.engine.model.model import Model
from jujulab.engine.model.state import ALIVE, Hook, HookFailure, Task, Unit
from jujulab.juju.logs import Logs
from jujulab.juju.store import replace_charm
from jujulab.machines.backend import INSIDE, LabMachine, inside_dir

log = logging.getLogger(__name__)

RETRY_FIRST, RETRY_MAX = 5.0, 300.0
_PROVISION_RETRY = 10.0
_DEATH_NOTICE = 2.0
_POLL = 1.0
_JUJU_EXEC = f"""\
printf '#!/bin/sh\\nexec {INSIDE}/tools/juju-exec "$@"\\n' >/usr/bin/juju-exec
chmod 0755 /usr/bin/juju-exec"""
"""Puts juju-exec where Juju's machine agent does."""


@dataclass
class Shared:
    """What all agents share.

    Attributes:
        slots: Bounds how many charm processes run at once in the whole lab.
        run_dir: Where the controller keeps notes of running processes.
        flush: Waits until all changes are on disk.
    """

    model: Model
    logs: Logs
    slots: threading.BoundedSemaphore
    run_dir: Path
    stopping: threading.Event
    flush: Callable[[], None]


class MachineAgent(threading.Thread):
    """Provisions one machine, and runs the hooks, actions and commands of its units."""

    def __init__(self, machine_id: str, shared: Shared) -> None:
        super().__init__(name=f"machine-{machine_id.replace('/', '-')}", daemon=True)
        self._id = machine_id
        self._shared = shared
        self._model = shared.model
        self._contexts: dict[str, Context] = {}
        self._tools: ToolServer | None = None
        self._boot = ""
        self._record = shared.run_dir / f"hook-{machine_id.replace('/', '-')}.pid"
        self._provision_after = 0.0
        self._served = ""

    # The loop.

    def run(self) -> None:
        """Work until the machine is removed or the controller stops."""
        process.kill_leftover(self._record)
        while not self._shared.stopping.is_set():
            try:
                work = self._next_work()
                if work is None:
                    break
                work()
            except Exception as error:
                log.exception("agent of machine %s failed", self._id)
                self._say("ERROR", f"agent failed: {error}")
                time.sleep(_POLL)
        if self._tools:
            self._tools.stop()

    def _next_work(self) -> Callable[[], None] | None:
        """Wait for something to do; None when the machine is gone or the controller stops."""
        with self._model.lock:
            while not self._shared.stopping.is_set():
                machine = self._model.state.machines.get(self._id)
                if machine is None:
                    return None
                if machine.life != ALIVE and not self._model.units_on(self._id):
                    return self._destroy
                now = time.time()
                if not machine.provisioned and now >= self._provision_after:
                    return self._provision
                work, due = self._unit_work(now) if machine.provisioned else (None, now + _POLL)
                if work:
                    return work
                self._model.changed.wait(min(max(due - now, 0.01), _POLL))
        return None

    def _unit_work(self, now: float) -> tuple[Callable[[], None] | None, float]:
        """Return what a unit or the machine has to do, or when to look again."""
        if self._model.is_down(self._id):
            return None, now + _POLL
        boot = self._model.boot(self._id)
        if self._tools is None or self._boot != boot:
            return lambda: self._connect(boot), now
        task = start_task(self._model, self._id)
        if task:
            return lambda: self._run_task(task), now
        due = now + _POLL
        for unit in self._in_turn(self._model.units_on(self._id)):
            hook = resolver.next_hook(self._model, unit, boot, now)
            if hook:
                self._served = unit.name
                return lambda: self._run_hook(unit, hook, boot), now  # noqa: B023 - used at once
            if unit.removed and not unit.subordinates:
                lifecycle.drop_unit(self._model, unit)
                self._forget_unit(unit)
                self._model.commit()
                return self._nothing, now
            due = min(due, resolver.next_due(self._model, unit))
        return None, due

    def _in_turn(self, units: list[Unit]) -> list[Unit]:
        """Return the units, the one after the unit served last first.

        The units of a machine contend for one lock; a principal with much to do must not keep
        its subordinates from being installed.
        """
        names = [unit.name for unit in units]
        start = names.index(self._served) + 1 if self._served in names else 0
        return units[start:] + units[:start]

    def _nothing(self) -> None:
        """Look again at once."""

    # The machine.

    def _provision(self) -> None:
        model = self._model
        with model.lock:
            parent = model.machine(self._id).parent
            if parent and not model.machine(parent).provisioned:
                self._provision_after = time.time() + 0.05
                return
            model.set_status(model.machine(self._id).status, "pending", "starting")
        try:
            lab_machine = self._start_machine()
        except Exception as error:  # whatever it is, the operator reads it in the status
            log.exception("cannot start machine %s", self._id)
            self._provision_after = time.time() + _PROVISION_RETRY
            with model.lock:
                model.set_status(model.machine(self._id).status, "provisioning error", str(error))
                model.commit()
            self._say("ERROR", f"cannot start the machine: {error}")
            return
        with model.lock:
            machine = model.machine(self._id)
            machine.provisioned = True
            model.set_status(machine.status, "started")
            for unit in model.units_on(self._id):
                unit.address = model.default_address(self._id)
                model.set_status(unit.workload, "waiting", "installing agent")
            model.elect_leaders(time.time())
            model.commit()
        self._say("INFO", f"machine started as {lab_machine.hostname}")

    def _start_machine(self) -> LabMachine:
        """Create the machine where it does not exist yet, and start it."""
        try:
            machine = self._model.lab_machine(self._id)
        except KeyError:
            machine = self._model.lab.create(self._id)
        if machine.state != "on":
            machine.start()
        return machine

    def _connect(self, boot: str) -> None:
        """Begin to work in a machine that has booted; the hook tools and their socket go in."""
        machine = self._model.lab_machine(self._id)
        try:
            machine.wait_booted()
        except Exception as error:  # it died again, or takes its time: look again later
            self._say("WARNING", f"machine does not boot: {error}")
            time.sleep(_POLL)
            return
        if self._tools is None:
            install_tools(machine.juju_dir)
            self._tools = ToolServer(
                machine.juju_dir, self._contexts.get, partial(execute, self._model, self._id)
            )
            self._tools.start()
            if inside_dir(machine) == INSIDE:
                machine.popen(["/bin/sh", "-c", _JUJU_EXEC]).wait()
        self._boot = boot

    def _destroy(self) -> None:
        try:
            machine = self._model.lab_machine(self._id)
        except KeyError:
            machine = None
        if machine is not None:
            machine.destroy()
        with self._model.lock:
            self._model.forget_lab_machine(self._id)
            self._model.state.machines.pop(self._id, None)
            self._model.commit()

    # Hooks.

    def _run_hook(self, unit: Unit, hook: Hook, boot: str) -> None:
        model = self._model
        with self._shared.slots:
            with model.lock:
                if not self._still_wanted(unit, hook):
                    return
                digest = model.config_digest(unit)
                self._prepare_status(unit, hook)
                context = Context(model, unit, self._charm_logger(unit), hook=hook)
                charm = model.application(unit.app).charm
            try:
                self._place_charm(unit, hook, charm)
                code = self._dispatch(context, hook.name)
            except OSError as error:
                self._say("ERROR", f"cannot run {hook.name} of {unit.name}: {error}")
                code = 1
            with model.lock:
                self._finish_hook(context, hook, code, boot, digest)
                model.set_status(unit.agent, "idle")
                model.commit()

    def _still_wanted(self, unit: Unit, hook: Hook) -> bool:
        if self._model.state.units.get(unit.name) is not unit:
            return False
        if not resolver.is_valid(self._model, unit, hook):
            unit.failure = None
            return False
        return True

    def _prepare_status(self, unit: Unit, hook: Hook) -> None:
        self._model.set_status(unit.agent, "executing", f"running {hook.name} hook")
        if hook.kind == "install" and unit.workload.current in ("waiting", "unknown"):
            self._model.set_status(unit.workload, "maintenance", resolver.INSTALLING)

    def _place_charm(self, unit: Unit, hook: Hook, charm: str) -> None:
        """Put the charm's files in place before install, and replace them for an upgrade."""
        if hook.kind not in ("install", "upgrade-charm") or unit.charm_seen == charm:
            return
        charms = self._model.charms
        old = charms.directory(unit.charm_seen) if unit.charm_seen else None
        replace_charm(charms.directory(charm), self._charm_dir(unit), old)
        unit.charm_seen = charm

    def _charm_dir(self, unit: Unit) -> Path:
        return self._model.lab_machine(self._id).juju_dir / "agents" / unit.tag / "charm"

    def _finish_hook(
        self, context: Context, hook: Hook, code: int, boot: str, digest: str
    ) -> None:
        unit, now = context.unit, time.time()
        if hook.kind != "update-status":
            self._model.last_run = now
        if code == 0:
            context.commit()
            resolver.record(self._model, unit, hook, boot_id=boot, digest=digest, now=now)
            return
        tries = unit.failure.tries if unit.failure else 0
        if self._died(boot, code):
            unit.failure = HookFailure(hook, tries, interrupted=True)
            return
        delay = min(RETRY_FIRST * 2**tries, RETRY_MAX)
        unit.failure = HookFailure(hook, tries + 1, retry_at=now + delay)
        how = "via hook dispatching script: dispatch"
        text = f'hook "{hook.name}" ({how}) failed: exit status {code}'
        self._shared.logs.write(unit.tag, "ERROR", "juju.worker.uniter.operation", text)

    def _died(self, boot: str, code: int) -> bool:
        """Whether a process ended because its machine did; the machine's note may come later."""
        signalled = code < 0 or code in (128 + signal.SIGKILL, 128 + signal.SIGTERM)
        deadline = time.monotonic() + (_DEATH_NOTICE if signalled else 0.0)
        while True:
            if self._model.boot(self._id, fresh=True) != boot:
                return True
            if time.monotonic() >= deadline or self._shared.stopping.is_set():
                return False
            self._model.changed.wait(0.05)

    # Actions and commands.

    def _run_task(self, task: Task) -> None:
        with self._shared.slots:
            run = TaskRun(self._model, task, self._charm_logger)
            with self._model.lock:
                context = run.begin()
                self._model.commit()
                boot = self._model.boot(self._id)
            self._shared.flush()  # so that whatever happens, it is not run again
            argv = ["/bin/bash", "-c", task.command] if task.command else None
            name = f"actions/{task.name}"
            if context is None:
                code = self._execute(
                    argv or [], {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, run.sink
                )
            else:
                code = self._dispatch(context, name, argv=argv, sink=run.sink)
            with self._model.lock:
                run.finish(code, died=code != 0 and self._died(boot, code))
                self._model.last_run = time.time()
                self._model.commit()

    # Processes.

    def _dispatch(
        self,
        context: Context,
        name: str,
        *,
        argv: list[str] | None = None,
        sink: process.Sink | None = None,
    ) -> int:
        """Run the charm, or a command in its context, and return the exit code."""
        inside = inside_dir(self._model.lab_machine(self._id))
        with self._model.lock:
            environment = context.environment(inside, f"{inside}/{SOCKET}")
        command = argv or ["./dispatch"]
        program = ["/bin/sh", "-c", 'cd "$CHARM_DIR" && exec "$@"', "sh", *command]
        self._contexts[context.id] = context
        try:
            return self._execute(
                program, environment, sink or self._output_logger(context.unit, name)
            )
        finally:
            self._contexts.pop(context.id, None)

    def _execute(self, argv: list[str], environment: dict[str, str], sink: process.Sink) -> int:
        try:
            return process.run(
                self._model.lab_machine(self._id),
                argv,
                environment,
                record=self._record,
                sink=sink,
            )
        except (OSError, RuntimeError) as error:
            sink("stderr", f"cannot run {argv[0]} on machine {self._id}: {error}\n")
            return -signal.SIGKILL

    def _charm_logger(self, unit: Unit) -> Callable[[str, str], None]:
        def write(level: str, message: str) -> None:
            self._shared.logs.write(unit.tag, level, f"unit.{unit.name}.juju-log", message)

        return write

    def _output_logger(self, unit: Unit, name: str) -> process.Sink:
        def write(stream: str, text: str) -> None:
            level = "WARNING" if stream == "stderr" else "DEBUG"
            self._shared.logs.write(unit.tag, level, f"unit.{unit.name}.{name}", text)

        return write

    def _forget_unit(self, unit: Unit) -> None:
        shutil.rmtree(self._charm_dir(unit).parent, ignore_errors=True)

    def _say(self, level: str, message: str) -> None:
        entity = f"machine-{self._id.replace('/', '-')}"
        self._shared.logs.write(entity, level, "juju.agent", message)
