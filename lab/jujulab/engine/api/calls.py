"""What all of the controller's calls share."""

from __future__ import annotations

import time
from collections.abc import Callable

from jujulab.engine.model.model import Model

Progress = Callable[[str], None]


class Calls:
    """Some calls: each public method is one, its arguments and its result are JSON.

    Args:
        model: The model.
        flush: Waits until all changes are on disk.
    """

    def __init__(self, model: Model, flush: Callable[[], None]) -> None:
        self._model = model
        self._flush = flush

    def _changed(self) -> None:
        """Make what was done known and durable; the lock is not held."""
        with self._model.lock:
            self._model.elect_leaders(time.time())
            self._model.commit()
        self._flush()
