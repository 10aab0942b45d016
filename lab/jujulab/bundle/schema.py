"""Which keys a bundle document has and of what YAML type their values are."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

from .errors import Problem
from .nodes import Items, Node, Scalar, Table, is_null

Check = Callable[[Node], list[Problem]]


def check_document(document: Table, *, overlay: bool) -> list[Problem]:
    """Check keys and types of one document of a bundle.

    Args:
        document: As it was read, before overlays are merged.
        overlay: False for the first document of the bundle file, the base.
    """
    problems = _DOCUMENT(document)
    if overlay and "default-base" in document.entries:
        problems.append(
            Problem(
                "Juju ignores it in an overlay; set the base of each application, or default-base "
                "in the bundle",
                document.at("default-base"),
            )
        )
    applications = document.entries.get("applications")
    for application in applications.entries.values() if isinstance(applications, Table) else ():
        if isinstance(application, Table):
            problems += _check_application(application, overlay=overlay)
    return problems


def _check_application(application: Table, *, overlay: bool) -> list[Problem]:
    """Check what the keys of an application say together."""
    problems = []
    if "scale" in application.entries and "num_units" in application.entries:
        problems.append(
            Problem("scale and num_units cannot both be given", application.at("scale"))
        )
    if "placement" in application.entries:
        problems.append(
            Problem(
                "placement is for Kubernetes bundles; machines use to", application.at("placement")
            )
        )
    for key in _OVERLAY_ONLY & application.entries.keys() if not overlay else ():
        problems.append(Problem(f"{key} can only appear in an overlay", application.at(key)))
    return problems


_OVERLAY_ONLY = frozenset({"offers", "exposed-endpoints"})


def _text(node: Node) -> list[Problem]:
    return [] if isinstance(node, Scalar) else [Problem("must be text", node.origin)]


def _integer(node: Node) -> list[Problem]:
    value = node.value if isinstance(node, Scalar) else ""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return []
    return [Problem("must be a whole number", node.origin)]


def _boolean(node: Node) -> list[Problem]:
    if isinstance(node, Scalar) and (node.value is None or isinstance(node.value, bool)):
        return []
    return [Problem("must be true or false", node.origin)]


def _value(node: Node) -> list[Problem]:
    return [] if isinstance(node, Scalar) else [Problem("must be a single value", node.origin)]


def _list(check: Check, what: str) -> Check:
    def run(node: Node) -> list[Problem]:
        if is_null(node):
            return []
        if not isinstance(node, Items):
            return [Problem(f"must be a list of {what}", node.origin)]
        return [problem for item in node.items for problem in check(item)]

    return run


def _map(check: Check, what: str, *, nullable: bool = False) -> Check:
    """Return a check of a mapping with keys of the operator's choice."""

    def run(node: Node) -> list[Problem]:
        if is_null(node):
            return []
        if not isinstance(node, Table):
            return [Problem(f"must be a mapping of {what}", node.origin)]
        values = (v for v in node.entries.values() if not (nullable and is_null(v)))
        return [problem for value in values for problem in check(value)]

    return run


def _keys(checks: Mapping[str, Check], what: str) -> Check:
    """Return a check of a mapping with these keys and no others."""

    def run(node: Node) -> list[Problem]:
        if not isinstance(node, Table):
            return [Problem(f"must be a mapping with the keys of {what}", node.origin)]
        problems = []
        for key, value in node.entries.items():
            if key in checks:
                problems += checks[key](value)
            else:
                problems.append(Problem(_unknown(key, checks, what), value.origin))
        return problems

    return run


def _unknown(key: str, known: Mapping[str, Check], what: str) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    hint = "applications" if key == "services" else close[0] if close else ""
    return f'unknown key "{key}" in {what}' + (f"; did you mean {hint}?" if hint else "")


_EXPOSED = _keys(
    {
        "expose-to-spaces": _list(_text, "spaces"),
        "expose-to-cidrs": _list(_text, "CIDRs"),
    },
    "an exposed endpoint",
)
_OFFER = _keys(
    {"endpoints": _list(_text, "endpoints"), "acl": _map(_text, "users and their access")},
    "an offer",
)
_APPLICATION = _keys(
    {
        "charm": _text,
        "channel": _text,
        "revision": _integer,
        "series": _text,
        "base": _text,
        "resources": _map(_value, "resources"),
        "num_units": _integer,
        "scale": _integer,
        "to": _list(_text, "placements"),
        "placement": _text,
        "expose": _boolean,
        "exposed-endpoints": _map(_EXPOSED, "endpoints", nullable=True),
        "options": _map(_value, "options"),
        "annotations": _map(_text, "annotations"),
        "constraints": _text,
        "storage": _map(_text, "storage"),
        "devices": _map(_text, "devices"),
        "bindings": _map(_text, "endpoints and spaces"),
        "offers": _map(_OFFER, "offers", nullable=True),
        "plan": _text,
        "trust": _boolean,
    },
    "an application",
)
_MACHINE = _keys(
    {
        "constraints": _text,
        "annotations": _map(_text, "annotations"),
        "series": _text,
        "base": _text,
    },
    "a machine",
)
_DOCUMENT = _keys(
    {
        "bundle": _text,
        "applications": _map(_APPLICATION, "applications", nullable=True),
        "machines": _map(_MACHINE, "machines", nullable=True),
        "saas": _map(_keys({"url": _text}, "a remote application"), "saas", nullable=True),
        "series": _text,
        "default-base": _text,
        "relations": _list(_list(_text, "two endpoints"), "relations"),
        "tags": _list(_text, "tags"),
        "description": _text,
    },
    "a bundle",
)
