"""What a bundle document may say: its keys and the types of their values, as pydantic models."""

import difflib
from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from .errors import NOWHERE, Origin, Problem
from .nodes import Items, Node, Scalar, Table, is_null

OptionValue = str | int | float | bool
"""Value of a charm option, in the type that the charm declares."""


def _one(rule: str, read: Callable[[Scalar], Any], *kinds: type) -> BeforeValidator:
    """Return a reader of single values: of these types, or empty."""

    def check(node: Node) -> Any:
        if not isinstance(node, Scalar) or not (
            not kinds or node.value is None or type(node.value) in kinds
        ):
            raise ValueError(rule)
        return read(node)

    return BeforeValidator(check)


def _list(what: str) -> BeforeValidator:
    def check(node: Node) -> list[Node]:
        if not (is_null(node) or isinstance(node, Items)):
            raise ValueError(f"must be a list of {what}")
        return list(node.items) if isinstance(node, Items) else []

    return BeforeValidator(check)


def _map(what: str, *, bodiless: bool = False) -> BeforeValidator:
    """Return a reader of an operator's mapping; where `bodiless`, no value is an empty mapping."""

    def check(node: Node) -> dict[str, Node]:
        if is_null(node):
            return {}
        if not isinstance(node, Table):
            raise ValueError(f"must be a mapping of {what}")
        return {
            key: Table({}, value.origin) if bodiless and is_null(value) else value
            for key, value in node.entries.items()
        }

    return BeforeValidator(check)


def _no_kind(node: Scalar) -> str:
    if node.text:
        rule = f'a bundle of type "{node.text}" does not describe machines; leave the key out'
        raise ValueError(rule)
    return node.text


Text = Annotated[str, _one("must be text", lambda node: node.text)]
Value = Annotated[Any, _one("must be a single value", lambda node: node.value)]
Truth = Annotated[bool, _one("must be true or false", lambda node: bool(node.value), bool)]
Count = Annotated[int, _one("must be a whole number", lambda node: node.value or 0, int)]
Revision = Annotated[int | None, _one("must be a whole number", lambda node: node.value, int)]


class _Keys(BaseModel):
    """A mapping with these keys and no others, which knows where each was written."""

    model_config = ConfigDict(extra="forbid")
    what: ClassVar[str]
    _table: Table = PrivateAttr(default=Table({}, NOWHERE))

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, node: Node, handler: Callable[[Any], Any]) -> Any:
        if not isinstance(node, Table):
            raise ValueError(f"must be a mapping with the keys of {cls.what}")
        model = handler(dict(node.entries))
        model._table = node
        return model

    def at(self, *path: str | int) -> Origin:
        """Return where a key was written, or the nearest thing around it."""
        return self._table.at(*path)


class MachineSpec(_Keys):
    """A machine as the merged documents have it."""

    what = "a machine"
    constraints: Text = ""
    base: Text = ""


class ApplicationSpec(_Keys):
    """An application as the merged documents have it."""

    what = "an application"
    charm: Text = ""
    channel: Text = ""
    revision: Revision = None
    base: Text = ""
    num_units: Count = 0
    to: Annotated[list[Text], _list("placements")] = []
    options: Annotated[dict[str, Value], _map("options")] = {}
    constraints: Text = ""
    bindings: Annotated[dict[str, Text], _map("endpoints and spaces")] = {}
    trust: Truth = False


class BundleSpec(_Keys):
    """A bundle document: one of a file, or what came of merging all."""

    what = "a bundle"
    bundle: Annotated[str, _one("must be text", _no_kind)] = ""
    description: Text = ""
    tags: Annotated[list[Text], _list("tags")] = []
    default_base: Text = Field("", alias="default-base")
    applications: Annotated[dict[str, ApplicationSpec], _map("applications", bodiless=True)] = {}
    machines: Annotated[dict[str, MachineSpec], _map("machines", bodiless=True)] = {}
    relations: Annotated[
        list[Annotated[list[Text], _list("two endpoints")]], _list("relations")
    ] = []


_REFUSED = {
    "placement": "placement is for Kubernetes bundles; machines use to",
    "scale": "scale is for Kubernetes bundles; machines use num_units",
    "series": "a series is an old name of a base: write base or default-base, ubuntu@22.04",
    "saas": "the lab does not support relations to other models (saas)",
} | {
    key: f"the lab does not support {key}"
    for key in (
        [
            "annotations",
            "devices",
            "expose",
            "exposed-endpoints",
            "offers",
            "plan",
            "resources",
            "storage",
        ]
    )
}
"""Keys that Juju knows, and what is said of them."""


def check_document(document: Table, *, overlay: bool) -> list[Problem]:
    """Check keys and types of one document of a bundle, as it was read: base or overlay."""
    problems: list[Problem] = []
    try:
        BundleSpec.model_validate(document)
    except ValidationError as error:
        problems += _problems(error, document)
    if overlay and "default-base" in document.entries:
        cure = "set the base of each application, or default-base in the bundle"
        rule = f"Juju ignores it in an overlay; {cure}"
        problems.append(Problem(rule, document.at("default-base")))
    return problems


def _problems(error: ValidationError, document: Table) -> Iterator[Problem]:
    for found in error.errors():
        place = found["loc"]
        if found["type"] == "extra_forbidden":
            inner = ApplicationSpec if place[0] == "applications" else MachineSpec
            model = inner if len(place) > 1 else BundleSpec
            yield Problem(_unknown(str(place[-1]), model), document.at(*place))
        else:
            yield Problem(str(found["ctx"]["error"]), document.at(*place))


def _unknown(key: str, model: type[_Keys]) -> str:
    if key in _REFUSED:
        return _REFUSED[key]
    known = [field.alias or name for name, field in model.model_fields.items()]
    close = difflib.get_close_matches(key, known, n=1)
    hint = "applications" if key == "services" else close[0] if close else ""
    return f'unknown key "{key}" in {model.what}' + (f"; did you mean {hint}?" if hint else "")
