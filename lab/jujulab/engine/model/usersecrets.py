"""Secrets that the model's user has made, and granted to applications."""

import re
import secrets

from jujulab.engine.model.model import Model
from jujulab.engine.model.state import Secret, Unit
from jujulab.juju.errors import JujuError, NotFoundError

_KEY = re.compile(r"[a-z][a-z0-9-]+[a-z0-9]")


def find(model: Model, reference: str) -> Secret:
    """Return a secret by `secret:ID`, ID or name, or raise NotFoundError."""
    wanted = reference.removeprefix("secret:").rpartition("/")[2]
    for secret in model.state.secrets.values():
        if wanted in (secret.id, secret.name):
            return secret
    raise NotFoundError(f'secret "{wanted}" not found')


def add(model: Model, name: str, content: dict[str, str]) -> Secret:
    """Make a secret.

    Raises:
        JujuError: The name is taken, or there is nothing in it that may be.
    """
    _check(content)
    if any(secret.name == name for secret in model.state.secrets.values()):
        raise JujuError(f'secret with name "{name}" already exists')
    secret = Secret(secrets.token_hex(10), name, [content])
    model.state.secrets[secret.id] = secret
    return secret


def update(model: Model, secret: str, content: dict[str, str]) -> None:
    """Give a secret a new revision; units that read it are told by `secret-changed`."""
    _check(content)
    found = find(model, secret)
    if content != found.contents[-1]:
        found.contents.append(content)


def grant(model: Model, secret: str, apps: list[str]) -> None:
    """Let applications read a secret; Juju tells them nothing of it."""
    found = find(model, secret)
    for app in apps:
        if model.application(app).name not in found.granted:
            found.granted.append(app)


def changed(model: Model, unit: Unit) -> Secret | None:
    """Return a secret with a revision that a unit, which has read it, has not been told of."""
    for secret_id, tracked in unit.secrets.items():
        secret = model.state.secrets.get(secret_id)
        if secret and secret.revision > max(tracked, unit.secrets_told.get(secret_id, 0)):
            return secret
    return None


def _check(content: dict[str, str]) -> None:
    if not content:
        raise JujuError("missing secret value or filename")
    for key in content:
        if not _KEY.fullmatch(key):
            raise JujuError(f'key "{key}" not valid')
