"""Where units go, and which machine of the model a machine of the bundle is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .errors import BundleError, Origin
from .names import APPLICATION, is_machine

NEW = "new"
CONTAINER_TYPES = frozenset({"lxd", "kvm"})
_PLACEMENT = re.compile(rf"(?:([a-z]+):)?(?:({APPLICATION})(?:/(0|[1-9][0-9]*))?|(0|[1-9][0-9]*))")


@dataclass(frozen=True)
class Placement:
    """One placement directive of a bundle; exactly one of machine and application is set.

    Attributes:
        text: As it was written.
        container: `lxd` or `kvm` for a new container; empty for the machine itself.
        machine: Id of a machine of the bundle, or `new`.
        application: The unit goes where a unit of this application is.
        unit: The index of that unit; None for the next one that has no unit beside it yet.
    """

    text: str
    container: str = ""
    machine: str = ""
    application: str = ""
    unit: int | None = None

    @classmethod
    def parse(cls, text: str) -> Placement:
        """Read a directive: `1`, `lxd:1`, `new`, `lxd:new`, `keystone`, `lxd:keystone/0`.

        Raises:
            ValueError: It is not one.
        """
        match = _PLACEMENT.fullmatch(text)
        if match is None or (match[2] == NEW and match[3] is not None):
            raise ValueError(f'"{text}" is not a placement; write 1, lxd:1, new or lxd:app/0')
        container = match[1] or ""
        if container and container not in CONTAINER_TYPES:
            raise ValueError(f'"{container}" is no type of container; there are lxd and kvm')
        if match[2] is None or match[2] == NEW:
            return cls(text, container, machine=match[4] or NEW)
        return cls(text, container, application=match[2], unit=int(match[3]) if match[3] else None)


@dataclass(frozen=True)
class MachineMap:
    """The value of `--map-machines`.

    Attributes:
        existing: Whether machine N of the bundle is machine N of the model where there is one.
        explicit: Machine of the bundle -> machine of the model.
    """

    existing: bool = False
    explicit: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> MachineMap:
        """Read `existing`, `3=7`, or several of them with commas.

        Raises:
            BundleError: It is something else.
        """
        existing = False
        explicit: dict[str, str] = {}
        origin = Origin(key="--map-machines")
        for word in text.split(",") if text else ():
            if word == "existing":
                existing = True
                continue
            bundle, equals, model = word.partition("=")
            if not equals or not is_machine(bundle) or not is_machine(model):
                rule = f'expected "existing" or "<bundle-id>=<machine-id>", got "{word}"'
                raise BundleError.of(rule, origin)
            if bundle in explicit:
                raise BundleError.of(f"machine {bundle} of the bundle is mapped twice", origin)
            explicit[bundle] = model
        return cls(existing, explicit)
