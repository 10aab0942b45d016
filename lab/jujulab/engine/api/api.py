"""What the command line asks of the controller, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jujulab.engine.api.calls import Calls, Progress
from jujulab.engine.api.changing import Changing
from jujulab.engine.api.deploying import Deploying
from jujulab.engine.api.reading import Reading
from jujulab.engine.api.secretcalls import SecretCalls
from jujulab.engine.api.taskcalls import TaskCalls
from jujulab.engine.model.model import Model
from jujulab.juju.errors import JujuError


class Api(Calls):
    """The controller's methods; all arguments and results are JSON.

    Args:
        model: The model.
        flush: Waits until all changes are on disk.
        shutdown: Ends the controller.
    """

    def __init__(
        self, model: Model, *, flush: Callable[[], None], shutdown: Callable[[], None]
    ) -> None:
        super().__init__(model, flush)
        self._shutdown = shutdown
        kinds = (Reading, Deploying, Changing, TaskCalls, SecretCalls)
        self._calls: list[Calls] = [kind(model, flush) for kind in kinds]

    def method(self, name: str) -> Callable[..., Any]:
        """Return a method by name.

        Raises:
            JujuError: There is none.
        """
        if name == "shutdown":
            return self.shutdown
        found = [getattr(calls, name, None) for calls in self._calls if name[:1].isalpha()]
        method: Callable[..., Any] | None = next((m for m in found if callable(m)), None)
        if method is None:
            raise JujuError(f"no such call: {name}")
        return method

    def shutdown(self, *, progress: Progress) -> None:
        """End the controller; machines and what they run stay."""
        self._shutdown()
