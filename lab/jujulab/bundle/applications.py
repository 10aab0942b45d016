"""Verification of one application against the metadata of its charm."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from jujulab.juju.charm import CharmMeta, is_path
from jujulab.juju.errors import JujuError

from .errors import Problem
from .names import check_channel, is_application, is_space, parse_constraints
from .schema import ApplicationSpec, OptionValue

_NUMBER_TEXT = re.compile(r"[+-]?[0-9]+")

Options = Mapping[str, OptionValue | None]


def verify_application(
    name: str, spec: ApplicationSpec, meta: CharmMeta
) -> tuple[Options, list[Problem]]:
    """Verify all of an application but its base, its placement and its relations.

    Returns:
        The options in the charm's types, and what is wrong.
    """
    options, problems = _options(spec, meta)
    if not is_application(name):
        problems.append(Problem(f'"{name}" is not a valid application name', spec.at()))
    problems += _source_problems(spec)
    problems += _unit_problems(spec, meta)
    problems += _binding_problems(spec, meta)
    try:
        parse_constraints(spec.constraints)
    except ValueError as error:
        problems.append(Problem(str(error), spec.at("constraints")))
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
    if spec.num_units < 0:
        yield Problem("the number of units cannot be negative", spec.at("num_units"))
    if not meta.subordinate:
        return
    charm = f'"{meta.name}" is a subordinate charm'
    if spec.num_units > 0:
        yield Problem(
            f"{charm}: it gets a unit beside each unit it is related to, and has no num_units",
            spec.at("num_units"),
        )
    if spec.to:
        yield Problem(f"{charm}: its units follow their principals, without to", spec.at("to"))
    if spec.constraints:
        yield Problem(f"{charm}: it is deployed without constraints", spec.at("constraints"))


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


def _binding_problems(spec: ApplicationSpec, meta: CharmMeta) -> Iterator[Problem]:
    known = {name for name, endpoint in meta.endpoints.items() if not endpoint.implicit}
    known |= {"", *meta.extra_bindings}
    for endpoint, space in spec.bindings.items():
        origin = spec.at("bindings", endpoint)
        if endpoint not in known:
            yield Problem(
                f'charm "{meta.name}" has no endpoint or extra-binding "{endpoint}"', origin
            )
        if space and not is_space(space):
            yield Problem(f'"{space}" is not the name of a space', origin)
