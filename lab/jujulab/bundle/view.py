"""What the planner needs to know of a running model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

OptionValue = str | int | float | bool
"""Value of a charm option, in the type that the charm declares."""


@dataclass(frozen=True)
class UnitView:
    """A unit and its machine.

    Attributes:
        name: `keystone/0`.
        machine: id of the machine or container, `0/lxd/2`.
    """

    name: str
    machine: str


@dataclass(frozen=True)
class ExposedEndpoint:
    """Who may reach an exposed endpoint; empty means everybody."""

    spaces: frozenset[str] = frozenset()
    cidrs: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ApplicationView:
    """An application of the model.

    Attributes:
        charm: The Charmhub name; of a local charm its absolute path or `local:name-N`.
        channel: full channel, `2024.1/stable`; None for a local charm.
        revision: revision of the charm, if it has one.
        base: `ubuntu@22.04`.
        units: its units. Empty for a subordinate, whose units follow its principals.
        options: the options that are set (not the defaults).
        bindings: endpoint or extra-binding -> space; key "" is the application's default.
        constraints: as in a bundle, `mem=4096M spaces=internal`.
        exposed: exposed endpoints (key "" is all); None when the application is not exposed.
        annotations: annotations of the application.
        next_unit: number of the next unit; Juju uses no number twice. None: the highest plus one.
    """

    charm: str
    channel: str | None = None
    revision: int | None = None
    base: str = ""
    units: tuple[UnitView, ...] = ()
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    bindings: Mapping[str, str] = field(default_factory=dict)
    constraints: str = ""
    exposed: Mapping[str, ExposedEndpoint] | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    next_unit: int | None = None


@dataclass(frozen=True)
class MachineView:
    """A machine or a container of the model.

    Attributes:
        annotations: annotations of the machine.
        next_containers: container type -> number of the next one on this machine. A type that is
            not in it: the highest plus one.
    """

    annotations: Mapping[str, str] = field(default_factory=dict)
    next_containers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelView:
    """A model as it is before the bundle is deployed; the default is an empty model.

    Attributes:
        applications: by application name.
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
