"""The charms' house: a folder is a room, and what lies below knows nothing of what lies above."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from charm_sources import OWN, source

MODULES = 12
"""Files that a folder of source may have: more than that nobody takes in at a glance."""

ABOVE = {
    "relations": {"charm", "reconcile", "state", "config", "databags", "segments", "workload"},
    "workload": {"charm", "reconcile", "state", "databags", "segments", "ops"},
    "segments": {"charm", "reconcile", "state", "databags", "ops"},
}
"""What the modules of a room may not import."""


def _modules(charm: str) -> dict[str, Path]:
    """The files of a charm, or of what all share, by the names that they are imported by."""
    root = source(charm)
    return {
        ".".join(path.relative_to(root).with_suffix("").parts): path
        for path in sorted(root.rglob("*.py"))
        if path.name != "__init__.py"
    }


def _imported(path: Path) -> Iterator[str]:
    """All that a module imports when it is run, as dotted names; not what only types need."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing:
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("charm", OWN)
def test_rooms_import_downwards(charm: str) -> None:
    wrong = {
        f"{name} imports {other}"
        for name, path in _modules(charm).items()
        for other in _imported(path)
        if other.partition(".")[0] in ABOVE.get(name.partition(".")[0], ())
    }
    assert wrong == set()


@pytest.mark.parametrize("charm", OWN)
def test_no_imports_go_round_in_a_circle(charm: str) -> None:
    modules = _modules(charm)
    left = {name: set(_imported(path)) & modules.keys() for name, path in modules.items()}
    while free := {name for name, others in left.items() if not others & left.keys()}:
        left = {name: others for name, others in left.items() if name not in free}
    assert left == {}


@pytest.mark.parametrize("charm", OWN)
def test_a_folder_is_taken_in_at_a_glance(charm: str) -> None:
    folders: dict[Path, int] = {}
    for path in _modules(charm).values():
        folders[path.parent] = folders.get(path.parent, 0) + 1
    assert {f: n for f, n in folders.items() if n > MODULES} == {}
