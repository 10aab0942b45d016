"""What deploying a bundle changes in a model."""

from collections.abc import Collection, Iterator

from jujulab.engine.model.state import Application as Deployed
from jujulab.engine.model.state import State
from jujulab.juju.charm import charm_name, is_path
from jujulab.juju.names import JUJU4, sorted_names

from .changes import (
    AddApplication,
    AddMachine,
    AddRelation,
    AddUnit,
    Change,
    RefreshApplication,
    SetConstraints,
    SetOptions,
)
from .data import Application, Bundle
from .errors import BundleError, Problem
from .machines import Sequences, map_machines, top_machine, unit_on, units_of, unused_machine_error
from .names import NEW, MachineMap, Placement, parse_constraints


def compute_changes(
    bundle: Bundle, model: State, machine_map: MachineMap, spaces: Collection[str]
) -> list[Change]:
    """Return the changes that make a model what a verified bundle says, in their order.

    What the model has beyond the bundle stays: nothing is ever removed or unrelated. The spaces
    are those that an endpoint can be bound to.

    Raises:
        BundleError: The bundle does not fit the model.
    """
    problems = [
        *_unknown_spaces(bundle, spaces),
        *_upgrades(bundle, model),
        *_local_with_channel(bundle, model),
        *_local_without_architecture(bundle, model),
    ]
    if problems:
        raise BundleError(problems)
    mapping = map_machines(bundle, model, machine_map)
    sequences = Sequences(model)
    changes: list[Change] = []
    for name in sorted(bundle.applications):
        changes += _application(bundle.applications[name], model.applications.get(name))
    for name in sorted_names(bundle.machines):
        if name not in mapping:
            machine, mapping[name] = bundle.machines[name], sequences.machine()
            new = AddMachine(mapping[name], None, machine.base, machine.constraints, name)
            changes.append(new)
    existing = {frozenset(map(str, r.endpoints)) for r in model.relations.values()}
    for relation in bundle.relations:
        if frozenset((relation.endpoint1, relation.endpoint2)) not in existing:
            changes.append(AddRelation(relation.endpoint1, relation.endpoint2))
    units = [
        change
        for name in sorted(bundle.applications)
        for change in _units(bundle.applications[name], model, mapping, sequences)
    ]
    used = {top_machine(unit.machine) for unit in units if isinstance(unit, AddUnit)}
    for name in bundle.machines:
        if mapping[name] not in model.machines and mapping[name] not in used:
            known = {ours: theirs for ours, theirs in mapping.items() if theirs in model.machines}
            raise unused_machine_error(name, bundle, model, known)
    return [*changes, *units]


def _unknown_spaces(bundle: Bundle, spaces: Collection[str]) -> Iterator[Problem]:
    for application in bundle.applications.values():
        for endpoint, space in application.spec.bindings.items():
            if space and space not in spaces:
                known = ", ".join(sorted(spaces))
                yield Problem(
                    f'the model has no space "{space}"; it has {known}',
                    application.spec.at("bindings", endpoint),
                )


def _upgrades(bundle: Bundle, model: State) -> Iterator[Problem]:
    """Refuse to follow another channel as a side effect, as Juju does."""
    for name, application in bundle.applications.items():
        view = model.applications.get(name)
        wanted = _full_channel(application.spec.channel)
        current = _full_channel(view.channel) if view else ""
        if view and _same_charm(application, view) and wanted and current and wanted != current:
            yield Problem(
                f'{name} follows the channel "{current}"; a bundle does not upgrade across '
                f"channels, juju refresh {name} --channel {wanted} does",
                application.spec.at("channel"),
            )


def _local_again(bundle: Bundle, model: State) -> Iterator[tuple[Application, Deployed]]:
    """Yield the applications that are to be deployed again from a file."""
    for name, application in bundle.applications.items():
        view = model.applications.get(name)
        if view and is_path(application.spec.charm) and view.charm_origin == "local":
            yield application, view


def _local_with_channel(bundle: Bundle, model: State) -> Iterator[Problem]:
    """Refuse what Juju does not find again: a local charm, deployed before, with a channel.

    Juju takes the charm of the model for that of the bundle only where the channels are equal, and
    a local one has none; else it looks for a file of the charm's name beside the bundle
    (resolveCharmsAndEndpoints and addLocalCharm of 3.6 and 4, cmd/juju/application/deployer).
    """
    for application, _ in _local_again(bundle, model):
        if application.spec.channel:
            yield Problem(
                f'cannot deploy local charm at "{application.meta.name}": file does not exist: '
                f"{application.name} has been deployed from a file before; a bundle that names a "
                "channel for it cannot be deployed again, one without can",
                application.spec.at("channel"),
            )


