"""The calls that change and remove what is deployed."""

from __future__ import annotations

import time
from typing import Any

from jujulab.engine.api.calls import Calls, Progress
from jujulab.engine.model import applications, relations, removal, resolver
from jujulab.engine.model.model import DEFAULT_CONFIG
from jujulab.engine.model.state import Unit
from jujulab.juju.errors import JujuError
from jujulab.juju.names import seconds, sorted_names

_READ_ONLY = {"agent-version", "name", "type", "uuid"}


class Changing(Calls):
    """Each public method is one call."""

    def remove_unit(
        self, *, names: list[str], count: int | None, force: bool, progress: Progress
    ) -> None:
        """Remove units, or `count` of an application's."""
        model = self._model
        with model.lock:
            units = self._newest(names, count) if count else [model.unit(name) for name in names]
            for unit in units:
                if unit.principal:
                    raise JujuError(
                        f'unit "{unit.name}" is a subordinate, to remove use remove-relation. '
                        f'Note: this will remove all units of "{unit.app}"'
                    )
            for unit in units:
                progress(f"will remove unit {unit.name}")
                for name in unit.subordinates:
                    progress(f"- will remove unit {name}")
                removal.destroy_unit(model, unit, force=force)
        self._changed()

    def _newest(self, names: list[str], count: int) -> list[Unit]:
        if len(names) != 1 or "/" in names[0]:
            raise JujuError("specifying the number of units to remove requires one application")
        self._model.application(names[0])
        return self._model.units_of(names[0])[-count:]

    def remove_application(self, *, names: list[str], force: bool, progress: Progress) -> None:
        """Remove applications."""
        model = self._model
        with model.lock:
            for name in names:
                model.application(name)
            for name in names:
                progress(f"will remove application {name}")
                for unit in model.units_of(name):
                    progress(f"- will remove unit {unit.name}")
                removal.destroy_application(model, name, force=force)
        self._changed()

    def integrate(self, *, first: str, second: str, progress: Progress) -> None:
        """Relate two applications."""
        with self._model.lock:
            relations.add(self._model, first, second)
        self._changed()

    def remove_relation(self, *, first: str, second: str, force: bool, progress: Progress) -> None:
        """Remove a relation."""
        with self._model.lock:
            removal.remove_relation(self._model, first, second, force=force)
        self._changed()

    def set_config(
        self, *, app: str, values: dict[str, Any], reset: list[str], progress: Progress
    ) -> None:
        """Set and reset an application's options."""
        with self._model.lock:
            applications.set_options(self._model, app, values, reset)
        self._changed()

    def set_model_config(
        self, *, values: dict[str, str], reset: list[str], progress: Progress
    ) -> None:
        """Set and reset keys of the model's configuration."""
        state = self._model.state
        with self._model.lock:
            typed = {name: _model_value(name, value) for name, value in values.items()}
            for name in reset:
                _model_value(name, "")
                state.config.pop(name, None)
            state.config.update(typed)
        self._changed()

    def resolve(
        self, *, names: list[str], everything: bool, retry: bool, progress: Progress
    ) -> None:
        """Retry failed hooks at once, or go on as if they had run."""
        model = self._model
        with model.lock:
            if everything:
                names = sorted_names(u.name for u in model.state.units.values() if u.failure)
            for name in names:
                unit = model.unit(name)
                if unit.failure is None:
                    raise JujuError(f'unit "{unit.name}" is not in an error state')
                if retry:
                    unit.failure.interrupted = True
                else:
                    resolver.record(
                        model,
                        unit,
                        unit.failure.hook,
                        boot_id=model.boot(unit.machine),
                        digest=model.config_digest(unit),
                        now=time.time(),
                    )
        self._changed()

    def destroy_model(self, *, progress: Progress) -> None:
        """Remove everything in the model at once: machines are destroyed, no hooks run."""
        model = self._model
        with model.lock:
            for name in list(model.state.applications):
                if name in model.state.applications:
                    removal.destroy_application(model, name, force=True)
            model.state.secrets.clear()
            for machine in model.state.machines.values():
                machine.life = "dying"
        self._changed()
        with model.lock:
            model.changed.wait_for(lambda: not model.state.machines, 120)
            left = sorted_names(model.state.machines)
        if left:
            raise JujuError(f"timed out waiting for machines {', '.join(left)} to go")


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
