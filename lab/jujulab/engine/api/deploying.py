"""The calls that bring in charms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jujulab.engine.api import deploy
from jujulab.engine.api.calls import Calls, Progress
from jujulab.engine.model import applications
from jujulab.engine.model import units as placing
from jujulab.juju.errors import JujuError


class Deploying(Calls):
    """Each public method is one call."""

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
        spec = applications.AppSpec(
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
                placing.check_placement(model, directive)
            app = applications.add_application(model, spec)
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
                applications.upgrade_charm(model, app, stored)
            if channel:
                application.channel = channel
            if options:
                applications.set_options(model, app, options, [])
        self._changed()

    def add_unit(self, *, app: str, units: int, to: list[str], progress: Progress) -> list[str]:
        """Add units and return their names."""
        with self._model.lock:
            if self._model.application(app).subordinate:
                raise JujuError(f'cannot add unit to "{app}": application is a subordinate')
            for directive in to:
                placing.check_placement(self._model, directive)
            names = self._add_units(app, units, to)
        self._changed()
        return names

    def _add_units(self, app: str, count: int, to: list[str]) -> list[str]:
        names = []
        for number in range(count):
            directive = to[number] if number < len(to) else ""
            base = self._model.application(app).base
            machine = placing.place(self._model, directive, base=base)
            names.append(placing.add_unit(self._model, app, machine).name)
        return names
