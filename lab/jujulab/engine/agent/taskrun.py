"""The run of one action or command: its context, its output and its outcome."""

from __future__ import annotations

import time
from collections.abc import Callable

from jujulab.engine.hooktools.context import Context
from jujulab.engine.model.model import Model
from jujulab.engine.model.state import Task, Unit


class TaskRun:
    """The run of one task on its machine."""

    def __init__(
        self, model: Model, task: Task, logger: Callable[[Unit], Callable[[str, str], None]]
    ) -> None:
        self._model = model
        self._task = task
        self._logger = logger
        self._context: Context | None = None
        self._output = {"stdout": "", "stderr": ""}

    def begin(self) -> Context | None:
        """Return the context of the run; None for a command on a machine. Takes the lock held."""
        unit = self._model.state.units.get(self._task.receiver)
        if unit is None:
            return None
        what = "juju-exec" if self._task.command else f"action {self._task.name}"
        self._model.set_status(unit.agent, "executing", f"running {what}")
        self._context = Context(self._model, unit, self._logger(unit), task=self._task)
        return self._context

    def sink(self, stream: str, text: str) -> None:
        """Keep what the process prints; it is part of the results."""
        self._output[stream] += text

    def finish(self, code: int, *, died: bool) -> None:
        """Note the outcome; the lock is held."""
        task, context = self._task, self._context
        task.completed = time.time()
        task.results |= {"return-code": code}
        task.results |= {name: text for name, text in self._output.items() if text}
        if died:
            task.status, task.message = "failed", "action terminated"
        elif context and context.failure is not None:
            task.status, task.message = "failed", context.failure
        elif code and not task.command:
            task.status, task.message = "failed", f"exit status {code}"
        else:
            task.status = "completed"
        if context:
            if code == 0:
                context.commit()
            self._model.set_status(context.unit.agent, "idle")
