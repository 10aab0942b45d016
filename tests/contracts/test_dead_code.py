"""No charm or package holds a function or method that nothing but its tests uses."""

import ast
import re

import pytest
from charm_sources import OWN, REPOSITORY, source

BASE = REPOSITORY / "packages/instance-ha-common/src/instance_ha_common/juju"
"""What calls a charm's methods when Juju wants something."""


FOR_OTHERS = {"untraced.py": "OpenTelemetry's span", "testing.py": "the charms' tests"}
"""Modules whose functions others call by an interface of theirs."""

HANDLERS = {"log_message", "start_server"}
"""What a base class of the standard library calls, or one of Masakari's tasks."""


def _nodes(path):
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def _used(nodes):
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    return used | {
        name.name for node in nodes if isinstance(node, ast.ImportFrom) for name in node.names
    }


def _attributes(nodes):
    return {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def _defined(nodes):
    kinds = ast.FunctionDef | ast.ClassDef
    found = {node.name for node in nodes if isinstance(node, kinds)}
    return {name for name in found if not name.startswith("__")}


def test_everything_in_a_package_is_used_by_a_package_a_charm_or_the_lab():
    packages = list(REPOSITORY.glob("packages/*/src/**/*.py"))
    own = [node for path in packages if path.name not in FOR_OTHERS for node in _nodes(path)]
    users = [*packages, *REPOSITORY.glob("charms/*/src/**/*.py")]
    users += [*REPOSITORY.glob("lab/**/*.py"), *REPOSITORY.glob("tests/lab/**/*.py")]
    nodes = [node for path in users for node in _nodes(path)]
    entry_points = " ".join(p.read_text() for p in REPOSITORY.glob("packages/*/pyproject.toml"))
    used = _used(nodes) | _attributes(nodes) | set(re.findall(r"\w+", entry_points))
    assert _defined(own) - used - HANDLERS == set()


@pytest.mark.parametrize("charm", OWN)
def test_everything_that_is_defined_is_used(charm):
    """A handler that no event reaches, or an override that nobody calls, looks like it works."""
    nodes = [node for path in source(charm).rglob("*.py") for node in _nodes(path)]
    templates = " ".join(path.read_text() for path in source(charm).rglob("*.j2"))
    called = [*nodes, *(node for path in BASE.glob("*.py") for node in _nodes(path))]
    used = _used(nodes) | _attributes(called) | set(re.findall(r"\w+", templates))
    assert _defined(nodes) - used == set()
