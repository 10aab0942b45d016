"""The calls that bring in charms."""

from pathlib import Path
from typing import Any

from jujulab.engine.api import deploy
from jujulab.engine.api.calls import Calls
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
        revision: int | None,
        units: int | None,
        to: list[str],
        **about: Any,
    ) -> None:
        """Deploy one charm; `about` it is what `add_application` takes besides."""
        stored = deploy.store_charm(self.model, charm, revision)
        subordinate = stored.meta.subordinate
        if subordinate and (to or units not in (None, 0, 1)):
            raise JujuError("subordinate application must be deployed without units")
        count = 0 if subordinate else 1 if units is None else units
        if len(to) > count and not subordinate:
            raise JujuError("too many units specified in unit placement")
        with self._changing() as model:
            for directive in to:
                placing.check_placement(model, directive)
            name = name or stored.meta.name
            app = applications.add_application(model, name, stored, **about)
            source = "local charm" if stored.origin == "local" else "charm-hub charm"
            where = f" in channel {app.channel}" if app.channel else ""
            self.say(f'Located {source} "{stored.meta.name}", revision {stored.revision}')
            self.say(
                f'Deploying "{app.name}" from {source} "{stored.meta.name}", revision '
                f"{stored.revision}{where} on {app.base or 'any base'}"
            )
            self._add_units(app.name, count, to)

    def deploy_bundle(
        self, *, bundle: str, overlays: list[str], map_machines: str, dry_run: bool
    ) -> None:
        """Deploy a bundle with overlays: all is read, verified and planned before a change."""
        files = [Path(path) for path in (bundle, *overlays)]
        changes = deploy.plan(self.model, files, map_machines)
        charms = deploy.find_charms(self.model, changes, self.say, dry_run=dry_run)
        if not changes:
            self.say("No changes to apply.")
            return
        self.say("Changes to deploy bundle:" if dry_run else "Executing changes:")
        for change in changes:
            self.say(f"- {change}")
        if dry_run:
            return
        with self._changing() as model:
            for change in changes:
                deploy.execute(change, model, charms)
        self.say("Deploy of bundle completed.")

    def refresh(
        self, *, app: str, path: str, channel: str, revision: int | None, options: dict[str, Any]
    ) -> None:
        """Upgrade an application's charm, from `path` or from where it came."""
        with self.model.lock:
            source = path or self.model.application(app).source
        stored = deploy.store_charm(self.model, source, revision)
        with self._changing() as model:
            application = model.application(app)
            if stored.key == application.charm:
                self.say(f'charm "{stored.meta.name}": already up-to-date')
            else:
                self.say(
                    f'Added {stored.origin} charm "{stored.meta.name}", revision '
                    f"{stored.revision}, to the model"
                )
                applications.upgrade_charm(model, app, stored)
            if channel:
                application.channel = channel
            if options:
                applications.set_options(model, app, options, [])

    def add_unit(self, *, app: str, units: int, to: list[str]) -> None:
        """Add units."""
        with self._changing() as model:
            if model.application(app).subordinate:
                raise JujuError(f'cannot add unit to "{app}": application is a subordinate')
            for directive in to:
                placing.check_placement(model, directive)
            self._add_units(app, units, to)

    def _add_units(self, app: str, count: int, to: list[str]) -> None:
        base = self.model.application(app).base
        for number in range(count):
            directive = to[number] if number < len(to) else ""
            machine = placing.place(self.model, directive, base=base)
            placing.add_unit(self.model, app, machine)
