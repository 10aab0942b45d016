"""The charms' house: a folder is a room, and what lies below knows nothing of what lies above."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from charm_sources import OWN, REPOSITORY, source

HEAVY = {
    "http.client",
    "jinja2",
    "keystoneauth1",
    "opentelemetry.context",
    "ops_tracing.api",
    "ssl",
}
"""What takes as long to load as all of a charm: whoever needs it loads it then."""

MODULES, CLASS, LINES = 12, 250, 500
"""Files of a folder of source, lines of a class and of a file of tests: at most."""

COMMON = REPOSITORY / "packages" / "instance-ha-common"
MATRIX = REPOSITORY / "packages" / "network-matrix"
SOURCES = [
    *map(source, OWN),
    COMMON / "src" / "instance_ha_common",
    MATRIX / "src" / "network_matrix",
]
SIMULATION = REPOSITORY / "tests" / "simulation"
TESTS = [
    *(charm.parent / "tests" for charm in map(source, OWN)),
    COMMON / "tests",
    MATRIX / "tests",
    REPOSITORY / "tests",
]

ABOVE = {
    "relations": {
        *("charm", "reconcile", "state", "config", "databags"),
        *("preflight", "segments", "workload"),
    },
    "workload": {
        "charm",
        "reconcile",
        "state",
        "databags",
        "preflight",
        "segments",
        "power_key",
        "ops",
    },
    "segments": {"charm", "reconcile", "state", "databags", "preflight", "ops"},
    "preflight": {"charm", "reconcile", "state", "databags", "workload", "ops"},
    "recoveries": {"charm", "databags", "planned", "preflight", "ops"},
    "storage": {"charm", "reconcile", "databags", "segments", "preflight", "planned"},
    "planned": {"charm", "reconcile", "state", "databags", "ops"},
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


def _long_classes(root: Path) -> list[str]:
    """Return the classes below a folder that nobody reads in one go."""
    return [
        f"{path}: {node.name}"
        for path in sorted(root.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and (node.end_lineno or 0) - node.lineno >= CLASS
    ]


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


@pytest.mark.parametrize("root", [*SOURCES, SIMULATION], ids=lambda root: root.parent.name)
def test_a_folder_and_a_class_are_taken_in_at_a_glance(root: Path) -> None:
    paths = [path for path in root.rglob("*.py") if path.name != "__init__.py"]
    for folder in {path.parent for path in paths}:
        assert len([path for path in paths if path.parent == folder]) <= MODULES, folder
    assert _long_classes(root) == []


@pytest.mark.parametrize("tests", TESTS, ids=lambda tests: f"{tests.parent.name}/{tests.name}")
def test_a_file_of_tests_and_a_class_in_it_are_short(tests: Path) -> None:
    long = {p.name for p in tests.rglob("*.py") if len(p.read_text().splitlines()) >= LINES}
    assert long == set()
    assert _long_classes(tests) == []


def test_the_common_package_knows_no_charm_and_its_machine_no_juju() -> None:
    package = COMMON / "src" / "instance_ha_common"
    wrong = {
        f"{path.name} imports {other}"
        for path in (package / "machine").glob("*.py")
        for other in _imported(path)
        if other == "ops" or other.startswith("instance_ha_common.juju")
    }
    assert wrong == set()


def test_the_map_for_contributors_names_files_that_are_there() -> None:
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = text.partition("### If you want to change")[2].partition("\n## ")[0]
    fencing = "packages/masakari-fencing/src/masakari_fencing"
    missing = []
    for row in rows.splitlines():
        folder = Path()
        for name in re.findall(r"`([^` ]*(?:/|\.py|\.yaml)[^` ]*)`", row.rpartition(" | ")[2]):
            path = Path(re.sub("<.*?>", "*", re.sub("^MF/", f"{fencing}/", name)))
            where = [Path(), folder, Path("charms/*")]
            found = [p for place in where for p in REPOSITORY.glob(str(place / path))]
            folder = path.parent if path.parent != Path() else folder
            if not found:
                missing.append(name)
    assert missing == []
    assert len(rows.splitlines()) > 20


@pytest.mark.parametrize("charm", OWN)
def test_a_hook_that_changes_nothing_loads_nothing_heavy(charm: str) -> None:
    sources = [source(charm), *sorted((REPOSITORY / "packages").glob("*/src"))]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, charm; print({HEAVY} & {{*sys.modules}})"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sources))},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "set()"
