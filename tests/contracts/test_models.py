"""Each rule of the simulation's models says in which test of the lab it was tried, and it was."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from charm_sources import REPOSITORY

MODELS = frozenset({"Nova", "Cluster", "Commands"})
"""The classes that stand for what is not this project's; their methods are the rules."""

NO_RULES = frozenset(
    {
        "__init__",
        # How the models tell the simulation that something changed, and where they look it up.
        "changed", "configured", "operator_process", "rejoined", "cut_off", "run", "configure",
        "_tree", "_host", "_set", "_answers",
        # The simulation's own judgement.
        "_judge", "_judge_order", "owner_instead", "_whole", "_judged", "_is_reached",
        # What this project's charms and programs do.
        "add_remote", "record_machine", "_spared",
    }
)  # fmt: skip

LAB = re.compile(r"# Lab: (test_\w+)$", re.MULTILINE)
SOURCE = re.compile(r"# Source only: \S+: \w+$", re.MULTILINE)


def _rules() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each rule."""
    for path in sorted((REPOSITORY / "tests" / "simulation").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for model in ast.parse(text).body:
            if isinstance(model, ast.ClassDef) and model.name in MODELS:
                for rule in model.body:
                    if isinstance(rule, ast.FunctionDef) and rule.name not in NO_RULES:
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
    assert {name.partition(".")[0] for name in rules} == MODELS
    assert {
        n for n, text in rules.items() if not LAB.search(text) and not SOURCE.search(text)
    } == set()


def test_every_rule_has_its_test_and_every_test_a_rule() -> None:
    named = set()
    for path in Path(REPOSITORY / "tests" / "simulation").rglob("*.py"):
        named.update(LAB.findall(path.read_text(encoding="utf-8")))
    assert named == _tests()
