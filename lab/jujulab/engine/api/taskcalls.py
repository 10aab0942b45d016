"""The calls about actions and commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jujulab.engine.agent import tasks
from jujulab.engine.api import entities
from jujulab.engine.model.model import Model
from jujulab.engine.model.state import Task
from jujulab.juju.errors import NotFoundError
from jujulab.juju.names import sorted_names

Progress = Callable[[str], None]


class TaskCalls:
    """Each public method is one call; see `Api`."""

    def __init__(self, model: Model, flush: Callable[[], None]) -> None:
        self._model = model
        self._flush = flush

    def enqueue(
        self,
        *,
        receivers: list[str],
        action: str,
        params: dict[str, Any],
        command: str,
        progress: Progress,
    ) -> dict[str, Any]:
        """Queue an action or a command; returns the operation and its tasks by id."""
        model = self._model
        with model.lock:
            names = [
                model.machine(name).id
                if command and name in model.state.machines
                else model.unit(name).name
                for name in receivers
            ]
            operation = tasks.enqueue(model, names, action, params, command)
            result = {
                "operation": operation.id,
                "tasks": {i: model.state.tasks[i].receiver for i in operation.tasks},
            }
        self._flush()
        return result

    def receivers(self, *, apps: list[str], everywhere: bool, progress: Progress) -> list[str]:
        """Return the units of applications, or all machines."""
        model = self._model
        with model.lock:
            for name in apps:
                model.application(name)
            if everywhere:
                return sorted_names(model.state.machines)
            return [unit.name for name in apps for unit in model.units_of(name)]

    def wait_task(
        self, *, task: str, seen: int, timeout: float, progress: Progress
    ) -> dict[str, Any]:
        """Return a task when it is done, has more than `seen` log lines, or after `timeout` s."""
        model = self._model
        with model.lock:
            found = self._task(task)
            model.changed.wait_for(lambda: found.done or len(found.log) > seen, timeout)
            return entities.task_info(model, found)

    def cancel_task(self, *, task: str, progress: Progress) -> dict[str, Any]:
        """Cancel a task that has not begun."""
        with self._model.lock:
            return entities.task_info(self._model, tasks.cancel(self._model, task))

    def operation(self, *, operation: str, progress: Progress) -> dict[str, Any]:
        """Return an operation with its tasks."""
        model = self._model
        with model.lock:
            found = model.state.operations.get(operation)
            if found is None:
                raise NotFoundError(f'operation "{operation}" not found')
            return {
                "summary": found.summary,
                "tasks": {i: entities.task_info(model, self._task(i)) for i in found.tasks},
            }

    def operations(self, *, progress: Progress) -> dict[str, str]:
        """Return the summaries of all operations by id."""
        with self._model.lock:
            return {o.id: o.summary for o in self._model.state.operations.values()}

    def _task(self, task_id: str) -> Task:
        try:
            return self._model.state.tasks[task_id]
        except KeyError:
            raise NotFoundError(f'task "{task_id}" not found') from None
