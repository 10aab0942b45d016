"""The agents of one machine and its units: one thread, so that hooks take turns as in Juju."""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from jujulab.engine.agent.runner import Runner, Shared
from jujulab.engine.hooktools.toolserver import ToolServer, install_tools
from jujulab.engine.model import removal, resolver, shuffle
from jujulab.engine.model.state import ALIVE, Unit
from jujulab.engine.model.tasks import execute, start_task
from jujulab.machines.backend import INSIDE, LabMachine, inside_dir

log = logging.getLogger(__name__)

_PROVISION_RETRY = 10.0
_POLL = 1.0
_JUJU_EXEC = f"""\
printf '#!/bin/sh\\nexec {INSIDE}/tools/juju-exec "$@"\\n' >/usr/bin/juju-exec
chmod 0755 /usr/bin/juju-exec"""
"""Puts juju-exec where Juju's machine agent does."""


class MachineAgent(threading.Thread):
    """Provisions one machine, and runs the hooks, actions and commands of its units."""

    def __init__(self, machine_id: str, shared: Shared) -> None:
        super().__init__(name=f"machine-{machine_id.replace('/', '-')}", daemon=True)
        self._id = machine_id
        self._shared = shared
        self._model = shared.model
        self._runner = Runner(machine_id, shared)
        self._tools: ToolServer | None = None
        self._boot = ""
        self._provision_after = time.time() + shuffle.lateness(machine_id)
        self._served, self._turns = "", 0

    # The loop.

    def run(self) -> None:
        """Work until the machine is removed or the controller stops."""
        self._runner.kill_leftover()
        while not self._shared.stopping.is_set():
            try:
                work = self._next_work()
                if work is None:
                    break
                work()
            except Exception as error:
                log.exception("agent of machine %s failed", self._id)
                self._runner.say("ERROR", f"agent failed: {error}")
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
            return lambda: self._runner.run_task(task), now
        due = now + _POLL
        for unit in self._in_turn(self._model.units_on(self._id)):
            hook = resolver.next_hook(self._model, unit, boot, now)
            if hook:
                self._served, self._turns = unit.name, self._turns + 1
                return lambda: self._runner.run_hook(unit, hook, boot), now  # noqa: B023 - used at once
            if unit.agent.current == "executing":
                self._model.set_status(unit.agent, "idle")
                self._model.commit()
            if unit.removed and not unit.subordinates:
                removal.drop_unit(self._model, unit)
                self._runner.forget_unit(unit)
                self._model.commit()
                return lambda: None, now  # look again at once
            due = min(due, resolver.next_due(self._model, unit))
        return None, due

    def _in_turn(self, units: list[Unit]) -> list[Unit]:
        """Return the units, the one after the unit served last first.

        The units of a machine contend for one lock; a principal with much to do must not keep
        its subordinates from being installed.
        """
        names = [unit.name for unit in units]
        start = names.index(self._served) + 1 if self._served in names else 0
        in_turn = units[start:] + units[:start]
        return shuffle.shuffled(in_turn, lambda unit: (self._turns, unit.name))

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
            self._runner.say("ERROR", f"cannot start the machine: {error}")
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
        self._runner.say("INFO", f"machine started as {lab_machine.hostname}")

    def _start_machine(self) -> LabMachine:
        """Create the machine where it does not exist yet, and start it."""
        machine = self._model.find_lab_machine(self._id) or self._model.lab.create(self._id)
        if machine.state != "on":
            machine.start()
        return machine

    def _connect(self, boot: str) -> None:
        """Begin to work in a machine that has booted; the hook tools and their socket go in."""
        machine = self._model.lab_machine(self._id)
        try:
            machine.wait_booted()
        except Exception as error:  # it died again, or takes its time: look again later
            self._runner.say("WARNING", f"machine does not boot: {error}")
            time.sleep(_POLL)
            return
        if self._tools is None:
            install_tools(machine.juju_dir)
            self._tools = ToolServer(
                machine.juju_dir,
                self._runner.contexts.get,
                partial(execute, self._model, self._id),
            )
            self._tools.start()
            if inside_dir(machine) == INSIDE:
                machine.popen(["/bin/sh", "-c", _JUJU_EXEC]).wait()
        self._boot = boot

    def _destroy(self) -> None:
        if machine := self._model.find_lab_machine(self._id):
            machine.destroy()
        with self._model.lock:
            self._model.forget_lab_machine(self._id)
            self._model.state.machines.pop(self._id, None)
            self._model.commit()
