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
    names = {path.stem for directory in directories for path in directory.glob("*.py")}
    with _without(names):
        sys.path[:0] = [str(directory) for directory in directories]
        try:
            return importlib.import_module(name)
        finally:
            del sys.path[: len(directories)]


@contextmanager
def _without(names: set[str]) -> Iterator[None]:
    """Have no modules of these names, and afterwards those from before."""
    before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    try:
        yield
    finally:
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(before)


def source(charm: str) -> Path:
    """Where the modules of one of our charms are."""
    return REPOSITORY / "charms" / charm / "src"


def charmcraft(charm: str) -> dict[str, Any]:
    """The metadata of one of our charms."""
    text = (source(charm).parent / "charmcraft.yaml").read_text(encoding="utf-8")
    metadata: dict[str, Any] = yaml.safe_load(text)
    return metadata
