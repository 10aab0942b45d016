"""The changes that deploying a bundle makes, in the order in which they are to be made.

Identifiers of new machines and units are final: the planner assigns the numbers that Juju would.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .schema import OptionValue


@dataclass(frozen=True)
class AddApplication:
    """Deploy an application, without units.

    Attributes:
        charm: Charmhub name, or absolute path of a `.charm` file or of a charm's directory.
        channel: None for a local charm.
        revision: None for the newest of the channel.
        options: in the types that the charm declares.
        bindings: endpoint or extra-binding -> space; key "" is the default of the application.
    """

    name: str
    charm: str
    channel: str | None = None
    revision: int | None = None
    base: str = ""
    subordinate: bool = False
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    bindings: Mapping[str, str] = field(default_factory=dict)
    constraints: str = ""
    trust: bool = False

    def __str__(self) -> str:
        channel = f" from {self.channel}" if self.channel else ""
        return f"deploy application {self.name} using {self.charm}{channel}"


@dataclass(frozen=True)
class RefreshApplication:
    """Give an application another charm, or another revision of its charm."""

    application: str
    charm: str
    channel: str | None = None
    revision: int | None = None

    def __str__(self) -> str:
        return f"upgrade {self.application} using charm {self.charm}"


@dataclass(frozen=True)
class SetOptions:
    """Set the options that differ; None gives an option its default again."""

    application: str
    options: Mapping[str, OptionValue | None]

    def __str__(self) -> str:
        return f"set application options for {self.application}"


@dataclass(frozen=True)
class SetConstraints:
    """Replace the constraints of an application that exists."""

    application: str
    constraints: str

    def __str__(self) -> str:
        return f'set constraints for {self.application} to "{self.constraints}"'


@dataclass(frozen=True)
class AddMachine:
    """Add a machine, or a container on a machine.

    Attributes:
        id: the id that it gets, `4` or `1/lxd/0`.
        parent: id of the machine that holds the container; None for a machine.
        bundle_machine: id of the machine in the bundle; None when the bundle has none for it.
    """

    id: str
    parent: str | None = None
    base: str = ""
    constraints: str = ""
    bundle_machine: str | None = None

    def __str__(self) -> str:
        if self.parent is not None:
            return f"add lxd container {self.id} on machine {self.parent}"
        renamed = self.bundle_machine not in (None, self.id)
        bundle = f" (bundle machine {self.bundle_machine})" if renamed else ""
        return f"add new machine {self.id}{bundle}"


@dataclass(frozen=True)
class AddRelation:
    """Relate two endpoints; both are complete: `keystone:shared-db`."""

    endpoint1: str
    endpoint2: str

    def __str__(self) -> str:
        return f"add relation {self.endpoint1} - {self.endpoint2}"


@dataclass(frozen=True)
class AddUnit:
    """Add a unit to an application, on a machine that exists or that an earlier change adds."""

    application: str
    unit: str
    machine: str

    def __str__(self) -> str:
        return f"add unit {self.unit} to machine {self.machine}"


Settings = RefreshApplication | SetOptions | SetConstraints
Change = AddApplication | Settings | AddMachine | AddRelation | AddUnit
