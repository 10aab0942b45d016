"""Verification of one application against the metadata of its charm."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping

from jujulab.juju.charm import CharmMeta
from jujulab.juju.errors import JujuError

from .constraints import parse_constraints, with_spaces
from .data import ApplicationSpec
from .errors import Problem
from .names import ENDPOINT, STORAGE, check_channel, is_application, is_path
from .view import OptionValue

_SPACE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_NUMBER_TEXT = re.compile(r"[+-]?[0-9]+")
_ALL_ENDPOINTS = ""

Options = Mapping[str, OptionValue | None]


def verify_application(spec: ApplicationSpec, meta: CharmMeta) -> tuple[Options, list[Problem]]:
    """Verify all of an application but its base, its placement and its relations.

    Returns:
        The options in the charm's types, and what is wrong.
    """
    options, problems = _options(spec, meta)
    if not is_application(spec.name):
        problems.append(Problem(f'"{spec.name}" is not a valid application name', spec.at()))
    problems += _source_problems(spec)
    problems += _unit_problems(spec, meta)
    problems += _constraint_problems(spec)
    problems += _binding_problems(spec, meta)
    problems += _expose_problems(spec, meta)
    problems += _name_problems(spec)
    return options, problems


def _source_problems(spec: ApplicationSpec) -> Iterator[Problem]:
    """Check channel and revision."""
    if spec.channel:
        try:
            check_channel(spec.channel)
        except ValueError as error:
            yield Problem(str(error), spec.at("channel"))
    if spec.revision is None:
        return
    if spec.revision < 0:
        yield Problem("the revision cannot be negative", spec.at("revision"))
    elif not is_path(spec.charm) and not spec.channel:
        yield Problem("a revision needs a channel for later upgrades", spec.at("revision"))


def _unit_problems(spec: ApplicationSpec, meta: CharmMeta) -> Iterator[Problem]:
    units = spec.at("num_units" if "num_units" in spec.table.entries else "scale")
    if spec.num_units < 0:
        yield Problem("the number of units cannot be negative", units)
    if not meta.subordinate:
        return
    charm = f'"{meta.name}" is a subordinate charm'
    if spec.num_units > 0:
        yield Problem(
            f"{charm}: it gets a unit beside each unit it is related to, and has no num_units",
            units,
        )
    if spec.to:
        yield Problem(f"{charm}: its units follow their principals, without to", spec.at("to"))
    if spec.constraints:
        yield Problem(f"{charm}: it is deployed without constraints", spec.at("constraints"))


def _constraint_problems(spec: ApplicationSpec) -> Iterator[Problem]:
    try:
        parse_constraints(spec.constraints)
        with_spaces(spec.constraints, spec.bindings)
    except ValueError as error:
        yield Problem(str(error), spec.at("constraints"))


def _options(
    spec: ApplicationSpec, meta: CharmMeta
) -> tuple[dict[str, OptionValue | None], list[Problem]]:
    options: dict[str, OptionValue | None] = {}
    problems = []
    for name, value in spec.options.items():
        option = meta.options.get(name)
        if option is None:
            rule = f'charm "{meta.name}" has no option "{name}"'
            problems.append(Problem(rule, spec.at("options", name)))
            continue
        try:
            _check_strictly(name, option.kind, value)
            options[name] = option.coerce(name, value)
        except JujuError as error:
            problems.append(Problem(str(error), spec.at("options", name)))
    return options, problems


def _check_strictly(name: str, kind: str, value: OptionValue | None) -> None:
    """Refuse what the command line may say as text, but a bundle may not."""
    if kind == "float" and not isinstance(value, float | None):
        raise JujuError(f'option "{name}" expected float, got {value!r}; write it as 3.0')
    if kind == "int" and isinstance(value, str) and not _NUMBER_TEXT.fullmatch(value):
        raise JujuError(f'option "{name}" expected int, got "{value}"')


def _bindable(meta: CharmMeta) -> set[str]:
    """Return what the charm itself names and an operator can bind to a space."""
    named = {name for name, endpoint in meta.endpoints.items() if not endpoint.implicit}
    return named | set(meta.extra_bindings)


def _binding_problems(spec: ApplicationSpec, meta: CharmMeta) -> Iterator[Problem]:
    known = _bindable(meta)
    for endpoint, space in spec.bindings.items():
        origin = spec.at("bindings", endpoint)
        if endpoint != _ALL_ENDPOINTS and endpoint not in known:
            yield Problem(
                f'charm "{meta.name}" has no endpoint or extra-binding "{endpoint}"', origin
            )
        if space and not _SPACE.fullmatch(space):
            yield Problem(f'"{space}" is not the name of a space', origin)


def _expose_problems(spec: ApplicationSpec, meta: CharmMeta) -> Iterator[Problem]:
    if spec.expose and spec.exposed_endpoints:
        yield Problem(
            "expose: true exposes all endpoints and cannot be combined with exposed-endpoints",
            spec.at("exposed-endpoints"),
        )
    for endpoint, exposed in spec.exposed_endpoints.items():
        origin = spec.at("exposed-endpoints", endpoint)
        if endpoint != _ALL_ENDPOINTS and endpoint not in _bindable(meta):
            yield Problem(f'charm "{meta.name}" has no endpoint "{endpoint}"', origin)
        for cidr in sorted(exposed.cidrs):
            try:
                ipaddress.ip_network(cidr, strict=False)
            except ValueError:
                yield Problem(f'"{cidr}" is not a CIDR', origin)


def _name_problems(spec: ApplicationSpec) -> Iterator[Problem]:
    """Check the names of what the application has many of."""
    for field, pattern in (
        ("storage", STORAGE),
        ("devices", STORAGE),
        ("offers", STORAGE),
        ("resources", ENDPOINT),
    ):
        for name in getattr(spec, field):
            if not re.fullmatch(pattern, name):
                yield Problem(f'"{name}" is not a valid name', spec.at(field, name))
    for name, value in spec.resources.items():
        if not isinstance(value, int | str) or isinstance(value, bool):
            yield Problem(
                "a resource is a revision number or the path of a file",
                spec.at("resources", name),
            )
