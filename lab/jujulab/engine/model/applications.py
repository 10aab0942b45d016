"""Applications: how they come, and how their options and charms change."""

import re
import time
from collections.abc import Mapping
from typing import Any

from jujulab.engine.model import relations
from jujulab.engine.model.model import Model
from jujulab.engine.model.state import Application, Status
from jujulab.juju.charm import CHARM_NAME
from jujulab.juju.errors import JujuError
from jujulab.juju.store import StoredCharm


def add_application(
    model: Model,
    name: str,
    charm: StoredCharm,
    *,
    channel: str = "",
    base: str = "",
    options: Mapping[str, Any] | None = None,
    bindings: Mapping[str, str] | None = None,
    constraints: str = "",
    trust: bool = False,
) -> Application:
    """Add an application without units.

    Options that are text are converted to their types. In `bindings`, endpoint or extra binding ->
    space, the empty name is the default.

    Raises:
        JujuError: The name is bad or taken, or an option or binding does not fit the charm.
    """
    meta, bindings = charm.meta, dict(bindings or {})
    if not re.fullmatch(CHARM_NAME, name):
        raise JujuError(f'invalid application name "{name}"')
    if name in model.state.applications:
        raise JujuError(f'deploying application "{name}": application already exists')
    if meta.subordinate and constraints:
        raise JujuError("subordinate application must be deployed without constraints")
    if unknown := sorted(bindings.keys() - {"", *meta.binding_names}):
        what = f'unknown endpoint "{unknown[0]}" in bindings'
        raise JujuError(f'deploying application "{name}": {what}')
    app = Application(
        name=name,
        charm=charm.key,
        source=charm.source,
        charm_url=charm.url,
        charm_origin=charm.origin,
        revision=charm.revision,
        channel=channel or ("stable" if charm.origin == "charmhub" else ""),
        base=base or meta.base,
        subordinate=meta.subordinate,
        trust=trust,
        constraints=constraints if meta.subordinate else _with_architecture(constraints),
        bindings=bindings,
        status=Status("unset", "", time.time()),
    )
    app.options = checked_options(name, charm, options or {})
    model.state.applications[name] = app
    relations.add_peers(model, name)
    return app


def _with_architecture(constraints: str) -> str:
    """Return constraints as Juju 3.6 and 4 keep them: with an architecture.

    See AddApplication in 3.6's state, resolveApplicationConstraints in 4's domain.
    """
    words = constraints.split()
    has = any(word.startswith("arch=") for word in words)
    return " ".join(words if has else ["arch=amd64", *words])


def checked_options(app: str, charm: StoredCharm, values: Mapping[str, Any]) -> dict[str, Any]:
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
