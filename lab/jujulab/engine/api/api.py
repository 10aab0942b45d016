"""What the command line asks of the controller; each public method is one call."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jujulab.engine.api import deploy, entities, status
from jujulab.engine.api.taskcalls import Progress, TaskCalls
from jujulab.engine.model import lifecycle, relations, resolver
from jujulab.engine.model.model import DEFAULT_CONFIG, Model
from jujulab.engine.model.state import Unit
from jujulab.juju.errors import JujuError, NotFoundError
from jujulab.juju.names import seconds, sorted_names

_READ_ONLY = {"agent-version", "name", "type", "uuid"}
_CALL = re.compile(r"^[a-z][a-z_]*$")


class Api(TaskCalls):
    """The controller's methods; all arguments and results are JSON.

    Args:
        flush: Waits until all changes are on disk.
        shutdown: Ends the controller.
    """

    def __init__(
        self, model: Model, *, flush: Callable[[], None], shutdown: Callable[[], None]
    ) -> None:
        super().__init__(model, flush)
        self._shutdown = shutdown

    def method(self, name: str) -> Callable[..., Any]:
        """Return a method by name.

        Raises:
            JujuError: There is none.
        """
        if not _CALL.match(name) or name == "method":
            raise JujuError(f"no such call: {name}")
        method: Callable[..., Any] | None = getattr(self, name, None)
        if method is None:
            raise JujuError(f"no such call: {name}")
        return method

    def _changed(self) -> None:
        """Make what was done known and durable; the lock is not held."""
        with self._model.lock:
            self._model.elect_leaders(time.time())
            self._model.commit()
        self._flush()

    def ping(self, *, progress: Progress) -> str:
        """Answer."""
        return "pong"

    def shutdown(self, *, progress: Progress) -> None:
        """End the controller; machines and what they run stay."""
        self._shutdown()

    # Reading.

    def status(self, *, patterns: list[str], progress: Progress) -> dict[str, Any]:
        """Return the status and the rows of its relations section."""
        with self._model.lock:
            return {
                "status": status.full_status(self._model, patterns),
                "relations": status.relation_rows(self._model),
            }

    def stalls(self, *, progress: Progress) -> list[dict[str, Any]]:
        """Return when nothing ran although units were not ready, oldest first."""
        with self._model.lock:
            return [dict(vars(stall)) for stall in self._model.state.stalls]

    def entities(self, *, progress: Progress) -> dict[str, Any]:
        """Return what `wait-for` looks at."""
        with self._model.lock:
            return entities.snapshot(self._model)

    def show_unit(self, *, names: list[str], progress: Progress) -> dict[str, Any]:
        """Return what `show-unit` prints."""
        with self._model.lock:
            return {name: entities.unit_info(self._model, name) for name in names}

    def show_application(self, *, names: list[str], progress: Progress) -> dict[str, Any]:
        """Return what `show-application` prints."""
        with self._model.lock:
            return {name: entities.application_info(self._model, name) for name in names}

    def get_config(self, *, app: str, progress: Progress) -> dict[str, Any]:
        """Return what `config` prints."""
        with self._model.lock:
            return entities.config_info(self._model, app)

    def model_config(self, *, progress: Progress) -> dict[str, Any]:
        """Return the model's configuration with each value's source."""
        model = self._model
        with model.lock:
            return {
                name: {
                    "Value": model.config_value(name),
                    "Source": "model" if name in model.state.config else "default",
                }
                for name in sorted(DEFAULT_CONFIG)
            }

    def machine_of(self, *, target: str, progress: Progress) -> str:
        """Return the machine of a unit, or a machine's own id."""
        with self._model.lock:
            if target in self._model.state.machines:
                return target
            if "/" not in target:
                raise NotFoundError(f"machine {target} not found")
            return self._model.unit(target).machine

    def actions(self, *, app: str, progress: Progress) -> dict[str, Any]:
        """Return the actions of an application's charm."""
        with self._model.lock:
            found = self._model.meta(app).actions
            return {
                name: {
                    "description": a.description,
                    "properties": a.params,
                    "required": list(a.required),
                    "additionalProperties": a.additional,
                }
                for name, a in sorted(found.items())
            }

    # Deploying.

    def deploy_charm(
        self,
        *,
        charm: str,
        name: str,
        channel: str,
        revision: int | None,
        base: str,
        options: dict[str, Any],
        bindings: dict[str, str],
        constraints: str,
        trust: bool,
        units: int | None,
        to: list[str],
        progress: Progress,
    ) -> str:
        """Deploy one charm and return the application's name."""
        model = self._model
        stored = deploy.store_charm(model, charm, revision)
        spec = lifecycle.AppSpec(
            name=name or stored.meta.name,
            charm=stored,
            channel=channel,
            base=base,
            options=options,
            bindings=bindings,
            constraints=constraints,
            trust=trust,
        )
        if stored.meta.subordinate and (to or units not in (None, 0, 1)):
            raise JujuError("subordinate application must be deployed without units")
        count = 0 if stored.meta.subordinate else 1 if units is None else units
        if len(to) > count and not stored.meta.subordinate:
            raise JujuError("too many units specified in unit placement")
        with model.lock:
            for directive in to:
                lifecycle.check_placement(model, directive)
            app = lifecycle.add_application(model, spec)
            source = "local charm" if stored.origin == "local" else "charm-hub charm"
            where = f" in channel {app.channel}" if app.channel else ""
            progress(f'Located {source} "{stored.meta.name}", revision {stored.revision}')
            progress(
                f'Deploying "{app.name}" from {source} "{stored.meta.name}", revision '
                f"{stored.revision}{where} on {app.base or 'any base'}"
            )
            self._add_units(app.name, count, to)
        self._changed()
        return app.name

    def deploy_bundle(
        self,
        *,
        bundle: str,
        overlays: list[str],
        map_machines: str,
        dry_run: bool,
        progress: Progress,
    ) -> None:
        """Deploy a bundle with overlays."""
        deploy.deploy_bundle(
            self._model,
            Path(bundle),
            [Path(path) for path in overlays],
            map_machines=map_machines,
            dry_run=dry_run,
            progress=progress,
        )
        self._changed()

    def refresh(
        self,
        *,
        app: str,
        path: str,
        channel: str,
        revision: int | None,
        options: dict[str, Any],
        progress: Progress,
    ) -> None:
        """Upgrade an application's charm, from `path` or from where it came."""
        model = self._model
        with model.lock:
            application = model.application(app)
            source = path or application.source
        stored = deploy.store_charm(model, source, revision)
        with model.lock:
            if stored.key == application.charm:
                progress(f'charm "{stored.meta.name}": already up-to-date')
            else:
                progress(
                    f'Added {stored.origin} charm "{stored.meta.name}", revision '
                    f"{stored.revision}, to the model"
                )
                lifecycle.upgrade_charm(model, app, stored)
            if channel:
                application.channel = channel
            if options:
                lifecycle.set_options(model, app, options, [])
        self._changed()

    def _add_units(self, app: str, count: int, to: list[str]) -> list[str]:
        names = []
        for number in range(count):
            directive = to[number] if number < len(to) else ""
            base = self._model.application(app).base
            machine = lifecycle.place(self._model, directive, base=base)
            names.append(lifecycle.add_unit(self._model, app, machine).name)
        return names

    # Changing.

    def add_unit(self, *, app: str, units: int, to: list[str], progress: Progress) -> list[str]:
        """Add units and return their names."""
        with self._model.lock:
            if self._model.application(app).subordinate:
                raise JujuError(f'cannot add unit to "{app}": application is a subordinate')
            for directive in to:
                lifecycle.check_placement(self._model, directive)
            names = self._add_units(app, units, to)
        self._changed()
        return names

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
                lifecycle.destroy_unit(model, unit, force=force)
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
                lifecycle.destroy_application(model, name, force=force)
        self._changed()

    def integrate(self, *, first: str, second: str, progress: Progress) -> None:
        """Relate two applications."""
        with self._model.lock:
            relations.add(self._model, first, second)
        self._changed()

    def remove_relation(self, *, first: str, second: str, force: bool, progress: Progress) -> None:
        """Remove a relation."""
        with self._model.lock:
            relations.remove(self._model, first, second, force=force)
        self._changed()

    def add_machine(
        self, *, placement: str, count: int, base: str, constraints: str, progress: Progress
    ) -> list[str]:
        """Add machines or containers and return their ids."""
        model = self._model
        with model.lock:
            if placement and not re.match(r"^lxd(:\d+)?$", placement):
                raise JujuError(f'invalid placement directive "{placement}"')
            added = []
            for _ in range(count):
                if placement:
                    added.append(lifecycle.place(model, placement, base=base))
                else:
                    added.append(lifecycle.add_machine(model, base=base, constraints=constraints))
        self._changed()
        return added

    def remove_machine(self, *, ids: list[str], force: bool, progress: Progress) -> None:
        """Remove machines."""
        with self._model.lock:
            for machine in ids:
                self._model.machine(machine)
            for machine in ids:
                lifecycle.remove_machine(self._model, machine, force=force)
                progress(f"will remove machine {machine}")
        self._changed()

    def set_config(
        self, *, app: str, values: dict[str, Any], reset: list[str], progress: Progress
    ) -> None:
        """Set and reset an application's options."""
        with self._model.lock:
            lifecycle.set_options(self._model, app, values, reset)
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

    def constraints(self, *, values: dict[str, str] | None, progress: Progress) -> dict[str, str]:
        """Set the model's constraints, or return them."""
        with self._model.lock:
            if values is not None:
                self._model.state.constraints = values
            result = dict(self._model.state.constraints)
        self._changed()
        return result

    def trust(self, *, app: str, trusted: bool, progress: Progress) -> None:
        """Set whether an application is trusted with credentials."""
        with self._model.lock:
            self._model.application(app).trust = trusted
        self._changed()

    def expose(self, *, app: str, exposed: bool, progress: Progress) -> None:
        """Expose all endpoints of an application, or none."""
        with self._model.lock:
            everything: dict[str, dict[str, list[str]]] = {"": {"spaces": [], "cidrs": []}}
            self._model.application(app).exposed = everything if exposed else {}
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
                    lifecycle.destroy_application(model, name, force=True)
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
