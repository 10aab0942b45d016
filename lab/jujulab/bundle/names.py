"""The syntax of Juju's names, bases, channels, constraints and placements.

Text that is not of its syntax is a ValueError that says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from jujulab.juju.charm import CHARM_NAME

from .errors import BundleError, Origin

NEW = "new"
_NUMBER = r"(?:0|[1-9][0-9]*)"
ENDPOINT = r"(?:[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*)"

_BASE = re.compile(
    r"(ubuntu|centos|genericlinux)@([0-9]+(?:\.[0-9]+)?)(?:/(stable|candidate|beta|edge))?"
)
_CHANNEL = re.compile(
    r"(?:[A-Za-z0-9._-]+/)?(?:stable|candidate|beta|edge)(?:/[A-Za-z0-9._-]+)?|[A-Za-z0-9._-]+"
)
_PLACEMENT = re.compile(rf"(?:([a-z]+):)?({NEW}|{_NUMBER})")
_BESIDE = re.compile(rf"(?:[a-z]+:)?{CHARM_NAME}(?:/{_NUMBER})?")

_COUNT = "[0-9]+"
_SIZE = r"[0-9]+(?:\.[0-9]+)?[MGTPEZY]?(?:i?B)?"
_SPACE = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_WHOLE = (_COUNT, "must be a non-negative integer")
_BYTES = (_SIZE, "must be a non-negative number with an optional M/G/T/P suffix")
_ANY = (".*", "")
_CONSTRAINTS = {
    "allocate-public-ip": ("true|True|TRUE|false|False|FALSE", "must be true or false"),
    "arch": (
        "amd64|arm64|ppc64el|riscv64|s390x",
        "is none of amd64, arm64, ppc64el, riscv64, s390x",
    ),
    "container": ("none|lxd|kvm", "is none of kvm, lxd, none"),
    "cores": _WHOLE,
    "cpu-cores": _WHOLE,
    "cpu-power": _WHOLE,
    "mem": _BYTES,
    "root-disk": _BYTES,
    "spaces": (
        rf"\^?{_SPACE}(?:,\^?{_SPACE})*",
        "must be names of spaces, with ^ what is excluded",
    ),
    **dict.fromkeys(
        ("image-id", "instance-role", "instance-type", "root-disk-source", "tags", "virt-type"),
        _ANY,
    ),
    "zones": _ANY,
}
"""Constraint -> what its value looks like, as an expression and in words."""


def is_application(name: str) -> bool:
    """Whether an application can have this name: `nova-compute`, but not `nova-compute-2`."""
    return re.fullmatch(CHARM_NAME, name) is not None


def is_machine(name: str) -> bool:
    """Whether this is the number of a machine, and not of a container."""
    return re.fullmatch(_NUMBER, name) is not None


def is_space(name: str) -> bool:
    """Whether a space can have this name."""
    return re.fullmatch(_SPACE, name) is not None


def parse_base(text: str) -> str:
    """Normalise a base such as `ubuntu@22.04` or `ubuntu@22.04/stable`."""
    match = _BASE.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is not a base; write it as ubuntu@22.04')
    risk = match[3]
    return f"{match[1]}@{match[2]}" + (f"/{risk}" if risk and risk != "stable" else "")


def check_channel(text: str) -> None:
    """Check a channel: `2024.1/stable`, `stable`, `latest/edge/fix`, or a track alone."""
    if not _CHANNEL.fullmatch(text):
        raise ValueError(f'"{text}" is not a channel; write it as track/risk, 2024.1/stable')


def parse_constraints(text: str) -> dict[str, str]:
    """Read constraints such as `mem=4G spaces=internal,^public`."""
    parsed: dict[str, str] = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f'malformed constraint "{word}"; write it as name=value')
        if name not in _CONSTRAINTS:
            raise ValueError(f'unknown constraint "{name}"')
        name = "cores" if name == "cpu-cores" else name
        if name in parsed:
            raise ValueError(f'constraint "{name}" is given twice')
        pattern, rule = _CONSTRAINTS[name]
        if value and not re.fullmatch(pattern, value):
            raise ValueError(f'bad "{name}" constraint: "{value}" {rule}')
        parsed[name] = value
    return parsed


@dataclass(frozen=True)
class Placement:
    """One placement directive of a bundle.

    Attributes:
        text: As it was written.
        machine: Id of a machine of the bundle, or `new`.
        container: `lxd` for a new container; empty for the machine itself.
    """

    text: str
    machine: str
    container: str = ""

    @classmethod
    def parse(cls, text: str) -> Placement:
        """Read a directive: `1`, `lxd:1`, `new`, `lxd:new`."""
        match = _PLACEMENT.fullmatch(text)
        if match is None and _BESIDE.fullmatch(text):
            raise ValueError(
                f'"{text}": the lab does not support placement beside an application; write the '
                "number of a machine"
            )
        if match is None:
            raise ValueError(f'"{text}" is not a placement; write 1, lxd:1 or new')
        if match[1] not in (None, "lxd"):
            raise ValueError(f'"{match[1]}" is no type of container that the lab has; lxd is')
        return cls(text, match[2], match[1] or "")


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
