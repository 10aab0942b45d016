"""In which order instances are brought up: what their owners and operators have said about it.

The keys are those of Red Hat's instance HA (`instanceha` of infra-operator). Each stands in a
server's metadata, its flavor's extra specs or its image's properties. The prefix keeps Nova's
filters from taking an extra spec for a capability that a host must have.

Groups do not name each other, so no order of them is a circle.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol, TypeVar

PREFIX = "instanceha:"

PRIORITY_KEY = f"{PREFIX}restart_priority"
"""From 1 to 1000; the higher, the sooner."""

GROUP_KEY = f"{PREFIX}restart_group"
"""Name of a group, of which all are up before the next group begins."""

LOWEST, DEFAULT, HIGHEST = 1, 500, 1000

SERVER, FLAVOR, IMAGE = "server", "flavor", "image"

SOURCES = (SERVER, FLAVOR, IMAGE)
"""Where the keys are looked for; the first that has a value of any use counts."""

_LONGEST = 64
_PARTS = re.compile(r"[0-9]+|[^0-9]+")


class Placed(Protocol):
    """What has a place in the order."""

    @property
    def priority(self) -> int:
        """Its own."""
        ...

    @property
    def group(self) -> str:
        """Its group; empty: none."""
        ...


Item = TypeVar("Item", bound=Placed)


@dataclass(frozen=True)
class Place:
    """What is said about the place of one instance.

    Attributes:
        priority: its own.
        group: its group; empty: none.
        notes: what was said that makes no sense, and is not heeded; each in a few words.
    """

    priority: int = DEFAULT
    group: str = ""
    notes: tuple[str, ...] = ()


def parse_sources(text: str) -> tuple[str, ...]:
    """Read a list of `SOURCES`, separated by commas; return them in their own order.

    Raises:
        ValueError: it has something else; the text says what was expected.
    """
    found = [part.strip() for part in text.split(",") if part.strip()]
    if unknown := sorted(set(found) - set(SOURCES)):
        raise ValueError(
            f"expected some of {', '.join(SOURCES)}, separated by commas,"
            f" found {', '.join(unknown)!r}"
        )
    return tuple(source for source in SOURCES if source in found)


def place(said: Mapping[str, object]) -> Place:
    """Read what is said about an instance.

    Args:
        said: metadata, extra specs and properties, by where they are from, of `SOURCES`; the
            first counts. What is no mapping counts as absent.
    """
    notes: list[str] = []
    priority, group = None, None
    for source, keys in said.items():
        found = keys if isinstance(keys, Mapping) else {}
        if PRIORITY_KEY in found and priority is None:
            priority = _priority(found[PRIORITY_KEY])
            if priority is None:
                wrong = f"{source}'s {PRIORITY_KEY} {_shown(found[PRIORITY_KEY])}"
                notes.append(f"{wrong} is no whole number from {LOWEST} to {HIGHEST}")
        if GROUP_KEY in found and group is None:
            group = _group(found[GROUP_KEY])
            if group is None:
                wrong = f"{source}'s {GROUP_KEY} {_shown(found[GROUP_KEY])}"
                notes.append(f"{wrong} is no name of at most {_LONGEST} characters")
        if unknown := sorted(key for key in map(str, found) if _is_unknown(key)):
            more = f" and {len(unknown) - 1} more" if unknown[1:] else ""
            notes.append(f"{source}'s {_shown(unknown[0])}{more}: no such key is known")
    return Place(DEFAULT if priority is None else priority, group or "", tuple(notes))


def is_settled(said: Mapping[str, object]) -> bool:
    """Whether what was read already says all, so that nothing else need be asked for."""
    counted = (_priority, PRIORITY_KEY), (_group, GROUP_KEY)
    mappings = [found for found in said.values() if isinstance(found, Mapping)]
    return all(
        any(read(found[key]) is not None for found in mappings if key in found)
        for read, key in counted
    )


def _is_unknown(key: str) -> bool:
    return key.startswith(PREFIX) and key not in (PRIORITY_KEY, GROUP_KEY)


def _priority(value: Any) -> int | None:
    text = str(value).strip()
    if not re.fullmatch(r"[0-9]{1,4}", text):
        return None
    return int(text) if LOWEST <= int(text) <= HIGHEST else None


def _group(value: Any) -> str | None:
    text = str(value).strip() if isinstance(value, str) else ""
    return text if text and len(text) <= _LONGEST and text.isprintable() else None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def phases(items: Iterable[Item]) -> list[list[Item]]:
    """Return the items in their order: group after group, and in each by priority.

    A group comes where its highest priority puts it, before others of that priority; of two such
    groups the one whose name is the lower, numbers taken for numbers. What is in no group goes by
    its own priority, between two groups all together. Of the same priority in a group, what came
    first stays first.
    """
    listed = list(items)
    top: dict[str, int] = {}
    for item in listed:
        top[item.group] = max(item.priority, top.get(item.group, 0))

    def key(item: Item) -> tuple[int, bool, Sequence[tuple[bool, int, str]], str, int]:
        if not item.group:
            return -item.priority, True, (), "", 0
        return -top[item.group], False, _natural(item.group), item.group, -item.priority

    ordered = sorted(listed, key=key)
    return [list(found) for _, found in groupby(ordered, key=lambda item: item.group)]


def _natural(name: str) -> list[tuple[bool, int, str]]:
    parts = _PARTS.findall(name)
    return [(False, int(p), "") if p[0] in "0123456789" else (True, 0, p) for p in parts]


def described(found: Sequence[Sequence[Placed]]) -> str:
    """Say which phases there are, for the operator."""
    return ", then ".join(
        f"group {phase[0].group} ({len(phase)})" if phase[0].group else f"{len(phase)} in no group"
        for phase in found
    )
