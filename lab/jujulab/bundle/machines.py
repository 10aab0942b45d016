"""Machines of the bundle and machines of the model: which is which, and what gets which number."""

from jujulab.engine.model.state import State, Unit
from jujulab.juju.names import sorted_names

from .data import Application, Bundle
from .errors import BundleError, Origin
from .names import NEW, MachineMap


def top_machine(machine_id: str) -> str:
    """Return the machine that carries a container, or the machine itself."""
    return machine_id.partition("/")[0]


class Sequences:
    """The next numbers of machines, containers and units; none is used twice."""

    def __init__(self, model: State) -> None:
        self._model = model
        self._next: dict[str, int] = {}

    def _take(self, prefix: str, first: int) -> str:
        number = self._next.get(prefix, first)
        self._next[prefix] = number + 1
        return f"{prefix}{number}"

    def machine(self) -> str:
        """Return the id of the next machine."""
        return self._take("", self._model.next_machine)

    def container(self, parent: str) -> str:
        """Return the id of the next container on a machine."""
        machine = self._model.machines.get(parent)
        return self._take(f"{parent}/lxd/", machine.next_container if machine else 0)

    def unit(self, application: str) -> str:
        """Return the name of the next unit of an application."""
        known = self._model.applications.get(application)
        return self._take(f"{application}/", known.next_unit if known else 0)


def units_of(model: State, application: str) -> list[Unit]:
    """Return the units that the model has placed for an application, in order of their numbers."""
    units = (u for u in model.units.values() if u.app == application and not u.principal)
    return sorted(units, key=lambda unit: unit.number)


def map_machines(bundle: Bundle, model: State, wanted: MachineMap) -> dict[str, str]:
    """Find the machine of the model for machines of the bundle: id there -> id in the model.

    What the operator did not map is inferred from where units of the applications are already.
    What is not in it needs a new machine.

    Raises:
        BundleError: An explicit mapping names a machine that does not exist.
    """
    mapping = _wanted(bundle, model, wanted)
    inference = _Inference(bundle, model, mapping)
    inference.same_numbers()
    inference.by_units()
    return mapping


def _wanted(bundle: Bundle, model: State, wanted: MachineMap) -> dict[str, str]:
    origin = Origin(key="--map-machines")
    for ours, theirs in wanted.explicit.items():
        if ours not in bundle.machines:
            raise BundleError.of(f"the bundle has no machine {ours}", origin)
        if theirs not in model.machines:
            raise BundleError.of(f"the model has no machine {theirs} (for {ours})", origin)
    existing = {m: m for m in bundle.machines if m in model.machines} if wanted.existing else {}
    return {**existing, **wanted.explicit}


class _Inference:
    """Juju's two passes that guess the rest of the mapping from units that are placed already."""

    def __init__(self, bundle: Bundle, model: State, mapping: dict[str, str]) -> None:
        self._bundle = bundle
        self._model = model
        self._mapping = mapping
        taken = set(mapping.values())
        self._units: dict[str, list[Unit]] = {}
        self._left: dict[str, list[str]] = {}
        for name in model.applications:
            units = units_of(model, name)
            self._units[name] = [u for u in units if top_machine(u.machine) not in taken]

    def same_numbers(self) -> None:
        """Map a machine to its namesake where that has the unit that the bundle puts there."""
        for application in self._bundle.applications.values():
            left = []
            for placement in application.to:
                machine = placement.machine
                if machine == NEW:
                    continue
                unit = None
                if machine not in self._mapping:
                    unit = unit_on(self._model, application.name, machine, placement.container)
                if unit is None:
                    left.append(machine)
                    continue
                self._mapping[machine] = machine
                self._use(application, unit)
            self._left[application.name] = sorted(left)

    def by_units(self) -> None:
        """Map other machines to where a unit is that has no machine in the bundle yet."""
        for machine in sorted_names(self._bundle.machines):
            if machine in self._mapping:
                continue
            for name in sorted(self._bundle.applications):
                units = self._units.get(name)
                if units and machine in self._left[name]:
                    self._mapping[machine] = top_machine(units[0].machine)
                    self._use(self._bundle.applications[name], units[0])
                    break

    def _use(self, application: Application, unit: Unit) -> None:
        units = self._units.get(application.name, [])
        self._units[application.name] = [other for other in units if other != unit]


def unit_on(model: State, application: str, machine: str, container: str) -> Unit | None:
    """Return a unit of an application on a machine of the model, or in a container on it."""
    for unit in units_of(model, application):
        if top_machine(unit.machine) == machine and bool(container) == ("/" in unit.machine):
            return unit
    return None


def unused_machine_error(
    machine: str, bundle: Bundle, model: State, mapping: dict[str, str]
) -> BundleError:
    """Return the error for a machine that would be new although nothing new goes there."""
    free = {m for m in model.machines if "/" not in m} - set(mapping.values())
    names = [
        application.name
        for application in bundle.applications.values()
        if any(placement.machine == machine for placement in application.to)
    ]
    candidates = ", ".join(sorted_names(free))
    hint = f", perhaps to one of the model's machines {candidates}" if candidates else ""
    return BundleError.of(
        "bundle and machine mapping are inconsistent: need an explicit entry in --map-machines "
        f"for machine {machine} of the bundle{hint}; it should host {', '.join(names)}",
        bundle.machines[machine].at(),
    )
