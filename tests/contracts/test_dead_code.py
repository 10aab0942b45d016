"""No charm holds a function or method that nothing in it uses."""

import ast
import re

import pytest
from charm_sources import OWN, REPOSITORY, source

BASE = REPOSITORY / "packages/instance-ha-common/src/instance_ha_common/juju"
"""What calls a charm's methods when Juju wants something."""


def _nodes(path):
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("charm", OWN)
def test_everything_that_is_defined_is_used(charm):
    """A handler that no event reaches, or an override that nobody calls, looks like it works."""
    nodes = [node for path in source(charm).rglob("*.py") for node in _nodes(path)]
    templates = " ".join(path.read_text() for path in source(charm).rglob("*.j2"))
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    called = [*nodes, *(node for path in BASE.glob("*.py") for node in _nodes(path))]
    used |= {node.attr for node in called if isinstance(node, ast.Attribute)}
    used |= {
        name.name for node in nodes if isinstance(node, ast.ImportFrom) for name in node.names
    }
    used |= set(re.findall(r"\w+", templates))
    defined = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert {name for name in defined if not name.startswith("__")} - used == set()
