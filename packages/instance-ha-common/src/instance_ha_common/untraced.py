"""Keeps ops from loading what records traces of hooks, where nobody collects them.

As soon as `ops[tracing]` is installed, ops loads it in each hook, which takes about as long as ops
itself, and keeps what it records on the disk. Each charm imports this module before ops.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

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


if "ops" not in sys.modules and not collected(os.environ):  # pragma: no cover - tests load ops
    sys.modules["ops_tracing"] = None  # type: ignore[assignment]
