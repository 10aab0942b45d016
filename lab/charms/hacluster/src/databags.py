"""What the cluster's neighbours ask for, as hacluster decodes it from their databags."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


def decode(bag: Mapping[str, str], key: str) -> Any:
    """Decode one value of a databag.

    It is looked up as ``json_<key>``, else as ``key``. Text that is not JSON is read as a Python
    literal, so that a bare host name or address is an error.

    Returns:
        The value; ``{}`` where there is none.

    Raises:
        ValueError: the text is neither JSON nor a literal.
        SyntaxError: it is not even Python.
    """
    text = bag.get(f"json_{key}") or bag.get(key)
    if not text:
        return {}
    try:
        return json.loads(text)
    except ValueError:
        return ast.literal_eval(text)


@dataclass(frozen=True)
class Principal:
    """The resources that the principal charm wants in the cluster.

    Each map has the names of the objects as keys and crm's text for them as values.
    """

    resources: dict[str, str] = field(default_factory=dict)
    resource_params: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    ms: dict[str, str] = field(default_factory=dict)
    orders: dict[str, str] = field(default_factory=dict)
    clones: dict[str, str] = field(default_factory=dict)
    colocations: dict[str, str] = field(default_factory=dict)
    locations: dict[str, str] = field(default_factory=dict)
    delete_resources: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, bag: Mapping[str, str]) -> Principal:
        """Decode a principal's databag.

        Raises:
            ValueError, SyntaxError: as in `decode`.
        """
        return cls(**{name: decode(bag, name) for name in cls.__dataclass_fields__})

    def others(self) -> Iterator[tuple[str, str]]:
        """Yield the name and crm's statement of all but primitives, what is referred to first."""
        for kind, objects in (
            ("group", self.groups),
            ("ms", self.ms),
            ("order", self.orders),
            ("clone", self.clones),
            ("colocation", self.colocations),
            ("location", self.locations),
        ):
            for name, text in objects.items():
                yield name, f"{kind} {name} {text}"


@dataclass(frozen=True)
class Remote:
    """A hypervisor that wants to be a remote node.

    Attributes:
        name: the name of its node, and of the resource that connects it.
        address: where its pacemaker_remote listens.
        stonith_name: the name it is fenced by; empty for a node that is not to be fenced.
    """

    name: str
    address: str
    stonith_name: str

    @classmethod
    def read(cls, bag: Mapping[str, str]) -> Remote:
        """Decode a remote unit's databag.

        Raises:
            ValueError, SyntaxError: as in `decode`.
        """
        return cls(
            decode(bag, "remote-hostname") or "",
            decode(bag, "remote-ip") or "",
            decode(bag, "stonith-hostname") or "",
        )


def resources_on_remotes(bags: Iterable[Mapping[str, str]]) -> bool | None:
    """Whether the remote units allow resources on their nodes.

    Returns:
        Their common answer; None while they disagree or none has given a Boolean.

    Raises:
        ValueError, SyntaxError: as in `decode`.
    """
    answers = {
        answer for bag in bags if isinstance(answer := decode(bag, "enable-resources"), bool)
    }
    return answers.pop() if len(answers) == 1 else None
