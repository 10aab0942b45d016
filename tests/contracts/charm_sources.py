"""The charms of this repository and the lab's stand-ins for their neighbours, as modules."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
OWN = ("masakari", "masakari-monitors", "pacemaker-remote")
STANDINS = REPOSITORY / "lab" / "charms"


def load(name: str, *directories: Path) -> ModuleType:
    """Import a module of a charm, whose modules have the names of other charms' modules.

    Args:
        name: the module.
        directories: where it is, and where else the modules are that it imports.
    """
    found = (path for directory in directories for path in directory.iterdir())
    names = {path.stem for path in found if path.is_dir() or path.suffix == ".py"}
    with _without(names):
        sys.path[:0] = [str(directory) for directory in directories]
        try:
            return importlib.import_module(name)
        finally:
            del sys.path[: len(directories)]


@contextmanager
def _without(names: set[str]) -> Iterator[None]:
    """Have no modules of these names, and afterwards those from before."""
    before = _take(names)
    try:
        yield
    finally:
        _take(names)
        sys.modules.update(before)


def _take(names: set[str]) -> dict[str, ModuleType]:
    """Remove the modules of these names, and those in packages of these names."""
    found = [name for name in sys.modules if name.partition(".")[0] in names]
    return {name: sys.modules.pop(name) for name in found}


def source(charm: str) -> Path:
    """Where the modules of one of our charms are."""
    return REPOSITORY / "charms" / charm / "src"


def charmcraft(charm: str) -> dict[str, Any]:
    """The metadata of one of our charms."""
    text = (source(charm).parent / "charmcraft.yaml").read_text(encoding="utf-8")
    metadata: dict[str, Any] = yaml.safe_load(text)
    return metadata
