"""The calls that only look."""

from __future__ import annotations

from typing import Any

from jujulab.engine.api import entities, status
from jujulab.engine.api.calls import Calls
from jujulab.engine.model.model import DEFAULT_CONFIG


class Reading(Calls):
    """Each public method is one call."""

    def status(self, *, patterns: list[str]) -> dict[str, Any]:
        """Return what `status --format json` prints."""
        with self.model.lock:
            return status.full_status(self.model, patterns)

    def stalls(self) -> list[dict[str, Any]]:
        """Return when nothing ran although units were not ready, oldest first."""
        with self.model.lock:
            return [dict(vars(stall)) for stall in self.model.state.stalls]

    def show_unit(self, *, names: list[str]) -> dict[str, Any]:
        """Return what `show-unit` prints."""
        with self.model.lock:
            return {name: entities.unit_info(self.model, name) for name in names}

    def get_config(self, *, app: str) -> dict[str, Any]:
        """Return what `config` prints."""
        with self.model.lock:
            return entities.config_info(self.model, app)

    def model_config(self) -> dict[str, Any]:
        """Return the model's configuration with each value's source."""
        model = self.model
        with model.lock:
            return {
                name: {
                    "Value": model.config_value(name),
                    "Source": "model" if name in model.state.config else "default",
                }
                for name in sorted(DEFAULT_CONFIG)
            }