def _local_without_architecture(bundle: Bundle, model: State) -> Iterator[Problem]:
    """Refuse what Juju 4 does not find again: a local charm, deployed before, that has units.

    It adds an architecture to the application's constraints, and takes the charm of the model for
    that of the bundle only where the bundle's constraints have the same one; 3.6 takes its default
    for both (matchesCharmPermutation in internal/bundle/changes).
    """
    for application, view in _local_again(bundle, model) if JUJU4 else ():
        theirs = parse_constraints(view.constraints).get("arch")
        if theirs != parse_constraints(application.spec.constraints).get("arch"):
            yield Problem(
                f'cannot deploy local charm at "{application.meta.name}": file does not exist: '
                f"{application.name} has been deployed from a file before, with an architecture "
                f"that Juju 4 has added; with constraints: arch={theirs} it can be deployed again",
                application.spec.at("constraints"),
            )


def _full_channel(channel: str) -> str:
    """Return a channel as track and risk."""
    if channel in ("stable", "candidate", "beta", "edge"):
        return f"latest/{channel}"
    return channel if not channel or "/" in channel else f"{channel}/stable"


def _same_charm(application: Application, view: Deployed) -> bool:
    """Whether an application of the model has the bundle's charm.

    Where a bundle names a file for an application that exists, Juju keeps the application's charm,
    whatever it is (resolveCharmsAndEndpoints); `juju refresh --path` is what changes it.
    """
    charm = application.spec.charm
    if is_path(charm):
        return True
    return view.charm_origin != "local" and charm_name(charm) == view.source


def _application(application: Application, view: Deployed | None) -> Iterator[Change]:
    name, spec = application.name, application.spec
    if view is None:
        yield AddApplication(
            name=name,
            charm=spec.charm,
            channel=None if is_path(spec.charm) else _full_channel(spec.channel) or None,
            revision=spec.revision,
            base=application.base,
            subordinate=application.meta.subordinate,
            options={k: v for k, v in application.options.items() if v is not None},
            bindings=dict(spec.bindings),
            constraints=spec.constraints,
            trust=spec.trust,
        )
    else:
        yield from _differences(application, view)


def _differences(application: Application, view: Deployed) -> Iterator[Change]:
    name, spec = application.name, application.spec
    newer = spec.revision is not None and spec.revision > view.revision
    if newer or not _same_charm(application, view):
        yield RefreshApplication(name, spec.charm, spec.channel or None, spec.revision)
    options = {k: v for k, v in application.options.items() if view.options.get(k) != v}
    if options:
        yield SetOptions(name, options)
    # The architecture counts, too, although Juju adds that itself.
    same = parse_constraints(spec.constraints) == parse_constraints(view.constraints)
    if not application.meta.subordinate and not same:
        yield SetConstraints(name, spec.constraints)


def _units(
    application: Application, model: State, mapping: dict[str, str], sequences: Sequences
) -> Iterator[AddMachine | AddUnit]:
    """Yield the units that an application lacks, each behind the machines that are new for it."""
    placements = [p for p in application.to if not _satisfied(application, p, model, mapping)]
    # Only "new" makes sense for several units; after other directives Juju takes new machines.
    new = Placement(NEW, NEW)
    last = application.to[-1] if application.to else new
    repeated = last if last.machine == NEW else new
    base, constraints = application.base, application.spec.constraints
    for _ in range(len(units_of(model, application.name)), application.spec.num_units):
        placement = placements.pop(0) if placements else repeated
        machine = mapping.get(placement.machine)
        if machine is None:
            machine = sequences.machine()
            yield AddMachine(machine, None, base, constraints)
        if placement.container:
            parent, machine = machine, sequences.container(machine)
            yield AddMachine(machine, parent, base, constraints)
        yield AddUnit(application.name, sequences.unit(application.name), machine)


def _satisfied(
    application: Application, placement: Placement, model: State, mapping: dict[str, str]
) -> bool:
    """Whether a unit that exists is where the directive wants one."""
    machine = mapping.get(placement.machine)
    return machine is not None and (
        unit_on(model, application.name, machine, placement.container) is not None
    )
