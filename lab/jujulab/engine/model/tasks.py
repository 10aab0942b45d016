"""Operations: actions on units and commands on units or machines."""

import time
import uuid
from typing import Any

from jujulab.engine.model.model import Model
from jujulab.engine.model.state import Task
from jujulab.juju.errors import NotFoundError

JUJU_EXEC = "juju-exec"


def enqueue(
    model: Model, receivers: list[str], name: str, params: dict[str, Any], command: str = ""
) -> tuple[str, list[Task]]:
    """Queue an action, or `juju-exec` with a command, on units or machines; the lock is held.

    Returns:
        The number of the operation, and its tasks.

    Raises:
        JujuError: The action or a receiver does not exist, or the parameters do not fit.
    """
    checked = {r: params if command else _check(model, r, name, params) for r in receivers}
    operation, now = _next_id(model), time.time()
    tasks = [Task(_next_id(model), r, name, p, command, enqueued=now) for r, p in checked.items()]
    model.state.tasks |= {task.id: task for task in tasks}
    model.commit()
    return operation, tasks


def _next_id(model: Model) -> str:
    number = model.state.next_operation
    model.state.next_operation += 1
    return str(number)


def _check(model: Model, receiver: str, name: str, params: dict[str, Any]) -> dict[str, Any]:
    unit = model.unit(receiver)
    action = model.meta(unit.app).actions.get(name)
    if action is None:
        raise NotFoundError(f'action "{name}" not defined on unit "{unit.name}" (not found)')
    return action.validate(params)


def execute(model: Model, machine_id: str, unit: str, command: str) -> tuple[int, str, str]:
    """Run a command in a unit's context, between its hooks, as juju-exec on the machine does.

    Unlike `juju exec` that is no operation that anybody could look up. The lock is not held.

    Returns:
        Exit code, standard output and standard error.
    """
    with model.lock:
        if machine_of(model, unit) != machine_id or "/" not in unit:
            return 1, "", f'ERROR unit "{unit}" not found on this machine\n'
        task = Task(f"{JUJU_EXEC}-{uuid.uuid4()}", unit, JUJU_EXEC, command=command)
        model.state.tasks[task.id] = task
        model.commit()
        model.changed.wait_for(lambda: task.done)
        model.state.tasks.pop(task.id, None)
        model.commit()
    results = task.results
    err = results.get("stderr", "") + (f"ERROR {task.message}\n" if task.message else "")
    return int(results.get("return-code", 1)), results.get("stdout", ""), err


def machine_of(model: Model, receiver: str) -> str:
    """Return the machine that runs a receiver's tasks; empty if the receiver is gone."""
    if "/" in receiver and receiver not in model.state.machines:
        unit = model.state.units.get(receiver)
        return unit.machine if unit else ""
    return receiver


def start_task(model: Model, machine_id: str) -> Task | None:
    """Return the next task of a machine, marked as running.

    Tasks of a unit wait until it is installed; a hook that failed does not hold them up.
    """
    for task in model.state.tasks.values():
        if task.status != "pending" or machine_of(model, task.receiver) != machine_id:
            continue
        unit = model.state.units.get(task.receiver)
        if unit is None or unit.installed:
            task.status, task.started = "running", time.time()
            return task
    return None


def abort_running(model: Model) -> None:
    """Note that what a controller that died was running has ended; an action is not run twice."""
    for unit in model.state.units.values():
        if unit.agent.current == "executing":
            model.set_status(unit.agent, "idle")
    for task in list(model.state.tasks.values()):
        if task.id.startswith(JUJU_EXEC):  # who waited for it is gone with the controller
            del model.state.tasks[task.id]
        elif task.status == "running":
            task.status, task.message = "failed", "action terminated"
            task.completed = time.time()


def prune(model: Model, keep: int = 500) -> None:
    """Forget the oldest tasks beyond `keep`, when they are done."""
    for task in list(model.state.tasks.values())[:-keep]:
        if task.done:
            del model.state.tasks[task.id]
