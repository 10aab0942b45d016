"""YAML documents as trees in which every value knows where it was written.

The reader is stricter than YAML: a key may stand only once in a mapping, and a word that YAML 1.1
takes for a boolean and YAML 1.2 for text (`yes`, `off`) has to be quoted or written `true` or
`false`, because Juju and other tools read it differently.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from .errors import BundleError, Origin

_TAG = "tag:yaml.org,2002:"
_AMBIGUOUS = frozenset({"y", "n", "yes", "no", "on", "off"})


@dataclass(frozen=True)
class Scalar:
    """A single value; `text` is how it was written, for what Juju reads as a string."""

    value: str | int | float | bool | None
    text: str
    origin: Origin


@dataclass(frozen=True)
class Items:
    """A sequence."""

    items: tuple[Node, ...]
    origin: Origin


@dataclass(frozen=True)
class Table:
    """A mapping, in the order of the file."""

    entries: Mapping[str, Node]
    origin: Origin

    def at(self, *path: str | int) -> Origin:
        """Return where the value at a path was written, or the nearest thing around it."""
        node: Node = self
        for key in path:
            if isinstance(node, Table) and key in node.entries:
                node = node.entries[str(key)]
            elif isinstance(node, Items) and isinstance(key, int) and key < len(node.items):
                node = node.items[key]
            else:
                break
        return node.origin

    def table(self, key: str) -> Mapping[str, Node]:
        """Return the entries of a mapping in this one; none where there is no such mapping."""
        node = self.entries.get(key)
        return node.entries if isinstance(node, Table) else {}


Node = Scalar | Items | Table


def is_null(node: Node | None) -> bool:
    """Whether a key is there without a value."""
    return isinstance(node, Scalar) and node.value is None


class _Loader(yaml.SafeLoader):
    """Resolves plain scalars as Juju's YAML parser does where that differs from PyYAML's.

    No dates and no base-60 numbers: `2024-04-01` and `10:30` are text.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _name, _pattern, _first in (
    ("merge", r"<<", "<"),
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|0|[1-9][0-9_]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
):
    _Loader.add_implicit_resolver(
        _TAG + _name,
        re.compile(rf"^(?:{_pattern})$"),
        ["", *_first] if _name == "null" else [*_first],
    )


def read_documents(path: Path) -> list[Table]:
    """Read the YAML documents of a bundle or overlay file; empty documents are left out.

    Raises:
        BundleError: The file cannot be read, is not YAML, or breaks a rule of this reader.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BundleError.of(f"cannot be read: {error.strerror}", Origin(path)) from error
    except UnicodeDecodeError as error:
        raise BundleError.of("is not UTF-8 text", Origin(path)) from error
    try:
        roots = list(yaml.compose_all(text, Loader=_Loader))
    except yaml.YAMLError as error:
        raise _syntax_error(path, error) from error
    documents = [_Reader(path).read(root) for root in roots if root is not None]
    tables = []
    for document in documents:
        if isinstance(document, Table):
            tables.append(document)
        elif not is_null(document):
            raise BundleError.of("must be a mapping", document.origin)
    return tables


def _syntax_error(path: Path, error: yaml.YAMLError) -> BundleError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return BundleError.of(f"is not YAML: {problem}", Origin(path, "", mark and mark.line + 1))


class _Reader:
    """Turns PyYAML's nodes of one document into located ones."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: list[int] = []
        self._constructor = yaml.constructor.SafeConstructor()

    def read(self, node: yaml.Node, key: str = "", line: int | None = None) -> Node:
        """Convert a node and all below it; aliases become copies of what they stand for."""
        origin = Origin(self._path, key, line or node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, origin)
        if id(node) in self._open:
            raise BundleError.of("contains itself through a YAML alias", origin)
        self._open.append(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                items = enumerate(node.value)
                return Items(tuple(self.read(item, f"{key}[{n}]") for n, item in items), origin)
            assert isinstance(node, yaml.MappingNode)  # noqa: S101 - the third and last kind
            return Table(self._entries(node, origin), origin)
        finally:
            self._open.pop()

    def _scalar(self, node: yaml.ScalarNode, origin: Origin) -> Scalar:
        kind = node.tag.removeprefix(_TAG)
        if kind == "str":
            if node.style is None and node.value.lower() in _AMBIGUOUS:
                raise BundleError.of(
                    f'"{node.value}" is a boolean to some YAML parsers and text to others: quote '
                    "it, or write true or false",
                    origin,
                )
            return Scalar(node.value, node.value, origin)
        if kind not in ("null", "bool", "int", "float"):
            raise BundleError.of(f"has the YAML tag {node.tag}, which Juju cannot read", origin)
        # YAML 1.1, and PyYAML, write an octal number without the o.
        plain = re.sub("^([-+]?)0o", r"\g<1>0", node.value) if kind == "int" else node.value
        try:
            value = self._constructor.construct_object(yaml.ScalarNode(node.tag, plain))
        except (KeyError, ValueError) as error:
            rule = f'"{node.value}" is not of the YAML type {kind}'
            raise BundleError.of(rule, origin) from error
        return Scalar(value, "" if value is None else node.value, origin)

    def _entries(self, node: yaml.MappingNode, origin: Origin) -> dict[str, Node]:
        merged: dict[str, Node] = {}
        own: dict[str, Node] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == _TAG + "merge":
                for source in self._merge_sources(value_node, origin):
                    merged = {**source, **merged}
                continue
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == _TAG + "null":
                place = Origin(self._path, origin.key, line)
                raise BundleError.of("has a key that is not text", place)
            name = key_node.value
            path = f"{origin.key}.{name}" if origin.key else name
            if name in own:
                first = f"the first is in line {own[name].origin.line}"
                rule = f"is defined twice in one mapping; {first}"
                raise BundleError.of(rule, Origin(self._path, path, line))
            own[name] = self.read(value_node, path, line)
        return {**merged, **own}

    def _merge_sources(self, node: yaml.Node, origin: Origin) -> Iterator[Mapping[str, Node]]:
        """Yield what a YAML merge key (`<<`) refers to; the first one wins."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            table = self.read(source, origin.key)
            if not isinstance(table, Table):
                raise BundleError.of("the YAML merge key << needs a mapping", table.origin)
            yield table.entries
