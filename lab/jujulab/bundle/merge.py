"""Merging of overlays into a bundle, field by field as Juju does it."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from .errors import BundleError
from .nodes import Items, Node, Scalar, Table, is_null

_TEXT_MAPS = frozenset({"annotations", "storage", "devices", "bindings"})
_MAPS = _TEXT_MAPS | {"options", "resources", "offers", "exposed-endpoints"}
_INCLUDES = ("include-file://", "include-base64://")


def merge(base: Table, overlay: Table) -> Table:
    """Merge an overlay into a bundle.

    * Applications: one without a body removes the application and its relations; a new one is
      added; of one that exists, the fields in the overlay replace the bundle's. Fields that are
      mappings are merged key by key; a null instead of the mapping empties it.
    * Relations are added. Machines, when the overlay has any, replace all of the bundle's.
    * Of the other keys, only `series` has an effect.

    Args:
        base: The bundle, with what was merged before.
        overlay: A document whose keys and types have been checked.
    """
    entries = dict(base.entries)
    for key in ("applications", "saas"):
        names = _table(overlay, key)
        removed = {name for name, node in names.items() if is_null(node)}
        merged = {n: node for n, node in _table(base, key).items() if n not in removed}
        for name, node in names.items():
            if isinstance(node, Table):
                known = merged.get(name)
                merged[name] = _merge_fields(known, node) if isinstance(known, Table) else node
        if merged or key in entries:
            entries[key] = Table(merged, base.at(key))
        relations = [r for r in _items(entries.get("relations")) if not _mentions(r, removed)]
        entries["relations"] = Items(tuple(relations), base.at("relations"))
    added = _items(overlay.entries.get("relations"))
    entries["relations"] = Items((*_items(entries.get("relations")), *added), base.at("relations"))
    machines = overlay.entries.get("machines")
    if isinstance(machines, Table):
        entries["machines"] = machines
    series = overlay.entries.get("series")
    if isinstance(series, Scalar) and series.text:
        entries["series"] = series
    return Table(entries, base.origin)


def _merge_fields(base: Table, overlay: Table) -> Table:
    """Merge the fields of an application that both have."""
    entries = dict(base.entries)
    for field, node in overlay.entries.items():
        if field in _MAPS:
            entries[field] = _merge_map(field, base.entries.get(field), node)
        elif field in ("num_units", "scale"):
            # Two names of one field: the overlay's replaces the other one too.
            entries = {k: v for k, v in entries.items() if k not in ("num_units", "scale")}
            entries[field] = node
        else:
            entries[field] = node
    return Table(entries, base.origin)


def _merge_map(field: str, base: Node | None, overlay: Node) -> Node:
    if not isinstance(overlay, Table):
        return Table({}, overlay.origin)
    merged = dict(base.entries) if isinstance(base, Table) else {}
    for key, value in overlay.entries.items():
        if is_null(value) and field not in _TEXT_MAPS:
            merged.pop(key, None)
        else:
            merged[key] = value
    return Table(merged, base.origin if isinstance(base, Table) else overlay.origin)


def _mentions(relation: Node, removed: set[str]) -> bool:
    """Whether a relation of two endpoints names one of the removed applications."""
    endpoints = relation.items if isinstance(relation, Items) else ()
    names = [e.text.partition(":")[0] for e in endpoints if isinstance(e, Scalar)]
    return len(names) == 2 and not removed.isdisjoint(names)


def resolve_files(document: Table, directory: Path) -> Table:
    """Resolve what a document says relative to its own file.

    Relative paths of charms become absolute; options and annotations that say
    `include-file://PATH` or `include-base64://PATH` get the content of the file.

    Raises:
        BundleError: A file to include cannot be read.
    """
    entries = dict(document.entries)
    applications = document.entries.get("applications")
    if isinstance(applications, Table):
        resolved = {n: _application(node, directory) for n, node in applications.entries.items()}
        entries["applications"] = Table(resolved, applications.origin)
    machines = document.entries.get("machines")
    if isinstance(machines, Table):
        resolved = {
            name: _with_includes(node, ("annotations",), directory)
            for name, node in machines.entries.items()
        }
        entries["machines"] = Table(resolved, machines.origin)
    return Table(entries, document.origin)


def _application(node: Node, directory: Path) -> Node:
    node = _with_includes(node, ("options", "annotations"), directory)
    charm = node.entries.get("charm") if isinstance(node, Table) else None
    if isinstance(node, Table) and isinstance(charm, Scalar) and charm.text.startswith("."):
        path = os.path.normpath(directory.absolute() / charm.text)
        return Table({**node.entries, "charm": _replaced(charm, path)}, node.origin)
    return node


def _with_includes(node: Node, fields: tuple[str, ...], directory: Path) -> Node:
    if not isinstance(node, Table):
        return node
    entries = dict(node.entries)
    for field in fields:
        table = node.entries.get(field)
        if isinstance(table, Table):
            values = {name: _include(value, directory) for name, value in table.entries.items()}
            entries[field] = Table(values, table.origin)
    return Table(entries, node.origin)


def _include(node: Node, directory: Path) -> Node:
    directive = next(
        (d for d in _INCLUDES if isinstance(node, Scalar) and node.text.startswith(d)), None
    )
    if directive is None or not isinstance(node, Scalar):
        return node
    path = directory / Path(node.text.removeprefix(directive)).expanduser()
    try:
        content = path.read_bytes()
        encoded = base64.b64encode(content) if directive == _INCLUDES[1] else content
        return _replaced(node, encoded.decode("utf-8"))
    except OSError as error:
        raise BundleError.of(f"cannot include {path}: {error.strerror}", node.origin) from error
    except UnicodeDecodeError as error:
        rule = f"cannot include {path}: it is not UTF-8 text; use include-base64://"
        raise BundleError.of(rule, node.origin) from error


def _replaced(node: Scalar, text: str) -> Scalar:
    return replace(node, value=text, text=text)


def _table(document: Table, key: str) -> Mapping[str, Node]:
    node = document.entries.get(key)
    return node.entries if isinstance(node, Table) else {}


def _items(node: Node | None) -> tuple[Node, ...]:
    return node.items if isinstance(node, Items) else ()
