"""The calls about the user's secrets."""

from __future__ import annotations

from jujulab.engine.api.calls import Calls, Progress
from jujulab.engine.model import usersecrets


class SecretCalls(Calls):
    """Each public method is one call."""

    def add_secret(self, *, name: str, content: dict[str, str], progress: Progress) -> str:
        """Make a secret and return how options name it."""
        del progress
        with self._model.lock:
            secret = usersecrets.add(self._model, name, content)
        self._changed()
        return f"secret:{secret.id}"

    def update_secret(self, *, secret: str, content: dict[str, str], progress: Progress) -> None:
        """Give a secret a new revision."""
        del progress
        with self._model.lock:
            usersecrets.update(self._model, secret, content)
        self._changed()

    def grant_secret(self, *, secret: str, apps: list[str], progress: Progress) -> None:
        """Let applications read a secret."""
        del progress
        with self._model.lock:
            usersecrets.grant(self._model, secret, apps)
        self._changed()
