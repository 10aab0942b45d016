"""A bundle as data: what the merged documents say (specs), and what verification makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jujulab.juju.charm import CharmMeta

from .errors import Origin
from .nodes import Items, Node, Scalar, Table, is_null
from .placement import Placement
from .view import ExposedEndpoint, OptionValue


@dataclass(frozen=True)
class ApplicationSpec:
    """An application as the merged documents have it; `table` keeps the lines."""

    name: str
    table: Table
    charm: str
    channel: str
    revision: int | None
    series: str
    base: str
    num_units: int
    to: tuple[tuple[str, Origin], ...]
    expose: bool
    exposed_endpoints: Mapping[str, ExposedEndpoint]
    options: Mapping[str, OptionValue | None]
    annotations: Mapping[str, str]
    constraints: str
    bindings: Mapping[str, str]
    trust: bool
    storage: Mapping[str, str]
    devices: Mapping[str, str]
    resources: Mapping[str, OptionValue | None]
    offers: frozenset[str]
    plan: str

    def at(self, *path: str) -> Origin:
        """Return where a key of the application was written."""
        return self.table.at(*path)


@dataclass(frozen=True)
class MachineSpec:
    """A machine as the merged documents have it."""

    name: str
    origin: Origin
    constraints: str
    annotations: Mapping[str, str]
    series: str
    base: str


@dataclass(frozen=True)
class RelationSpec:
    """A relation as it was written: endpoints `application:endpoint` or `application`."""

    endpoints: tuple[str, ...]
    origin: Origin


@dataclass(frozen=True)
class BundleSpec:
    """A bundle with its overlays merged, not verified."""

    table: Table
    kind: str
    series: str
    default_base: str
    applications: Mapping[str, ApplicationSpec]
    machines: Mapping[str, MachineSpec]
    relations: tuple[RelationSpec, ...]
    saas: frozenset[str]


@dataclass(frozen=True)
class Application:
    """A verified application.

    Attributes:
        spec: As it was written.
        meta: The charm's metadata.
        base: The base that its units run on.
        to: Placements of its units, in their order.
        options: Values in the types that the charm declares; None unsets one.
    """

    spec: ApplicationSpec
    meta: CharmMeta
    base: str
    to: tuple[Placement, ...] = ()
    options: Mapping[str, OptionValue | None] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the application."""
        return self.spec.name


@dataclass(frozen=True)
class Machine:
    """A verified machine of the bundle."""

    name: str
    origin: Origin
    base: str
    constraints: str
    annotations: Mapping[str, str]


@dataclass(frozen=True)
class Relation:
    """A verified relation; both endpoints are complete, `keystone:shared-db`."""

    endpoint1: str
    endpoint2: str
    origin: Origin


@dataclass(frozen=True)
class Bundle:
    """A bundle that obeys all rules that can be checked without a model.

    Attributes:
        applications: By name, in the order of the files.
        machines: By their id in the bundle.
        relations: In the order of the files.
        saas: Names of applications of other models that the bundle relates to.
    """

    applications: Mapping[str, Application]
    machines: Mapping[str, Machine]
    relations: tuple[Relation, ...]
    saas: frozenset[str] = frozenset()


def decode(table: Table) -> BundleSpec:
    """Turn a merged document, whose keys and types have been checked, into a spec."""
    return BundleSpec(
        table=table,
        kind=_text(table, "bundle"),
        series=_text(table, "series"),
        default_base=_text(table, "default-base"),
        applications={
            name: _application(name, node)
            for name, node in _entries(table, "applications").items()
            if isinstance(node, Table)
        },
        machines={
            name: _machine(name, node if isinstance(node, Table) else Table({}, node.origin))
            for name, node in _entries(table, "machines").items()
        },
        relations=tuple(
            RelationSpec(tuple(e.text for e in item.items if isinstance(e, Scalar)), item.origin)
            for item in _items(table, "relations")
            if isinstance(item, Items)
        ),
        saas=frozenset(_entries(table, "saas")),
    )


def _application(name: str, table: Table) -> ApplicationSpec:
    units = _value(table, "num_units") or _value(table, "scale") or 0
    revision = _value(table, "revision")
    return ApplicationSpec(
        name=name,
        table=table,
        charm=_text(table, "charm"),
        channel=_text(table, "channel"),
        revision=int(revision) if revision is not None else None,
        series=_text(table, "series"),
        base=_text(table, "base"),
        num_units=int(units),
        to=tuple((item.text, item.origin) for item in _scalars(table, "to")),
        expose=bool(_value(table, "expose")),
        exposed_endpoints={
            endpoint: _exposed(node)
            for endpoint, node in _entries(table, "exposed-endpoints").items()
        },
        options=_values(table, "options"),
        annotations=_texts(table, "annotations"),
        constraints=_text(table, "constraints"),
        bindings=_texts(table, "bindings"),
        trust=bool(_value(table, "trust")),
        storage=_texts(table, "storage"),
        devices=_texts(table, "devices"),
        resources=_values(table, "resources"),
        offers=frozenset(_entries(table, "offers")),
        plan=_text(table, "plan"),
    )


def _machine(name: str, table: Table) -> MachineSpec:
    return MachineSpec(
        name=name,
        origin=table.origin,
        constraints=_text(table, "constraints"),
        annotations=_texts(table, "annotations"),
        series=_text(table, "series"),
        base=_text(table, "base"),
    )


def _exposed(node: Node) -> ExposedEndpoint:
    if not isinstance(node, Table):
        return ExposedEndpoint()
    return ExposedEndpoint(
        frozenset(item.text for item in _scalars(node, "expose-to-spaces")),
        frozenset(item.text for item in _scalars(node, "expose-to-cidrs")),
    )


def _entries(table: Table, key: str) -> Mapping[str, Node]:
    node = table.entries.get(key)
    return node.entries if isinstance(node, Table) else {}


def _items(table: Table, key: str) -> tuple[Node, ...]:
    node = table.entries.get(key)
    return node.items if isinstance(node, Items) else ()


def _scalars(table: Table, key: str) -> list[Scalar]:
    return [item for item in _items(table, key) if isinstance(item, Scalar)]


def _value(table: Table, key: str) -> OptionValue | None:
    node = table.entries.get(key)
    return node.value if isinstance(node, Scalar) else None


def _text(table: Table, key: str) -> str:
    node = table.entries.get(key)
    return node.text if isinstance(node, Scalar) and not is_null(node) else ""


def _values(table: Table, key: str) -> dict[str, OptionValue | None]:
    entries = _entries(table, key)
    return {name: node.value for name, node in entries.items() if isinstance(node, Scalar)}


def _texts(table: Table, key: str) -> dict[str, str]:
    entries = _entries(table, key)
    return {name: node.text for name, node in entries.items() if isinstance(node, Scalar)}
