"""A folder is a process or a wire; no process imports another's; what two need lies below both."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import masakari_fencing
import pytest

PACKAGE = Path(masakari_fencing.__file__).parent
TESTS = Path(__file__).parent

PROCESSES = {"workflow", "notifier", "fence_agent", "cluster", "unblocker", "exporter", "keeper"}
"""masakari-engine, the notifier, Pacemaker's fencer, the charm, the unblocker, the
exporter, the keeper."""

WIRES = {"pacemaker", "openstack", "maas", "ceph", "records"}

FILES = 12
"""Modules in a folder; `__init__` and `__main__` hold nothing that one would look for."""

CLASS_LINES, LINES, TEST_LINES = 250, 400, 500

MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
"""Module, without the package's name, to its file."""


def imported(module: str) -> Iterator[str]:
    """Yield the modules that one imports, wherever in its text, even only for types."""
    prefix = f"{masakari_fencing.__name__}."
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{module}: names are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            tail = f"{name}.".removeprefix(prefix).rstrip(".") if name.startswith(prefix) else ""
            while tail and tail not in MODULES:
                tail = tail.rpartition(".")[0]
            if tail:
                yield tail


def room(module: str) -> str:
    return module.partition(".")[0]


IMPORTS = {module: sorted(set(imported(module))) for module in MODULES}


def test_the_imports_are_seen() -> None:
    assert "pacemaker.tools" in IMPORTS["pacemaker.crm_mon"]
    assert "alert" in IMPORTS["records.spool"]
    assert sum(map(len, IMPORTS.values())) > 100


def test_each_folder_is_a_process_or_a_wire() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    assert folders - {"__pycache__", "data"} == PROCESSES | WIRES


@pytest.mark.parametrize("module", MODULES)
def test_who_imports_what(module: str) -> None:
    rooms = {room(name) for name in IMPORTS[module]} - {room(module)}
    assert not rooms & PROCESSES, "it is another's, or lies above"


@pytest.mark.parametrize("by", ["module", "room"])
def test_nothing_imports_itself_by_way_of_others(by: str) -> None:
    graph: dict[str, set[str]] = {}
    for module, names in IMPORTS.items():
        one, others = (
            (module, set(names)) if by == "module" else (room(module), set(map(room, names)))
        )
        graph.setdefault(one, set()).update(others - {one})
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_no_folder_is_crowded() -> None:
    for folder in {path.parent for path in MODULES.values()}:
        found = [path.name for path in folder.glob("[!_]*.py")]
        assert len(found) <= FILES, folder


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_long(module: str) -> None:
    text = MODULES[module].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES
    assert long_classes(text) == []


def test_no_test_is_long() -> None:
    for path in TESTS.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) < TEST_LINES, path
        assert long_classes(text) == [], path


def long_classes(text: str) -> list[str]:
    return [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef) and (node.end_lineno or 0) - node.lineno >= CLASS_LINES
    ]


def test_the_tests_lie_in_the_same_rooms() -> None:
    """A test in a room is about a module there, or about several."""
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}
    assert folders <= {path.parent.relative_to(PACKAGE) for path in MODULES.values()}
