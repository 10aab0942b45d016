"""Verification of a merged bundle: everything that needs no model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from jujulab.juju.charm import CharmMeta
from jujulab.juju.errors import JujuError

from .applications import verify_application
from .charms import CharmLookup
from .constraints import parse_constraints
from .data import Application, ApplicationSpec, Bundle, BundleSpec, Machine, MachineSpec
from .errors import BundleError, Origin, Problem
from .names import base_of_series, is_application, is_machine, parse_base
from .placement import NEW, Placement
from .relations import verify_relations


def verify(spec: BundleSpec, charms: CharmLookup) -> Bundle:
    """Verify a bundle.

    Args:
        spec: The bundle with its overlays merged.
        charms: Where the charms' metadata comes from.

    Raises:
        BundleError: With all that is wrong.
    """
    problems = [*_document_problems(spec)]
    machines = {}
    for machine_spec in spec.machines.values():
        found, machine = _verify_machine(machine_spec, spec)
        problems += found
        machines[machine.name] = machine
    applications = {}
    for application_spec in spec.applications.values():
        meta = _find_charm(application_spec, charms, problems)
        base = _base_of(application_spec, spec, meta, problems)
        placements = _placements(application_spec, problems)
        if meta is not None:
            options, found = verify_application(application_spec, meta)
            problems += found
            applications[application_spec.name] = Application(
                application_spec, meta, base, placements, options
            )
        problems += _placement_problems(application_spec, placements, spec)
    problems += _unused_machines(spec)
    problems += _placement_cycle(spec)
    relations, found = verify_relations(spec, applications)
    problems += found
    if problems:
        raise BundleError(problems)
    return Bundle(applications, machines, relations, spec.saas)


def _document_problems(spec: BundleSpec) -> Iterator[Problem]:
    at = spec.table.at
    if spec.kind:
        yield Problem(
            f'a bundle of type "{spec.kind}" does not describe machines; leave the key out',
            at("bundle"),
        )
    for name in spec.saas:
        if name in spec.applications:
            yield Problem(f'"{name}" is also the name of an application', at("saas", name))
        elif not is_application(name):
            yield Problem(f'"{name}" is not a valid name', at("saas", name))
    if not spec.applications:
        yield Problem("at least one application must be specified", at("applications"))
    yield from _base_problems(spec.series, spec.default_base, at("series"), at("default-base"))


def _base_problems(series: str, base: str, at_series: Origin, at_base: Origin) -> list[Problem]:
    """Check a pair of series and base, of which either may be empty."""
    problems = []
    try:
        parse_base(base) if base else None
    except ValueError as error:
        problems.append(Problem(str(error), at_base))
    try:
        base_of_series(series) if series else None
    except ValueError as error:
        problems.append(Problem(str(error), at_series))
    if base and series and not problems and parse_base(base) != base_of_series(series):
        problems.append(Problem(f'series "{series}" contradicts base "{base}"', at_series))
    return problems


def _verify_machine(spec: MachineSpec, bundle: BundleSpec) -> tuple[list[Problem], Machine]:
    at = bundle.table.at
    path = ("machines", spec.name)
    problems = _base_problems(spec.series, spec.base, at(*path, "series"), at(*path, "base"))
    base = ""
    if not problems:
        base = _first_base(spec.base, spec.series, bundle)
    if not is_machine(spec.name):
        problems.append(Problem(f'"{spec.name}" is not the number of a machine', spec.origin))
    try:
        parse_constraints(spec.constraints)
    except ValueError as error:
        problems.append(Problem(str(error), at(*path, "constraints")))
    machine = Machine(spec.name, spec.origin, base, spec.constraints, spec.annotations)
    return problems, machine


def _first_base(base: str, series: str, bundle: BundleSpec) -> str:
    """Return the first base that is named, the bundle's defaults last; empty if none is valid."""
    candidates = (
        (parse_base, base),
        (base_of_series, series),
        (parse_base, bundle.default_base),
        (base_of_series, bundle.series),
    )
    for parse, text in candidates:
        try:
            if text:
                return parse(text)
        except ValueError:
            continue  # reported where the bundle's own keys are verified
    return ""


