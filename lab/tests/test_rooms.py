"""The lab's house: who may import whom, no circles, and nothing that is too large to live in."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parents[1]
ROOT = LAB / "jujulab"
BASE = {"errors", "files", "host", "progress", "tables", "waiting"}
"""Modules that lie below all rooms."""

BELOW = {
    "image": set(),
    "machines": {"image"},
    "maas": {"machines"},
    "juju": {"machines"},
    "bundle": {"juju", "engine.model"},
    "engine.model": {"juju", "machines"},
    "engine.hooktools": {"juju", "engine.model"},
    "engine.agent": {"juju", "machines", "engine.model", "engine.hooktools"},
    "engine.api": {"juju", "machines", "bundle", "engine.model"},
    "engine": {"juju", "machines", "engine.model", "engine.agent", "engine.api"},
    "cli": {"juju", "machines"},
    "realjuju": {"juju", "machines"},
    "cloud": {"juju", "machines"},
    "trials": {"juju", "machines", "maas", "cloud"},
    "bench": {"juju", "machines", "maas", "cloud", "trials"},
    "scale": {"machines", "image"},
    "labcli": {"juju", "machines", "image", "maas", "cloud", "trials"},
}
"""Room -> the rooms that it may import. Of the processes, none is in another's."""

FILES, CLASS, TEST = 12, 250, 499
"""Modules of a folder, lines of a class, and lines of a test file, at most."""


def modules() -> dict[str, Path]:
    """Return the modules by their names below `jujulab`; a room's `__init__` by the room's."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


MODULES = modules()


def imports(module: str) -> Iterator[str]:
    """Yield the modules of the lab that a module imports, anywhere in it."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level:
            source = ".".join(filter(None, (package, node.module)))
        elif node.module == "jujulab" or (node.module or "").startswith("jujulab."):
            source = (node.module or "").removeprefix("jujulab").removeprefix(".")
        else:
            continue
        for name in node.names:
            inner = f"{source}.{name.name}".removeprefix(".")
            yield inner if inner in MODULES else source


def room(module: str) -> str:
    """Return the room of a module; its own name for one that lies below all rooms."""
    return module if module in BELOW or module in BASE else module.rpartition(".")[0]


@pytest.mark.parametrize("module", sorted(MODULES.keys() - {""}))
def test_a_room_imports_only_those_below_it(module: str) -> None:
    own = room(module)
    allowed = BASE | {own} | BELOW.get(own, set())
    assert {room(name) for name in imports(module)} - allowed == set()


def test_no_module_imports_itself_by_way_of_others() -> None:
    waiting = {name: set(imports(name)) - {name} for name in MODULES}
    while True:
        free = {name for name, needs in waiting.items() if not needs & waiting.keys()}
        if not free:
            break
        waiting = {name: needs for name, needs in waiting.items() if name not in free}
    assert not waiting, "these are in circles, or import one that is"


def test_no_folder_has_more_modules_than_one_can_oversee() -> None:
    folders = {path.parent for path in LAB.rglob("*.py")}
    counts = {f: sum(p.name != "__init__.py" for p in f.glob("*.py")) for f in folders}
    assert {str(f): n for f, n in counts.items() if n > FILES} == {}


def test_no_class_and_no_test_file_is_too_long() -> None:
    long = {}
    for path in LAB.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name.startswith("test_") and len(text.splitlines()) > TEST:
            long[path.name] = len(text.splitlines())
        for node in ast.walk(ast.parse(text)):
            lines = (node.end_lineno - node.lineno + 1) if isinstance(node, ast.ClassDef) else 0
            if lines > CLASS:
                long[f"{path.name}: {node.name}"] = lines
    assert long == {}
