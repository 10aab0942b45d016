"""Keeps ops from loading what records traces of hooks, where nobody collects them.

As soon as `ops[tracing]` is installed, ops loads it in each hook, which takes about as long as ops
itself, and keeps what it records on the disk. What traces are told to, ops loads in any case, in a
tenth of its time. Each charm imports this module before ops.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from instance_ha_common.unloaded import Unloaded

ENDPOINT = "charm-tracing"
"""The relation to whoever collects traces, such as Tempo."""


def mark(unit: str) -> str:
    """The file that exists while the traces of a unit are collected."""
    return f"/var/lib/instance-ha/{unit.replace('/', '-')}-is-traced"


def collected(environment: Mapping[str, str], root: Path = Path("/")) -> bool:
    """Whether somebody collects the traces of this hook.

    Args:
        environment: Juju's variables.
        root: directory that stands for `/`.
    """
    hook = environment.get("JUJU_DISPATCH_PATH", "")
    if hook.startswith(f"hooks/{ENDPOINT}-relation-"):
        return not hook.endswith("-broken")
    unit = environment.get("JUJU_UNIT_NAME", "")
    return bool(unit) and (root / mark(unit).lstrip("/")).exists()


class Deaf:
    """A tracer, its spans and their contexts, as far as ops uses them; they record nothing."""

    trace_id = 0

    def start_as_current_span(self, name: str) -> contextlib.nullcontext[Deaf]:
        """Begin a span."""
        return contextlib.nullcontext(self)

    def get_span_context(self) -> Deaf:
        """What names a span."""
        return self

    def is_recording(self) -> bool:
        """Whether a span is told anything."""
        return False

    def set_attribute(self, key: str, value: object) -> None:
        """Tell a span something."""

    def add_event(self, name: str, attributes: Mapping[str, object]) -> None:
        """Tell a span that something has happened."""


def _deafen() -> None:
    import opentelemetry  # only a directory of packages

    deaf = Deaf()
    trace = Unloaded(
        "opentelemetry.trace", get_tracer=lambda *_: deaf, get_current_span=lambda: deaf
    )
    setattr(opentelemetry, "trace", trace)  # noqa: B010 - mypy misses the name there


if "ops" not in sys.modules and not collected(os.environ):  # pragma: no cover - tests load ops
    sys.modules["ops_tracing"] = None  # type: ignore[assignment]
    _deafen()
