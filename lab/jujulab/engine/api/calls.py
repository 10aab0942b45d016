"""What all of the controller's calls share, and those that are one function of the model."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from jujulab.engine.api import entities, status
from jujulab.engine.model import applications, relations, removal, usersecrets
from jujulab.engine.model.model import Model
from jujulab.juju.errors import JujuError

_LOOKS: dict[str, Callable[..., Any]] = {
    "get_config": entities.config_info,
    "model_config": entities.model_config,
    "receivers": entities.receivers,
    "show_unit": entities.units_info,
    "stalls": entities.stalls,
    "status": status.full_status,
}
"""Calls that only look."""

_CHANGES: dict[str, Callable[..., Any]] = {
    "grant_secret": usersecrets.grant,
    "integrate": relations.add,
    "remove_relation": removal.remove_relation,
    "set_config": applications.set_options,
    "update_secret": usersecrets.update,
}
"""Calls that are one change, of which nothing is answered."""


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


def carry_out(calls: Calls, name: str, params: dict[str, Any]) -> Any:
    """Carry out the call of a name; JujuError where there is none."""
    if name in _LOOKS:
        with calls.model.lock:
            return _LOOKS[name](calls.model, **params)
    if name in _CHANGES:
        with calls._changing() as model:
            _CHANGES[name](model, **params)
        return None
    if not (name[:1].isalpha() and hasattr(calls, name)):
        raise JujuError(f"no such call: {name}")
    return getattr(calls, name)(**params)
