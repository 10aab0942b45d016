"""A verified bundle, and what the planner needs to know of a running model."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jujulab.juju.charm import CharmMeta

from .errors import Origin
from .names import Placement
from .schema import ApplicationSpec, OptionValue


@dataclass(frozen=True)
class Application:
    """A verified application.

    Attributes:
        spec: As it was written.
        base: The base that its units run on.
        to: Placements of its units, in their order.
        options: Values in the types that the charm declares; None unsets one.
    """

    name: str
    spec: ApplicationSpec
    meta: CharmMeta
    base: str
    to: tuple[Placement, ...] = ()
    options: Mapping[str, OptionValue | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Machine:
    """A verified machine of the bundle."""

    name: str
    origin: Origin
    base: str
    constraints: str


@dataclass(frozen=True)
class Relation:
    """A verified relation; both endpoints are complete, `keystone:shared-db`."""

    endpoint1: str
    endpoint2: str
    origin: Origin


@dataclass(frozen=True)
class Bundle:
    """A bundle that obeys all rules that can be checked without a model.

    All is in the order of the files, applications and machines by their names there.
    """

    applications: Mapping[str, Application]
    machines: Mapping[str, Machine]
    relations: tuple[Relation, ...]


@dataclass(frozen=True)
class UnitView:
    """A unit `keystone/0`, and the id of its machine or container, `0/lxd/2`."""

    name: str
    machine: str


@dataclass(frozen=True)
class ApplicationView:
    """An application of the model.

    Attributes:
        charm: The Charmhub name; of a local charm its absolute path or `local:name-N`.
        channel: full channel, `2024.1/stable`; None for a local charm.
        units: empty for a subordinate, whose units follow its principals.
        options: those that are set (not the defaults).
        next_unit: number of the next unit; Juju uses no number twice. None: the highest plus one.
    """

    charm: str
    channel: str | None = None
    revision: int | None = None
    units: tuple[UnitView, ...] = ()
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    constraints: str = ""
    next_unit: int | None = None


@dataclass(frozen=True)
class MachineView:
    """A machine of the model, with the number of the next container on it, if that is known."""

    next_container: int | None = None


@dataclass(frozen=True)
class ModelView:
    """A model as it is before the bundle is deployed; the default is an empty model.

    Attributes:
        machines: by id, with the containers (`1/lxd/0`).
        relations: each a pair of `application:endpoint`, in either order; no peer relations.
        spaces: names of the model's spaces; None when they are not known, then no binding to an
            unknown space can be refused.
        next_machine: number of the next machine. None: the highest plus one.
    """

    applications: Mapping[str, ApplicationView] = field(default_factory=dict)
    machines: Mapping[str, MachineView] = field(default_factory=dict)
    relations: frozenset[tuple[str, str]] = frozenset()
    spaces: frozenset[str] | None = None
    next_machine: int | None = None
