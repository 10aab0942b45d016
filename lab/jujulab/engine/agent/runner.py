"""Runs the hooks, actions and commands of one machine's units, and notes what came of them."""

import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jujulab.engine.agent import process
from jujulab.engine.agent.slots import Slots
from jujulab.engine.hooktools.context import Context
from jujulab.engine.hooktools.toolserver import SOCKET
from jujulab.engine.model import resolver
from jujulab.engine.model.model import Model
from jujulab.engine.model.state import Hook, HookFailure, Task, Unit
from jujulab.juju.logs import Logs
from jujulab.juju.store import replace_charm
from jujulab.machines.backend import inside_dir

RETRY_FIRST, RETRY_MAX = 5.0, 300.0
_DEATH_NOTICE = 2.0


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
    slots: Slots
    run_dir: Path
    stopping: threading.Event
    flush: Callable[[], None]


class Runner:
    """Runs what the agent of a machine has to run, one after the other."""

    def __init__(self, machine_id: str, shared: Shared) -> None:
        self._id = machine_id
        self._shared = shared
        self._model = shared.model
        self.contexts: dict[str, Context] = {}
        self._record = shared.run_dir / f"hook-{machine_id.replace('/', '-')}.pid"

    def kill_leftover(self) -> None:
        """Kill what a controller that died had been running."""
        process.kill_leftover(self._record)

    def run_hook(self, unit: Unit, hook: Hook, boot: str) -> None:
        """Run a hook that was chosen for a boot, and note what came of it, unless needless."""
        model = self._model
        with self._shared.slots:
            with model.lock:
                if not self._still_wanted(unit, hook):
                    return
                digest = model.config_digest(unit)
                model.set_status(unit.agent, "executing", f"running {hook.name} hook")
                if hook.kind == "install" and unit.workload.current in ("waiting", "unknown"):
                    model.set_status(unit.workload, "maintenance", resolver.INSTALLING)
                context = Context(model, unit, self._charm_logger(unit), hook=hook)
                charm = model.application(unit.app).charm
            try:
                self._place_charm(unit, hook, charm)
                code = self._dispatch(context, hook.name)
            except OSError as error:
                self.say("ERROR", f"cannot run {hook.name} of {unit.name}: {error}")
                code = 1
            with model.lock:
                self._finish_hook(context, hook, code, boot, digest)
                # Juju's agent is idle once nothing is due, not between two hooks.
                if resolver.next_hook(model, unit, boot, time.time()) is None:
                    model.set_status(unit.agent, "idle")
                model.commit()

    def _still_wanted(self, unit: Unit, hook: Hook) -> bool:
        if self._model.state.units.get(unit.name) is not unit:
            return False
        if not resolver.is_valid(self._model, unit, hook):
            unit.failure = None
            return False
        return True

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
        how = "via hook dispatching script: dispatch"
        log = partial(self._shared.logs.write, unit.tag, module="juju.worker.uniter.operation")
        if code == 0:
            log("INFO", message=f'ran "{hook.name}" hook ({how})')
            context.commit()
            resolver.record(self._model, unit, hook, boot_id=boot, digest=digest, now=now)
            return
        tries = unit.failure.tries if unit.failure else 0
        if self._died(boot, code):
            unit.failure = HookFailure(hook, tries, interrupted=True)
            return
        delay = min(RETRY_FIRST * 2**tries, RETRY_MAX)
        unit.failure = HookFailure(hook, tries + 1, retry_at=now + delay)
        log("ERROR", message=f'hook "{hook.name}" ({how}) failed: exit status {code}')

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

    def run_task(self, task: Task) -> None:
        """Run an action or a command that was started."""
        model, output = self._model, {"stdout": "", "stderr": ""}

        def sink(stream: str, text: str) -> None:
            output[stream] += text

        with self._shared.slots:
            with model.lock:
                context = self._begin(task)
                model.commit()
                boot = model.boot(self._id)
            self._shared.flush()  # so that whatever happens, it is not run again
            argv = ["/bin/bash", "-c", task.command] if task.command else None
            if context is None:
                code = self._execute(argv or [], {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, sink)
            else:
                code = self._dispatch(context, f"actions/{task.name}", argv=argv, sink=sink)
            with model.lock:
                died = code != 0 and self._died(boot, code)
                task.completed = model.last_run = time.time()
                task.results |= {"return-code": code}
                task.results |= {name: text for name, text in output.items() if text}
                task.status, task.message = _outcome(task, context, code, died=died)
                if context:
                    if code == 0:
                        context.commit()
                    model.set_status(context.unit.agent, "idle")
                model.commit()

    def _begin(self, task: Task) -> Context | None:
        """Return the context of a task's run; None for a command on a machine."""
        unit = self._model.state.units.get(task.receiver)
        if unit is None:
            return None
        what = "juju-exec" if task.command else f"action {task.name}"
        self._model.set_status(unit.agent, "executing", f"running {what}")
        return Context(self._model, unit, self._charm_logger(unit), task=task)

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
        program = ["/bin/sh", "-c", 'cd "$CHARM_DIR" && exec "$@"', "sh"]
        sink = sink or self._output_logger(context.unit, name)
        self.contexts[context.id] = context
        try:
            return self._execute([*program, *(argv or ["./dispatch"])], environment, sink)
        finally:
            self.contexts.pop(context.id, None)

    def _execute(self, argv: list[str], environment: dict[str, str], sink: process.Sink) -> int:
        try:
            machine = self._model.lab_machine(self._id)
            return process.run(machine, argv, environment, record=self._record, sink=sink)
        except (OSError, RuntimeError) as error:
            sink("stderr", f"cannot run {argv[0]} on machine {self._id}: {error}\n")
            return -signal.SIGKILL

    def _charm_logger(self, unit: Unit) -> Callable[[str, str], None]:
        module = f"unit.{unit.name}.juju-log"
        return lambda level, text: self._shared.logs.write(unit.tag, level, module, text)

    def _output_logger(self, unit: Unit, name: str) -> process.Sink:
        def write(stream: str, text: str) -> None:
            level = "WARNING" if stream == "stderr" else "DEBUG"
            self._shared.logs.write(unit.tag, level, f"unit.{unit.name}.{name}", text)

        return write

    def forget_unit(self, unit: Unit) -> None:
        """Remove the files of a unit that is gone."""
        shutil.rmtree(self._charm_dir(unit).parent, ignore_errors=True)

    def say(self, level: str, message: str) -> None:
        """Write to the machine's log."""
        entity = f"machine-{self._id.replace('/', '-')}"
        self._shared.logs.write(entity, level, "juju.agent", message)


def _outcome(task: Task, context: Context | None, code: int, *, died: bool) -> tuple[str, str]:
    """Return the status of a task that has ended, and its message."""
    if died:
        return "failed", "action terminated"
    if context and context.failure is not None:
        return "failed", context.failure
    if code and not task.command:
        return "failed", f"exit status {code}"
    return "completed", task.message
