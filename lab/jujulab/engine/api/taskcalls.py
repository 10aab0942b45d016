"""The calls about actions and commands."""

from __future__ import annotations

from typing import Any

from jujulab.engine.api import entities
from jujulab.engine.api.calls import Calls
from jujulab.engine.model import tasks
from jujulab.juju.errors import NotFoundError


class TaskCalls(Calls):
    """Each public method is one call."""

    def enqueue(
        self, *, receivers: list[str], action: str, params: dict[str, Any], command: str
    ) -> dict[str, Any]:
        """Queue an action or a command; returns the operation's id, and its tasks' receivers."""
        model = self.model
        with model.lock:
            names = [
                model.machine(name).id
                if command and name in model.state.machines
                else model.unit(name).name
                for name in receivers
            ]
            operation, started = tasks.enqueue(model, names, action, params, command)
            result = {"operation": operation, "tasks": {t.id: t.receiver for t in started}}
        self.flush()
        return result

    def receivers(self, *, apps: list[str]) -> list[str]:
        """Return the units of applications."""
        model = self.model
        with model.lock:
            for name in apps:
                model.application(name)
            return [unit.name for name in apps for unit in model.units_of(name)]

    def wait_task(self, *, task: str, seen: int, timeout: float) -> dict[str, Any]:
        """Return a task when it is done, has more than `seen` log lines, or after `timeout` s."""
        model = self.model
        with model.lock:
            found = model.state.tasks.get(task)
            if found is None:
                raise NotFoundError(f'task "{task}" not found')
            model.changed.wait_for(lambda: found.done or len(found.log) > seen, timeout)
            return entities.task_info(model, found)
