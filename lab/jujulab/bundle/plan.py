"""What deploying a bundle changes in a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .changes import (
    AddApplication,
    AddMachine,
    AddRelation,
    Change,
    Expose,
    RefreshApplication,
    SetApplicationAnnotations,
    SetConstraints,
    SetMachineAnnotations,
    SetOptions,
)
from .constraints import parse_constraints
from .data import Application, Bundle
from .errors import BundleError, Problem
from .machines import Sequences, map_machines, natural, unused_machine_error
from .names import charm_name, is_path
from .placement import MachineMap
from .units import UnitPlanner
from .view import ApplicationView, ExposedEndpoint, ModelView

_EVERYWHERE = {"": ExposedEndpoint()}


def compute_changes(bundle: Bundle, model: ModelView, machine_map: MachineMap) -> list[Change]:
    """Compute the changes that make a model what a bundle says.

    What the model has beyond the bundle stays: nothing is ever removed, unexposed or unrelated.

    Args:
        bundle: A verified bundle.
        model: The model as it is.
        machine_map: The operator's `--map-machines`.

    Returns:
        The changes in the order in which they are to be made; none when there is nothing to do.

    Raises:
        BundleError: The bundle does not fit the model.
    """
    problems = [*_unsupported(bundle), *_unknown_spaces(bundle, model), *_upgrades(bundle, model)]
    if problems:
        raise BundleError(problems)
    mapping = map_machines(bundle, model, machine_map)
    sequences = Sequences(model)
    changes: list[Change] = []
    for name in sorted(bundle.applications):
        changes += _application(bundle.applications[name], model.applications.get(name))
    changes += _machines(bundle, model, mapping, sequences)
    changes += _relations(bundle, model)
    planner = UnitPlanner(bundle, model, mapping, sequences)
    changes += planner.plan()
    for name, machine in bundle.machines.items():
        if mapping[name] not in model.machines and mapping[name] not in planner.used:
            known = {ours: theirs for ours, theirs in mapping.items() if theirs in model.machines}
            raise unused_machine_error(machine, bundle, model, known)
    return changes


def _unsupported(bundle: Bundle) -> Iterator[Problem]:
    """Refuse what is right in a bundle, but what a model on one machine does not have."""
    for application in bundle.applications.values():
        for field in ("storage", "devices", "resources", "offers", "plan"):
            if getattr(application.spec, field):
                yield Problem(f"the lab does not support {field}", application.spec.at(field))
        if any(placement.container not in ("", "lxd") for placement in application.to):
            yield Problem("the lab has no containers but lxd", application.spec.at("to"))
    for relation in bundle.relations:
        names = {e.partition(":")[0] for e in (relation.endpoint1, relation.endpoint2)}
        if names & bundle.saas:
            rule = "the lab does not support relations to other models (saas)"
            yield Problem(rule, relation.origin)


def _unknown_spaces(bundle: Bundle, model: ModelView) -> Iterator[Problem]:
    if model.spaces is None:
        return
    for application in bundle.applications.values():
        for endpoint, space in application.spec.bindings.items():
            if space and space not in model.spaces:
                known = ", ".join(sorted(model.spaces))
                yield Problem(
                    f'the model has no space "{space}"; it has {known}',
                    application.spec.at("bindings", endpoint),
                )


def _upgrades(bundle: Bundle, model: ModelView) -> Iterator[Problem]:
    """Refuse to follow another channel as a side effect, as Juju does."""
    for name, application in bundle.applications.items():
        view = model.applications.get(name)
        wanted = _full_channel(application.spec.channel)
        current = _full_channel(view.channel or "") if view else ""
        if view and _same_charm(application, view) and wanted and current and wanted != current:
            yield Problem(
                f'{name} follows the channel "{current}"; a bundle does not upgrade across '
                f"channels, juju refresh {name} --channel {wanted} does",
                application.spec.at("channel"),
            )


def _full_channel(channel: str) -> str:
    """Return a channel as track and risk."""
    if channel in ("stable", "candidate", "beta", "edge"):
        return f"latest/{channel}"
    return channel if not channel or "/" in channel else f"{channel}/stable"


def _same_charm(application: Application, view: ApplicationView) -> bool:
    """Whether an application of the model has the bundle's charm.

    A local charm is known by its path or as `local:name-N`; that one with the same name is taken
    for the same charm, since the bundle has no revision of it. `juju refresh --path` upgrades it.
    """
    charm = application.spec.charm
    if charm == view.charm:
        return True
    if is_path(charm):
        return view.charm.startswith(f"local:{application.meta.name}-")
    if is_path(view.charm) or view.charm.startswith("local:"):
        return False
    return charm_name(charm) == charm_name(view.charm)


def _application(application: Application, view: ApplicationView | None) -> Iterator[Change]:
    spec = application.spec
    exposed = spec.exposed_endpoints or (_EVERYWHERE if spec.expose else None)
    if view is None:
        yield AddApplication(
            name=spec.name,
            charm=spec.charm,
            channel=None if is_path(spec.charm) else _full_channel(spec.channel) or None,
            revision=spec.revision,
            base=application.base,
            subordinate=application.meta.subordinate,
            options={k: v for k, v in application.options.items() if v is not None},
            bindings=dict(spec.bindings),
            constraints=spec.constraints,
            trust=spec.trust,
            annotations=dict(spec.annotations),
        )
        if exposed:
            yield Expose(spec.name, exposed)
        return
    if not _same_charm(application, view) or _newer_revision(application, view):
        yield RefreshApplication(spec.name, spec.charm, spec.channel or None, spec.revision)
    options = {k: v for k, v in application.options.items() if view.options.get(k) != v}
    if options:
        yield SetOptions(spec.name, options)
    if not application.meta.subordinate and not _same_constraints(spec.constraints, view):
        yield SetConstraints(spec.name, spec.constraints)
    if exposed and exposed != view.exposed:
        yield Expose(spec.name, exposed)
    annotations = _changed(spec.annotations, view.annotations)
    if annotations:
        yield SetApplicationAnnotations(spec.name, annotations)


def _newer_revision(application: Application, view: ApplicationView) -> bool:
    wanted = application.spec.revision
    return wanted is not None and view.revision is not None and wanted > view.revision


def _same_constraints(wanted: str, view: ApplicationView) -> bool:
    """Compare constraints; Juju adds the architecture itself, so it may be missing in a bundle."""
    ours, theirs = parse_constraints(wanted), parse_constraints(view.constraints)
    if "arch" not in ours:
        theirs.pop("arch", None)
    return ours == theirs


def _changed(wanted: Mapping[str, str], current: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in wanted.items() if current.get(key) != value}


def _machines(
    bundle: Bundle, model: ModelView, mapping: dict[str, str], sequences: Sequences
) -> Iterator[Change]:
    """Yield new machines and annotations; adds the new machines to the mapping."""
    for name in sorted(bundle.machines, key=natural):
        machine = bundle.machines[name]
        if name not in mapping:
            mapping[name] = sequences.machine()
            yield AddMachine(
                mapping[name],
                base=machine.base,
                constraints=machine.constraints,
                bundle_machine=name,
            )
        view = model.machines.get(mapping[name])
        annotations = _changed(machine.annotations, view.annotations if view else {})
        if annotations:
            yield SetMachineAnnotations(mapping[name], annotations)


def _relations(bundle: Bundle, model: ModelView) -> Iterator[Change]:
    existing = {frozenset(pair) for pair in model.relations}
    for relation in bundle.relations:
        if frozenset((relation.endpoint1, relation.endpoint2)) not in existing:
            yield AddRelation(relation.endpoint1, relation.endpoint2)