def _base_of(
    spec: ApplicationSpec, bundle: BundleSpec, meta: CharmMeta | None, problems: list[Problem]
) -> str:
    problems += _base_problems(spec.series, spec.base, spec.at("series"), spec.at("base"))
    return _first_base(spec.base, spec.series, bundle) or (meta.base if meta else "")


def _find_charm(
    spec: ApplicationSpec, charms: CharmLookup, problems: list[Problem]
) -> CharmMeta | None:
    if not spec.charm:
        problems.append(
            Problem(
                "the application has no charm; an overlay can only change applications of the "
                "bundle, under their names",
                spec.at(),
            )
        )
        return None
    try:
        return charms.find(spec.charm)
    except (JujuError, ValueError) as error:
        problems.append(Problem(str(error), spec.at("charm")))
        return None


def _placements(spec: ApplicationSpec, problems: list[Problem]) -> tuple[Placement, ...]:
    placements = []
    for text, origin in spec.to:
        try:
            placements.append(Placement.parse(text))
        except ValueError as error:
            problems.append(Problem(str(error), origin))
    return tuple(placements)


def _placement_problems(
    spec: ApplicationSpec, placements: tuple[Placement, ...], bundle: BundleSpec
) -> Iterator[Problem]:
    if len(spec.to) > max(spec.num_units, 0):
        yield Problem(
            f"has {len(spec.to)} placements for {spec.num_units} units (num_units)", spec.at("to")
        )
    origins = dict(spec.to)
    for placement in placements:
        origin = origins[placement.text]
        if placement.application:
            target = bundle.applications.get(placement.application)
            if target is None:
                yield Problem(
                    f'placement "{placement.text}" refers to an application that is not in the '
                    "bundle",
                    origin,
                )
            elif placement.unit is not None and placement.unit >= target.num_units:
                yield Problem(
                    f'placement "{placement.text}" refers to unit {placement.unit} of an '
                    f"application with {target.num_units} units, counted from 0",
                    origin,
                )
        elif placement.machine != NEW and placement.machine not in bundle.machines:
            yield Problem(
                f'placement "{placement.text}" refers to a machine that is not in machines', origin
            )


def _targets(spec: ApplicationSpec) -> Iterator[Placement]:
    yield from _placements(spec, [])


def _unused_machines(spec: BundleSpec) -> Iterator[Problem]:
    used = {p.machine for app in spec.applications.values() for p in _targets(app)}
    for name, machine in spec.machines.items():
        if name not in used:
            yield Problem(
                f"machine {name} is not referred to by a placement (to) of any application",
                machine.origin,
            )


def _placement_cycle(spec: BundleSpec) -> Iterator[Problem]:
    """Find applications that are placed beside each other in a circle."""
    waiting: Mapping[str, set[str]] = {
        name: {p.application for p in _targets(app) if p.application in spec.applications}
        for name, app in spec.applications.items()
    }
    while True:
        free = {name for name, targets in waiting.items() if not targets}
        if not free:
            break
        waiting = {n: targets - free for n, targets in waiting.items() if n not in free}
    if waiting:
        first = spec.applications[min(waiting)]
        names = ", ".join(sorted(waiting))
        yield Problem(f"cycle in placement directives for: {names}", first.at("to"))


_PLACEHOLDER = re.compile(r"<[^<>]+>")


def placeholders(bundle: Bundle) -> list[Problem]:
    """Return the options that still have a text such as `<MAAS URL>` to fill in.

    Juju would accept it; the charm would not.
    """
    return [
        Problem(f"{value} is still to be filled in", application.spec.at("options", name))
        for application in bundle.applications.values()
        for name, value in application.options.items()
        if isinstance(value, str) and _PLACEHOLDER.fullmatch(value.strip())
    ]
