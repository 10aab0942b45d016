"""Packages that a charm carries for other programs of its machine."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def directory(package: str) -> Path:
    """Return the directory of a package that this charm was packed with.

    Raises:
        RuntimeError: it was packed without.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"the charm was packed without the package {package}")
    return Path(spec.origin).parent
