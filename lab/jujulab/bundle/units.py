"""Which units are added, and where each of them goes."""

from __future__ import annotations

from collections.abc import Mapping

from .changes import AddMachine, AddUnit
from .constraints import with_spaces
from .data import Application, Bundle
from .machines import (
    Sequences,
    container_type,
    natural,
    parent_machine,
    top_machine,
    unit_on,
)
from .placement import NEW, Placement
from .view import ModelView


class UnitPlanner:
    """Adds the units that applications lack, and the machines and containers for them.

    Args:
        bundle: The verified bundle.
        model: The model as it is.
        machines: Machine of the bundle -> machine of the model, which may be a new one.
        sequences: Source of numbers.
    """

    def __init__(
        self, bundle: Bundle, model: ModelView, machines: Mapping[str, str], sequences: Sequences
    ) -> None:
        self._bundle = bundle
        self._model = model
        self._machines = machines
        self._sequences = sequences
        self._changes: list[AddMachine | AddUnit] = []
        self._new_units: dict[str, list[AddUnit]] = {}
        self._beside: dict[tuple[str, str], list[str]] = {}
        self.used: set[str] = set()
        """Machines (not containers) that get a new unit, or a new container."""

    def plan(self) -> list[AddMachine | AddUnit]:
        """Return the changes, each machine and container before the unit that goes there."""
        planned: set[str] = set()
        waiting = sorted(self._bundle.applications)
        while waiting:  # verification has made sure that there is no cycle
            for name in waiting:
                application = self._bundle.applications[name]
                if {p.application for p in application.to if p.application} <= planned:
                    self._add_units(application)
                    planned.add(name)
            waiting = [name for name in waiting if name not in planned]
        return self._changes

    def _add_units(self, application: Application) -> None:
        view = self._model.applications.get(application.name)
        existing = len(view.units) if view else 0
        placements = [p for p in application.to if not self._satisfied(application, p)]
        last = application.to[-1] if application.to else None
        # Only "new" and a bare application make sense for several units; after other
        # directives Juju takes new machines.
        repeated = last if last and (last.machine == NEW or _names_application(last)) else None
        for _ in range(existing, application.spec.num_units):
            placement = placements.pop(0) if placements else repeated
            machine = self._place(application, placement)
            unit = AddUnit(application.name, self._sequences.unit(application.name), machine)
            self.used.add(top_machine(machine))
            self._changes.append(unit)
            self._new_units.setdefault(application.name, []).append(unit)

    def _satisfied(self, application: Application, placement: Placement) -> bool:
        """Whether a unit that exists is where the directive wants one."""
        if placement.machine:
            machine = self._machines.get(placement.machine)
        elif placement.unit is not None:
            machine = self._unit_machine(placement.application, placement.unit)
        else:
            machine = None
        return machine is not None and (
            unit_on(self._model, application.name, machine, placement.container) is not None
        )

    def _unit_machine(self, application: str, number: int) -> str | None:
        view = self._model.applications.get(application)
        for unit in view.units if view else ():
            if unit.name == f"{application}/{number}":
                return unit.machine
        return None

    def _place(self, application: Application, placement: Placement | None) -> str:
        """Return the machine for a unit, after adding it if it is a new one."""
        if placement is None or placement.machine == NEW:
            return self._new(application, placement.container if placement else "")
        if placement.machine:
            return self._within(application, placement, self._machines[placement.machine])
        if placement.unit is None:
            target = self._next_beside(application, placement)
        else:
            target = self._defined_unit(placement.application, placement.unit)
        if target is None:
            return self._new(application, placement.container)
        return self._within(application, placement, target)

    def _defined_unit(self, application: str, index: int) -> str | None:
        machine = self._unit_machine(application, index)
        if machine is not None:
            return machine
        view = self._model.applications.get(application)
        index -= len(view.units) if view else 0
        units = self._new_units.get(application, [])
        return units[index].machine if 0 <= index < len(units) else None

    def _next_beside(self, application: Application, placement: Placement) -> str | None:
        """Return where the next unit of another application has none of this one beside it."""
        key = (application.name, placement.application)
        if key not in self._beside:
            new = [unit.machine for unit in self._new_units.get(placement.application, [])]
            self._beside[key] = [*self._machines_without(application.name, placement), *new]
        queue = self._beside[key]
        return queue.pop(0) if queue else None

    def _machines_without(self, application: str, placement: Placement) -> list[str]:
        source = self._model.applications.get(placement.application)
        found = {top_machine(unit.machine) for unit in source.units} if source else set()
        target = self._model.applications.get(application)
        for unit in target.units if target else ():
            if container_type(unit.machine) == placement.container:
                found.discard(top_machine(unit.machine))
        return sorted(found, key=natural)

    def _within(self, application: Application, placement: Placement, machine: str) -> str:
        """Return the machine itself, or a new container on it (never inside another one)."""
        if not placement.container:
            return machine
        host = parent_machine(machine) if container_type(machine) else machine
        return self._container(application, host, placement.container)

    def _new(self, application: Application, container: str) -> str:
        machine = self._sequences.machine()
        self._changes.append(
            AddMachine(machine, base=application.base, constraints=_constraints(application))
        )
        return self._container(application, machine, container) if container else machine

    def _container(self, application: Application, host: str, kind: str) -> str:
        machine = self._sequences.container(host, kind)
        self._changes.append(
            AddMachine(
                machine,
                parent=host,
                container_type=kind,
                base=application.base,
                constraints=_constraints(application),
            )
        )
        return machine


def _names_application(placement: Placement) -> bool:
    return bool(placement.application) and placement.unit is None


def _constraints(application: Application) -> str:
    return with_spaces(application.spec.constraints, application.spec.bindings)
