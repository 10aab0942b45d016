"""Verification of a merged bundle: everything that needs no model."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from jujulab.juju.charm import CharmMeta, LocalCharms, is_path
from jujulab.juju.errors import JujuError

from .data import Application, Bundle
from .errors import BundleError, Origin, Problem
from .names import (
    NEW,
    Placement,
    check_channel,
    is_application,
    is_machine,
    is_space,
    parse_base,
    parse_constraints,
)
from .relations import verify_relations
from .schema import ApplicationSpec, BundleSpec, MachineSpec, OptionValue

T = TypeVar("T")


def verify(spec: BundleSpec, charms: LocalCharms) -> Bundle:
    """Verify a bundle with its overlays merged.

    Raises:
        BundleError: With all that is wrong.
    """
    problems: list[Problem] = []
    if not spec.applications:
        rule = "at least one application must be specified"
        problems.append(Problem(rule, spec.at("applications")))
    default = _base(spec, "default-base", spec.default_base, problems)
    for name, machine in spec.machines.items():
        _verify_machine(name, machine, default, problems)
    applications = {}
    for name, written in spec.applications.items():
        meta = _find_charm(written, charms, problems)
        base = _base(written, "base", written.base, problems) or default
        if meta is not None:
            options, found = _verify_application(name, written, meta)
            problems += found
        placements = _placements(written, spec, problems)
        if meta is not None:
            applications[name] = Application(
                name, written, meta, base or meta.base, placements, options
            )
    problems += _unused_machines(spec)
    relations, found = verify_relations(spec, applications)
    problems += found
    if problems:
        raise BundleError(problems)
    return Bundle(applications, spec.machines, relations)


def _read(
    text: str, read: Callable[[str], T], origin: Origin, problems: list[Problem]
) -> T | None:
    """Read what was written; None where it breaks a rule, which is noted then."""
    try:
        return read(text)
    except (ValueError, JujuError) as error:
        problems.append(Problem(str(error), origin))
        return None


def _base(
    spec: BundleSpec | MachineSpec | ApplicationSpec, key: str, text: str, problems: list[Problem]
) -> str:
    """Return a base that was written, normalised; empty for none."""
    return (_read(text, parse_base, spec.at(key), problems) or "") if text else ""


def _verify_machine(name: str, spec: MachineSpec, default: str, problems: list[Problem]) -> None:
    """Verify a machine, and note the base that it has by default."""
    spec.base = _base(spec, "base", spec.base, problems) or default
    if not is_machine(name):
        problems.append(Problem(f'"{name}" is not the number of a machine', spec.at()))
    _read(spec.constraints, parse_constraints, spec.at("constraints"), problems)


def _find_charm(
    spec: ApplicationSpec, charms: LocalCharms, problems: list[Problem]
) -> CharmMeta | None:
    if spec.charm:
        return _read(spec.charm, charms.find, spec.at("charm"), problems)
    rule = "the application has no charm; an overlay can only change applications of the bundle"
    problems.append(Problem(f"{rule}, under their names", spec.at()))
    return None


def _placements(
    spec: ApplicationSpec, bundle: BundleSpec, problems: list[Problem]
) -> tuple[Placement, ...]:
    placements = []
    for number, text in enumerate(spec.to):
        origin = spec.at("to", number)
        placement = _read(text, Placement.parse, origin, problems)
        if placement is None:
            continue
        placements.append(placement)
        if placement.machine != NEW and placement.machine not in bundle.machines:
            rule = f'placement "{text}" refers to a machine that is not in machines'
            problems.append(Problem(rule, origin))
    if len(spec.to) > max(spec.num_units, 0):
        rule = f"has {len(spec.to)} placements for {spec.num_units} units (num_units)"
        problems.append(Problem(rule, spec.at("to")))
    return tuple(placements)


def _unused_machines(spec: BundleSpec) -> Iterator[Problem]:
    used = {text.rpartition(":")[2] for app in spec.applications.values() for text in app.to}
    for name, machine in spec.machines.items():
        if name not in used:
            rule = f"machine {name} is not referred to by a placement (to) of any application"
            yield Problem(rule, machine.at())


_NUMBER_TEXT = re.compile(r"[+-]?[0-9]+")

_Options = Mapping[str, OptionValue | None]


def _verify_application(
    name: str, spec: ApplicationSpec, meta: CharmMeta
) -> tuple[_Options, list[Problem]]:
    """Verify all but base, placement and relations; return the options in their types, too."""
    options, problems = _options(spec, meta)
    if not is_application(name):
        problems.append(Problem(f'"{name}" is not a valid application name', spec.at()))
    if spec.channel:
        _read(spec.channel, check_channel, spec.at("channel"), problems)
    problems += _revision_problems(spec)
    problems += _unit_problems(spec, meta)
    problems += _binding_problems(spec, meta)
    at = spec.at("constraints")
    constraints = _read(spec.constraints, parse_constraints, at, problems) or {}
    for space in sorted(set(spec.bindings.values())):
        if f"^{space}" in constraints.get("spaces", "").split(","):
            problems.append(
                Problem(f'the space "{space}" is bound, and excluded by a constraint', at)
            )
    return options, problems


def _revision_problems(spec: ApplicationSpec) -> Iterator[Problem]:
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
        rule = "it gets a unit beside each unit it is related to, and has no num_units"
        yield Problem(f"{charm}: {rule}", spec.at("num_units"))
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
        try:
            if option is None:
                raise JujuError(f'charm "{meta.name}" has no option "{name}"')
            _check_strictly(name, option.kind, value)
            options[name] = option.coerce(name, value)
        except JujuError as error:
            problems.append(Problem(str(error), spec.at("options", name)))
    return options, problems


def _check_strictly(name: str, kind: str, value: OptionValue | None) -> None:
    """Refuse what the command line may say as text, but a bundle may not."""
    if isinstance(value, str) and value.startswith(("include-file://", "include-base64://")):
        raise JujuError("the lab does not include files in options")
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
            rule = f'charm "{meta.name}" has no endpoint or extra-binding "{endpoint}"'
            yield Problem(rule, origin)
        if space and not is_space(space):
            yield Problem(f'"{space}" is not the name of a space', origin)
