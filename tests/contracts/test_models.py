"""Each rule of the simulation's models says in which test of the lab it was tried, and it was."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from charm_sources import REPOSITORY

MODELS = REPOSITORY / "tests" / "simulation" / "models"

FOREIGN = ("nova", "pacemaker")
"""Rooms of what is not this project's; the methods of the classes there are the rules."""

NO_MODELS = frozenset({"client", "fencer", "owners", "part", "records"})
"""Modules there: novaclient's objects, what this project runs or is judged by, and mere state."""

NO_RULES = frozenset(
    {
        # How the models tell the simulation that something changed, and where they look it up.
        "Cluster.changed", "Cluster.configured", "Commands.run", "Commands.configure",
        "Connections.answers", "Nova.host", "Rebuilds._set", "Views.cut_off", "Views.rejoined",
        "Views.tree", "Views.whole",
        # The simulation's own judgement.
        "Evacuations._goes_on", "Evacuations._judge", "Evacuations._judge_order",
        "StonithAdmin._judge",
        # What this project's charms and programs do.
        "Cluster.record_machine", "Commands.add_remote", "Fences._spared",
    }
)  # fmt: skip

BEGINNINGS = ("__init__", "__post_init__")

LAB = re.compile(r"# Lab: (test_\w+)$", re.MULTILINE)
SOURCE = re.compile(r"# Source only: \S+: \w+$", re.MULTILINE)


def _rules() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each rule."""
    for path in sorted(path for room in FOREIGN for path in (MODELS / room).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for model in ast.parse(text).body if path.stem not in NO_MODELS else ():
            for rule in model.body if isinstance(model, ast.ClassDef) else ():
                if isinstance(rule, ast.FunctionDef) and rule.name not in BEGINNINGS:
                    yield f"{model.name}.{rule.name}", ast.get_source_segment(text, rule) or ""


def _tests() -> set[str]:
    """The names of the tests that have the models and the real thing do the same."""
    found: set[str] = set()
    for path in (REPOSITORY / "tests" / "lab" / "models").glob("test_*.py"):
        found.update(
            re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        )
    return found


def test_every_rule_says_where_it_was_seen() -> None:
    rules = dict(_rules())
    assert set(rules) > NO_RULES
    silent = {n for n, text in rules.items() if not LAB.search(text) and not SOURCE.search(text)}
    assert silent - NO_RULES == set()
    assert len(rules) > 80


def test_every_rule_has_its_test_and_every_test_a_rule() -> None:
    named = set()
    for path in Path(REPOSITORY / "tests" / "simulation").rglob("*.py"):
        named.update(LAB.findall(path.read_text(encoding="utf-8")))
    assert named == _tests()
