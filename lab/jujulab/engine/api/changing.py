"""The calls that change and remove what is deployed, make secrets, and run actions."""

from typing import Any

from jujulab.engine.api import entities
from jujulab.engine.api.calls import Calls
from jujulab.engine.model import removal, tasks, usersecrets
from jujulab.engine.model.model import DEFAULT_CONFIG
from jujulab.engine.model.state import Unit
from jujulab.juju.errors import JujuError, NotFoundError
from jujulab.juju.names import seconds, sorted_names

_READ_ONLY = {"agent-version", "name", "type", "uuid"}


class Changing(Calls):
    """Each public method is one call."""

    def remove_unit(self, *, names: list[str], count: int | None, force: bool) -> None:
        """Remove units, or `count` of an application's."""
        with self._changing() as model:
            units = self._newest(names, count) if count else [model.unit(name) for name in names]
            for unit in units:
                if unit.principal:
                    raise JujuError(
                        f'unit "{unit.name}" is a subordinate, to remove use remove-relation. '
                        f'Note: this will remove all units of "{unit.app}"'
                    )
            for unit in units:
                self.say(f"will remove unit {unit.name}")
                for name in unit.subordinates:
                    self.say(f"- will remove unit {name}")
                removal.destroy_unit(model, unit, force=force)

    def _newest(self, names: list[str], count: int) -> list[Unit]:
        if len(names) != 1 or "/" in names[0]:
            raise JujuError("specifying the number of units to remove requires one application")
        self.model.application(names[0])
        return self.model.units_of(names[0])[-count:]

    def remove_application(self, *, names: list[str], force: bool) -> None:
        """Remove applications."""
        with self._changing() as model:
            for name in names:
                model.application(name)
            for name in names:
                self.say(f"will remove application {name}")
                for unit in model.units_of(name):
                    self.say(f"- will remove unit {unit.name}")
                removal.destroy_application(model, name, force=force)

    def set_model_config(self, *, values: dict[str, str], reset: list[str]) -> None:
        """Set and reset keys of the model's configuration."""
        with self._changing() as model:
            typed = {name: _model_value(name, value) for name, value in values.items()}
            for name in reset:
                _model_value(name, "")
                model.state.config.pop(name, None)
            model.state.config.update(typed)

    def resolve(self, *, names: list[str]) -> None:
        """Retry failed hooks at once."""
        with self._changing() as model:
            for name in names:
                unit = model.unit(name)
                if unit.failure is None:
                    raise JujuError(f'unit "{unit.name}" is not in an error state')
                unit.failure.interrupted = True

    def add_secret(self, *, name: str, content: dict[str, str]) -> str:
        """Make a secret and return how options name it."""
        with self._changing() as model:
            return f"secret:{usersecrets.add(model, name, content).id}"

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

    def wait_task(self, *, task: str, seen: int, timeout: float) -> dict[str, Any]:
        """Return a task when it is done, has more than `seen` log lines, or after `timeout` s."""
        model = self.model
        with model.lock:
            found = model.state.tasks.get(task)
            if found is None:
                raise NotFoundError(f'task "{task}" not found')
            model.changed.wait_for(lambda: found.done or len(found.log) > seen, timeout)
            return entities.task_info(model, found)

    def destroy_model(self) -> None:
        """Remove everything in the model at once: machines are destroyed, no hooks run."""
        with self._changing() as model:
            for name in list(model.state.applications):
                if name in model.state.applications:
                    removal.destroy_application(model, name, force=True)
            model.state.secrets.clear()
            for machine in model.state.machines.values():
                machine.life = "dying"
        with model.lock:
            model.changed.wait_for(lambda: not model.state.machines, 120)
            left = sorted_names(model.state.machines)
        if left:
            raise JujuError(f"timed out waiting for machines {', '.join(left)} to go")

    def shutdown(self) -> None:
        """End the controller; machines and what they run stay."""
        self.shut_down()


def _model_value(name: str, text: str) -> Any:
    """Return a model configuration value in its type.

    Raises:
        JujuError: The key is unknown or cannot be set, or the value does not fit.
    """
    if name not in DEFAULT_CONFIG:
        raise JujuError(f'unknown model config key "{name}"')
    if name in _READ_ONLY:
        raise JujuError(f'"{name}" cannot be changed')
    if isinstance(DEFAULT_CONFIG[name], bool):
        if text not in ("true", "false", ""):
            raise JujuError(f'{name}: expected bool, got "{text}"')
        return text == "true"
    if text and name in ("update-status-hook-interval", "leadership-lease"):
        seconds(text)
    return text
