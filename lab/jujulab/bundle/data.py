"""A verified bundle."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jujulab.juju.charm import CharmMeta

from .errors import Origin
from .names import Placement
from .schema import ApplicationSpec, MachineSpec, OptionValue


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
    machines: Mapping[str, MachineSpec]
    relations: tuple[Relation, ...]
