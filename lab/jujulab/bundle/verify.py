"""Verification of a merged bundle: everything that needs no model."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jujulab.juju.charm import CharmMeta, LocalCharms
from jujulab.juju.errors import JujuError

from .applications import verify_application
from .data import Application, Bundle, Machine
from .errors import BundleError, Problem
from .names import NEW, Placement, is_machine, parse_base, parse_constraints
from .relations import verify_relations
from .schema import ApplicationSpec, BundleSpec, MachineSpec


def verify(spec: BundleSpec, charms: LocalCharms) -> Bundle:
    """Verify a bundle.

    Args:
        spec: The bundle with its overlays merged.
        charms: Where the charms' metadata comes from.

    Raises:
        BundleError: With all that is wrong.
    """
    problems: list[Problem] = []
    if not spec.applications:
        problems.append(
            Problem("at least one application must be specified", spec.at("applications"))
        )
    default = _base(spec, "default-base", spec.default_base, problems)
    machines = {
        name: _machine(name, machine, default, problems) for name, machine in spec.machines.items()
    }
    applications = {}
    for name, written in spec.applications.items():
        meta = _find_charm(written, charms, problems)
        base = _base(written, "base", written.base, problems) or default
        placements = _placements(written, spec, problems)
        if meta is not None:
            options, found = verify_application(name, written, meta)
            problems += found
            applications[name] = Application(
                name, written, meta, base or meta.base, placements, options
            )
    problems += _unused_machines(spec)
    relations, found = verify_relations(spec, applications)
    problems += found
    if problems:
        raise BundleError(problems)
    return Bundle(applications, machines, relations)


def _base(
    spec: BundleSpec | MachineSpec | ApplicationSpec, key: str, text: str, problems: list[Problem]
) -> str:
    """Return a base that was written, normalised; empty for none."""
    try:
        return parse_base(text) if text else ""
    except ValueError as error:
        problems.append(Problem(str(error), spec.at(key)))
        return ""


def _machine(name: str, spec: MachineSpec, default: str, problems: list[Problem]) -> Machine:
    base = _base(spec, "base", spec.base, problems) or default
    if not is_machine(name):
        problems.append(Problem(f'"{name}" is not the number of a machine', spec.at()))
    try:
        parse_constraints(spec.constraints)
    except ValueError as error:
        problems.append(Problem(str(error), spec.at("constraints")))
    return Machine(name, spec.at(), base, spec.constraints)


def _find_charm(
    spec: ApplicationSpec, charms: LocalCharms, problems: list[Problem]
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
    except JujuError as error:
        problems.append(Problem(str(error), spec.at("charm")))
        return None


def _placements(
    spec: ApplicationSpec, bundle: BundleSpec, problems: list[Problem]
) -> tuple[Placement, ...]:
    placements = []
    for number, text in enumerate(spec.to):
        origin = spec.at("to", number)
        try:
            placement = Placement.parse(text)
        except ValueError as error:
            problems.append(Problem(str(error), origin))
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
            yield Problem(
                f"machine {name} is not referred to by a placement (to) of any application",
                machine.at(),
            )


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
