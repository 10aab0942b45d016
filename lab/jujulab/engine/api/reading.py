"""The calls that only look."""

from __future__ import annotations

from typing import Any

from jujulab.engine.api import entities, status
from jujulab.engine.api.calls import Calls, Progress
from jujulab.engine.model.model import DEFAULT_CONFIG


class Reading(Calls):
    """Each public method is one call."""

    def status(self, *, patterns: list[str], progress: Progress) -> dict[str, Any]:
        """Return the status and the rows of its relations section."""
        with self._model.lock:
            return {
                "status": status.full_status(self._model, patterns),
                "relations": status.relation_rows(self._model),
            }

    def stalls(self, *, progress: Progress) -> list[dict[str, Any]]:
        """Return when nothing ran although units were not ready, oldest first."""
        with self._model.lock:
            return [dict(vars(stall)) for stall in self._model.state.stalls]

    def show_unit(self, *, names: list[str], progress: Progress) -> dict[str, Any]:
        """Return what `show-unit` prints."""
        with self._model.lock:
            return {name: entities.unit_info(self._model, name) for name in names}

    def get_config(self, *, app: str, progress: Progress) -> dict[str, Any]:
        """Return what `config` prints."""
        with self._model.lock:
            return entities.config_info(self._model, app)

    def model_config(self, *, progress: Progress) -> dict[str, Any]:
        """Return the model's configuration with each value's source."""
        model = self._model
        with model.lock:
            return {
                name: {
                    "Value": model.config_value(name),
                    "Source": "model" if name in model.state.config else "default",
                }
                for name in sorted(DEFAULT_CONFIG)
            }
