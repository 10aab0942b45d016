"""Applications: how they come, and how their options and charms change."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Any

from jujulab.engine.model import relations
from jujulab.engine.model.model import Model
from jujulab.engine.model.state import Application, Status
from jujulab.juju.errors import JujuError
from jujulab.juju.store import StoredCharm

_APP_NAME = re.compile(r"^[a-z][a-z0-9]*(?:-[a-z0-9]*[a-z][a-z0-9]*)*$")


@dataclass
class AppSpec:
    """How an application is to be deployed.

    Attributes:
        options: Values by option name; text is converted to the option's type.
        bindings: Spaces by endpoint or extra binding; the empty name is the default.
    """

    name: str
    charm: StoredCharm
    channel: str = ""
    base: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    bindings: dict[str, str] = field(default_factory=dict)
    constraints: str = ""
    trust: bool = False


def add_application(model: Model, spec: AppSpec) -> Application:
    """Add an application without units.

    Raises:
        JujuError: The name is bad or taken, or an option or binding does not fit the charm.
    """
    meta = spec.charm.meta
    if not _APP_NAME.match(spec.name):
        raise JujuError(f'invalid application name "{spec.name}"')
    if spec.name in model.state.applications:
        raise JujuError(f'deploying application "{spec.name}": application already exists')
    if meta.subordinate and spec.constraints:
        raise JujuError("subordinate application must be deployed without constraints")
    for name in spec.bindings:
        if name and name not in meta.binding_names:
            raise JujuError(
                f'deploying application "{spec.name}": unknown endpoint "{name}" in bindings'
            )
    app = Application(
        name=spec.name,
        charm=spec.charm.key,
        source=spec.charm.source,
        charm_url=spec.charm.url,
        charm_origin=spec.charm.origin,
        revision=spec.charm.revision,
        channel=spec.channel or ("stable" if spec.charm.origin == "charmhub" else ""),
        base=spec.base or meta.base,
        subordinate=meta.subordinate,
        trust=spec.trust,
        constraints=spec.constraints if meta.subordinate else _with_architecture(spec.constraints),
        bindings=dict(spec.bindings),
        status=Status("unset", "", time.time()),
    )
    app.options = checked_options(spec.name, spec.charm, spec.options)
    model.state.applications[spec.name] = app
    relations.add_peers(model, spec.name)
    return app


def _with_architecture(constraints: str) -> str:
    """Return constraints as Juju 3.6 and 4 keep them: with an architecture.

    See AddApplication in 3.6's state, resolveApplicationConstraints in 4's domain.
    """
    words = constraints.split()
    has = any(word.startswith("arch=") for word in words)
    return " ".join(words if has else ["arch=amd64", *words])


def checked_options(app: str, charm: StoredCharm, values: dict[str, Any]) -> dict[str, Any]:
    """Return option values in their types; JujuError where one is unknown or does not fit."""
    result = {}
    for name, value in values.items():
        if name not in charm.meta.options:
            raise JujuError(f'application "{app}": unknown option "{name}"')
        result[name] = charm.meta.options[name].coerce(name, value)
    return {name: value for name, value in result.items() if value is not None}


def set_options(model: Model, app: str, values: dict[str, Any], reset: list[str]) -> None:
    """Change an application's options.

    Raises:
        JujuError: An option is unknown or its value does not fit; nothing is changed then.
    """
    application, options = model.application(app), model.meta(app).options
    unknown = [name for name in [*values, *reset] if name not in options]
    if unknown:
        raise JujuError(f'unknown option "{unknown[0]}"')
    typed = {name: options[name].coerce(name, value) for name, value in values.items()}
    for name in reset:
        application.options.pop(name, None)
    application.options.update(typed)


def upgrade_charm(model: Model, name: str, charm: StoredCharm) -> None:
    """Give an application another revision of its charm; its units run upgrade-charm.

    Raises:
        JujuError: The charm is another one, or lacks an endpoint that is in use.
    """
    app, old = model.application(name), model.meta(name)
    if charm.meta.name != old.name:
        raise JujuError(f'cannot upgrade charm "{old.name}" to "{charm.meta.name}"')
    if charm.meta.subordinate != app.subordinate:
        raise JujuError(f'cannot upgrade application "{name}": subordinacy would change')
    for relation in model.relations_of(name):
        used = relation.endpoint(name).name
        if used not in charm.meta.endpoints:
            raise JujuError(f'cannot upgrade application "{name}": would break relation {used}')
    peers = {r.endpoint(name).name for r in model.relations_of(name) if r.is_peer}
    kept = {k: v for k, v in app.options.items() if k in charm.meta.options}
    app.options = checked_options(name, charm, kept)
    app.charm, app.charm_url, app.revision = charm.key, charm.url, charm.revision
    app.charm_origin, app.source = charm.origin, charm.source
    for endpoint in charm.meta.endpoints.values():
        if endpoint.role == "peer" and endpoint.name not in peers:
            relations.add_peer(model, name, endpoint)
