"""Merging of overlays into a bundle, field by field as Juju does it."""

import os
from dataclasses import replace
from pathlib import Path

from .nodes import Items, Node, Scalar, Table, is_null

_MAPS = frozenset({"bindings", "options"})


def merge(base: Table, overlay: Table) -> Table:
    """Merge an overlay, whose keys and types have been checked, into a bundle.

    * Applications: one without a body removes the application and its relations; a new one is
      added; of one that exists, the fields in the overlay replace the bundle's. Fields that are
      mappings are merged key by key; a null instead of the mapping empties it.
    * Relations are added. Machines, when the overlay has any, replace all of the bundle's.
    * The other keys have no effect.
    """
    names = overlay.table("applications")
    removed = {name for name, node in names.items() if is_null(node)}
    applications = {n: a for n, a in base.table("applications").items() if n not in removed}
    for name, node in names.items():
        if isinstance(node, Table):
            known = applications.get(name)
            applications[name] = _fields(known, node) if isinstance(known, Table) else node
    relations = [r for r in _relations(base) if not _mentions(r, removed)]
    entries = dict(base.entries)
    entries["applications"] = Table(applications, base.at("applications"))
    entries["relations"] = Items((*relations, *_relations(overlay)), base.at("relations"))
    if isinstance(overlay.entries.get("machines"), Table):
        entries["machines"] = overlay.entries["machines"]
    return Table(entries, base.origin)


def _relations(document: Table) -> tuple[Node, ...]:
    node = document.entries.get("relations")
    return node.items if isinstance(node, Items) else ()


def _fields(base: Table, overlay: Table) -> Table:
    """Merge the fields of an application that both have."""
    entries = dict(base.entries)
    for field, node in overlay.entries.items():
        entries[field] = _map(field, entries.get(field), node) if field in _MAPS else node
    return Table(entries, base.origin)


def _map(field: str, base: Node | None, overlay: Node) -> Node:
    if not isinstance(overlay, Table):
        return Table({}, overlay.origin)
    merged = dict(base.entries) if isinstance(base, Table) else {}
    for key, value in overlay.entries.items():
        if is_null(value) and field == "options":
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
    """Make the paths of charms absolute that a document gives relative to its own file."""
    applications = document.table("applications")
    resolved = {name: _application(node, directory) for name, node in applications.items()}
    table = Table(resolved, document.at("applications"))
    return Table({**document.entries, "applications": table}, document.origin)


def _application(node: Node, directory: Path) -> Node:
    if not isinstance(node, Table):
        return node
    charm = node.entries.get("charm")
    if not (isinstance(charm, Scalar) and charm.text.startswith(".")):
        return node
    path = os.path.normpath(directory.absolute() / charm.text)
    return Table({**node.entries, "charm": replace(charm, value=path, text=path)}, node.origin)
