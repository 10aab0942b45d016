"""What `recover-only` and `recover-never` say: rules that an operator gives as a text.

A rule is `KIND:WHAT`, and several are separated by commas:

* `name:PATTERN`: the server's name, by shell patterns;
* `project:ID`: the project that it belongs to;
* `metadata:KEY`, `flavor:KEY`, `image:KEY`, `aggregate:KEY`: the server's metadata, its flavor's
  extra specs, its image's properties, or the metadata of an aggregate that its host is in; `KEY`
  alone for a value that says yes, `KEY=VALUE` for that one;
* `image-tag:TAG`: a tag of its image.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
"""What oslo.utils, and so Masakari, takes for true."""

_KEYED = ("metadata", "flavor", "image", "aggregate")
KINDS = ("name", "project", *_KEYED, "image-tag")

AMPHORA = re.compile(r"amphora-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Name of one of Octavia's load balancers (`ComputeCreate` of octavia's compute_tasks), unless
`[nova] random_amphora_name_length` is set."""

_PROJECT = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        kind: of `KINDS`.
        what: a pattern, an identifier, a key or a tag.
        value: of the key, in lower case; None for any that says yes.
    """

    kind: str
    what: str
    value: str | None = None

    def __str__(self) -> str:
        text = f"{self.kind}:{self.what}"
        return text if self.value is None else f"{text}={self.value}"


@dataclass(frozen=True)
class Facts:
    """What is known about an instance.

    Attributes:
        name: the server's.
        project: its owner's.
        keys: metadata, extra specs and properties by the kind of the rules about them; of what
            could not be asked for, nothing.
        aggregates: the metadata of those that its host is in; None: could not be asked for.
        own_project: returns the project of OpenStack's own services.
    """

    name: str
    project: str
    keys: Mapping[str, Mapping[str, object]]
    aggregates: Iterable[Mapping[str, object]] | None = ()
    own_project: Callable[[], str | None] = lambda: None


@dataclass(frozen=True)
class Scope:
    """Which instances are recovered.

    Attributes:
        only: where there are any, those alone for which one of these holds.
        never: not those for which one of these holds.
        amphorae: Octavia's load balancers, too, which Octavia replaces by itself.
    """

    only: tuple[Rule, ...] = ()
    never: tuple[Rule, ...] = ()
    amphorae: bool = True

    def asks_for(self, *kinds: str) -> bool:
        """Whether a rule is of one of these kinds."""
        return any(rule.kind in kinds for rule in (*self.only, *self.never))

    def objection(self, facts: Facts) -> str:
        """Return why an instance is left alone; empty where it is recovered.

        What is not known keeps no instance from being recovered.
        """
        for rule in self.never:
            if _holds(rule, facts):
                return f"recover-never has {rule}"
        if self.only and all(_holds(rule, facts) is False for rule in self.only):
            return "no rule of recover-only holds"
        if not self.amphorae and is_amphora(facts):
            return "Octavia replaces its amphorae by itself"
        return ""


def is_amphora(facts: Facts) -> bool:
    """Whether an instance is one of Octavia's: by its name, and the project of the services."""
    return bool(AMPHORA.fullmatch(facts.name)) and facts.own_project() in (None, facts.project)


def parse(text: str) -> tuple[Rule, ...]:
    """Read rules.

    Raises:
        ValueError: one is none; the text says what was expected.
    """
    return tuple(_rule(part.strip()) for part in text.split(",") if part.strip())


def _rule(text: str) -> Rule:
    kind, _, what = text.partition(":")
    if kind not in KINDS or not what.strip() or not text.isprintable():
        raise ValueError(f"expected {', '.join(f'{k}:...' for k in KINDS)}, found {text!r}")
    what = what.strip()
    if kind == "project" and not _PROJECT.fullmatch(what):
        raise ValueError(f"project: expected an ID (openstack project list), found {what!r}")
    if kind not in _KEYED:
        return Rule(kind, what)
    key, equals, value = what.partition("=")
    if not key.strip() or (equals and not value.strip()):
        raise ValueError(f"expected {kind}:KEY or {kind}:KEY=VALUE, found {text!r}")
    return Rule(kind, key.strip(), value.strip().lower() if equals else None)


def _holds(rule: Rule, facts: Facts) -> bool | None:
    """Whether a rule holds; None where that is not known."""
    if rule.kind == "name":
        return fnmatch.fnmatchcase(facts.name, rule.what)
    if rule.kind == "project":
        return facts.project.replace("-", "") == rule.what.replace("-", "")
    if rule.kind == "aggregate":
        found = facts.aggregates
        return None if found is None else any(_has(keys, rule) for keys in found)
    kind = "image" if rule.kind == "image-tag" else rule.kind
    if kind not in facts.keys:
        return None
    keys = facts.keys[kind]
    if rule.kind == "image-tag":
        tags = keys.get("tags")
        return isinstance(tags, (list, tuple)) and rule.what in tags
    return _has(keys, rule)


def _has(keys: object, rule: Rule) -> bool:
    if not isinstance(keys, Mapping) or rule.what not in keys:
        return False
    value = str(keys[rule.what]).strip().lower()
    return value in TRUE if rule.value is None else value == rule.value
