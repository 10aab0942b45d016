"""Imports modules of the stand-in hacluster, and gives it a cluster of which it is the leader."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

CHARM = Path(__file__).resolve().parents[2] / "charms/hacluster"

NAMES = (
    "actions", "cluster", "corosync", "crm", "databags", "hooks", "leading", "peers", "plan",
    "stepwise",
)  # fmt: skip


def load(*names: str) -> list[types.ModuleType]:
    """Import modules of the charm, as if there were no other charm with any of that name."""
    before = {module: sys.modules.pop(module) for module in NAMES if module in sys.modules}
    sys.path[:0] = [str(CHARM / "src"), str(CHARM.parent / "_standin")]
    try:
        return [__import__(name) for name in names]
    finally:
        del sys.path[:2]
        for module in NAMES:
            sys.modules.pop(module, None)
        sys.modules.update(before)


class Relation:
    """One relation of the unit."""

    def __init__(self, units: Mapping[str, dict[str, str]]) -> None:
        self.id = "x:1"
        self.units = dict(units)
        self.published: dict[str, object] = {}

    def publish(self, data: Mapping[str, object]) -> None:
        self.published = dict(data)


class Unit:
    """What the charm knows of its unit, `hacluster/0` on `ha1`."""

    def __init__(self, root: Path, relations: Mapping[str, Mapping[str, dict[str, str]]]) -> None:
        self.root = root
        self.name = "hacluster/0"
        self.hook = ""
        self.environ: dict[str, str] = {}
        self.leader = True
        self.relations = {name: Relation(units) for name, units in relations.items()}
        self.statuses: list[tuple[str, str]] = []
        self.parameters: dict[str, str] = {}
        self._kept: dict[str, tuple[object, Any]] = {}

    def related(self, endpoint: str) -> list[Relation]:
        return [self.relations[endpoint]] if endpoint in self.relations else []

    def bags(self, endpoint: str) -> list[tuple[str, dict[str, str]]]:
        return [item for r in self.related(endpoint) for item in sorted(r.units.items())]

    def publish(self, endpoint: str, data: Mapping[str, object]) -> None:
        for relation in self.related(endpoint):
            relation.publish(data)

    def address(self, binding: str) -> str:
        return "10.0.0.1"

    def status(self, state: str, message: str) -> None:
        self.statuses.append((state, message))

    def parameter(self, name: str) -> str:
        return self.parameters.get(name, "")

    def keep(self, name: str, make: Callable[[], Any], key: object = None) -> Any:
        if name not in self._kept or self._kept[name][0] != key:
            self._kept[name] = (key, make())
        return self._kept[name][1]


class Tools:
    """Stands for `crm` and the cluster behind it; remembers what it was told.

    Attributes:
        calls: the commands, one line each.
        objects: the statements that crm has taken, by their names.
        refused: words of statements that it refuses.
        members: the cluster's members.
        down: whether no cluster answers.
    """

    def __init__(self, error: type[Exception]) -> None:
        self.calls: list[str] = []
        self.objects: dict[str, str] = {}
        self.refused: set[str] = set()
        self.members = ["ha1", "ha2", "ha3"]
        self.down = False
        self._error = error

    def changes(self) -> list[str]:
        """The commands that change something, without the questions between them."""
        asked = ("crm configure show", "crm resource status", "crm node", "crm configure get_")
        return [call for call in self.calls if not call.startswith(asked)]

    def run(self, *argv: str, timeout: float = 60, stdin: str | None = None) -> str:
        words = [word for word in argv if word not in ("-w", "-F")]
        if words[:4] == ["crm", "configure", "load", "update"]:
            text = Path(words[4]).read_text().strip()
            self.calls.append(f"load {text}")
            return self._take(text)
        self.calls.append(" ".join(argv))
        if self.down:
            raise self._error("crm: no cluster")
        ask = self._questions().get(" ".join(words[1:3])) if words[0] == "crm" else None
        if ask is not None:
            return ask(words[-1])
        if words[:2] == ["crm", "configure"]:
            return self._take(" ".join(words[2:]))
        return ""

    def _questions(self) -> dict[str, Callable[[str], str]]:
        remote = "node1.maas(node1.maas): remote\n"
        members = "".join(f"{n}(100{i}): member\n" for i, n in enumerate(self.members))
        return {
            "configure show": lambda _: "\n".join(self.objects.values()),
            "configure get_property": lambda _: "false\n",
            "configure delete": lambda name: str(self.objects.pop(name, "")),
            "resource status": self._status,
            "node show": lambda _: remote + members,
            "node list": lambda _: "\n".join(self.members),
            "node delete": self._delete,
        }

    def _status(self, name: str) -> str:
        if name not in self.objects:
            raise self._error("no such resource")
        return f"resource {name} is running on: ha1\n"

    def _delete(self, name: str) -> str:
        if name not in self.members:
            raise self._error(f"ERROR: node {name} not found in the CIB")
        self.members.remove(name)
        return ""

    def _take(self, text: str) -> str:
        if self.refused & set(text.split()):
            raise self._error(f"refused: {text}")
        kind, name = text.split()[:2]
        self.objects[name.partition("=")[0] if kind == "property" else name] = text
        return ""
