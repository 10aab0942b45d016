"""What all of the controller's calls share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from jujulab.engine.model.model import Model


@dataclass
class Calls:
    """One call: each public method is one, its arguments and its result are JSON.

    Attributes:
        model: The model.
        flush: Waits until all changes are on disk.
        shut_down: Ends the controller.
        say: Tells the caller something while the call goes on.
    """

    model: Model
    flush: Callable[[], None]
    shut_down: Callable[[], None]
    say: Callable[[str], None]

    @contextmanager
    def _changing(self) -> Iterator[Model]:
        """Have the model locked; what was done is known and durable afterwards."""
        with self.model.lock:
            yield self.model
            self.model.elect_leaders(time.time())
            self.model.commit()
        self.flush()
