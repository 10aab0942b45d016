"""The model: the state, its lock, look-ups, who leads, and what else is derived from them."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import json
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from jujulab.engine.model import store
from jujulab.engine.model.state import (
    ALIVE,
    Application,
    MachineState,
    Relation,
    State,
    Status,
    Unit,
)
from jujulab.juju.charm import CharmMeta
from jujulab.juju.errors import JujuError, NotFoundError
from jujulab.juju.names import MODEL, VERSION, natural, seconds
from jujulab.juju.store import CharmStore
from jujulab.machines.backend import LabBackend, LabMachine

DEFAULT_CONFIG: dict[str, Any] = {
    "agent-version": VERSION,
    "automatically-retry-hooks": True,
    "default-space": "internal",
    "leadership-lease": "30s",
    "name": MODEL,
    "type": "lab",
    "update-status-hook-interval": "60s",
    "uuid": "",
}

_BOOT_AGE = 0.5


class Model:
    """The one model of the lab.

    Every read and write happens with `lock` held; who changes something calls `commit`.

    Attributes:
        state: What is persisted.
        lock: Guards everything here; re-entrant.
        changed: Notified at every commit, for those who wait for something.
        last_run: Epoch seconds at which the last hook, action or command ended; update-status
            is not counted.
    """

    def __init__(self, state: State, charms: CharmStore, lab: LabBackend) -> None:
        self.state = state
        self.charms = charms
        self.lab = lab
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.on_commit: Callable[[], None] = lambda: None
        self.last_run = 0.0
        self._lab_machines: dict[str, LabMachine] = {}
        self._boots: dict[str, tuple[float, str]] = {}
        if not state.uuid:
            state.uuid = str(uuid.uuid4())
            state.created = time.time()

    def commit(self) -> None:
        """Tell everybody that the state has changed, and have it persisted."""
        self.on_commit()
        self.changed.notify_all()

    def snapshot(self) -> str:
        """Return the state as text."""
        with self.lock:
            return store.dumps(self.state)

    # Look-ups.

    def application(self, name: str) -> Application:
        """Return an application, or raise NotFoundError."""
        try:
            return self.state.applications[name]
        except KeyError:
            raise NotFoundError(f'application "{name}" not found') from None

    def unit(self, name: str) -> Unit:
        """Return a unit, ``app/leader`` for the leader, or raise NotFoundError."""
        app, _, number = name.partition("/")
        if number == "leader":
            leader = self.application(app).leader
            if not leader:
                raise NotFoundError(f"could not determine leader for {app!r}")
            return self.state.units[leader]
        try:
            return self.state.units[name]
        except KeyError:
            raise NotFoundError(f'unit "{name}" not found') from None

    def machine(self, machine_id: str) -> MachineState:
        """Return a machine, or raise NotFoundError."""
        try:
            return self.state.machines[machine_id]
        except KeyError:
            raise NotFoundError(f"machine {machine_id} not found") from None

    def units_of(self, app: str) -> list[Unit]:
        """Return the units of an application in the order of their numbers."""
        units = [unit for unit in self.state.units.values() if unit.app == app]
        return sorted(units, key=lambda unit: unit.number)

    def units_on(self, machine_id: str) -> list[Unit]:
        """Return the units on a machine, principals first, in the order of their names."""
        units = [unit for unit in self.state.units.values() if unit.machine == machine_id]
        return sorted(units, key=lambda unit: (bool(unit.principal), natural(unit.name)))

    def relations_of(self, app: str) -> list[Relation]:
        """Return an application's relations in the order of their ids."""
        return [r for r in self.state.relations.values() if any(e.app == app for e in r.endpoints)]

    def meta(self, app: str) -> CharmMeta:
        """Return the metadata of an application's charm."""
        return self.charms.meta(self.application(app).charm)

    # Options.

    def settings(self, app: str) -> dict[str, Any]:
        """Return an application's options in effect; unset ones are left out."""
        options, chosen = self.meta(app).options, self.application(app).options
        merged = {name: chosen.get(name, option.default) for name, option in options.items()}
        return {name: value for name, value in merged.items() if value is not None}

    def config_digest(self, unit: Unit) -> str:
        """Return a digest of everything that a change of makes `config-changed` run."""
        app = self.application(unit.app)
        bound = {name: self.address(unit, name) for name in self.meta(unit.app).binding_names}
        seen = [self.settings(unit.app), app.trust, sorted(bound.items())]
        return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()[:16]

    def config_value(self, name: str) -> Any:
        """Return a key of the model's configuration."""
        if name == "uuid":
            return self.state.uuid
        return self.state.config.get(name, DEFAULT_CONFIG[name])

    # Network.

    def lab_machine(self, machine_id: str) -> LabMachine:
        """Return what runs a machine; raises KeyError until it is provisioned."""
        if machine_id not in self._lab_machines:
            self._lab_machines[machine_id] = self.lab.machine(machine_id)
        return self._lab_machines[machine_id]

    def find_lab_machine(self, machine_id: str) -> LabMachine | None:
        """Return what runs a machine; None until it is provisioned."""
        with contextlib.suppress(KeyError):
            return self.lab_machine(machine_id)
        return None

    def forget_lab_machine(self, machine_id: str) -> None:
        """Drop what `lab_machine` remembers."""
        self._lab_machines.pop(machine_id, None)
        self._boots.pop(machine_id, None)

    def space(self, app: str, binding: str) -> str:
        """Return the space that an endpoint or extra binding is bound to."""
        bindings = self.application(app).bindings
        return bindings.get(binding) or bindings.get("") or self.config_value("default-space")

    def interface(self, unit: Unit, binding: str) -> ipaddress.IPv4Interface:
        """Return the unit's address, with its network, where `binding` is bound to.

        Raises:
            JujuError: The machine has no address in that space.
        """
        space = self.space(unit.app, binding)
        addresses = self.lab_machine(unit.machine).addresses
        if space not in addresses:
            raise JujuError(f'machine {unit.machine} has no address in space "{space}"')
        return addresses[space]

    def address(self, unit: Unit, binding: str = "") -> str:
        """Return the unit's address where `binding` is bound to; see `interface`."""
        return str(self.interface(unit, binding).ip)

    def default_address(self, machine_id: str) -> str:
        """Return a machine's address in the model's default space; empty if there is none yet."""
        machine = self.find_lab_machine(machine_id)
        interface = machine and machine.addresses.get(self.config_value("default-space"))
        return str(interface.ip) if interface else ""

    def boot(self, machine_id: str, *, fresh: bool = False) -> str:
        """Return a machine's boot id, empty without power; half a second old, unless `fresh`."""
        now = time.monotonic()
        seen, boot = self._boots.get(machine_id, (0.0, ""))
        if fresh or now - seen > _BOOT_AGE:
            machine = self.find_lab_machine(machine_id)
            boot = (machine and machine.state == "on" and machine.boot_id) or ""
            self._boots[machine_id] = (now, boot)
        return boot

    def is_down(self, machine_id: str) -> bool:
        """Whether a provisioned machine has no power."""
        return self.machine(machine_id).provisioned and not self.boot(machine_id)

    # Statuses.

    def set_status(self, status: Status, current: str, message: str = "") -> None:
        """Set a status, its time only if it changes."""
        if (status.current, status.message) != (current, message):
            status.current, status.message, status.since = current, message, time.time()

    # Leadership.

    def elect_leaders(self, now: float) -> bool:
        """Give each application without a living leader a new one; return whether any changed.

        A leader keeps its lease as long as its machine runs; without it the lease runs out.
        """
        lease = seconds(self.config_value("leadership-lease"))
        elected = False
        for app in self.state.applications.values():
            candidates = [u for u in self.units_of(app.name) if self._can_lead(u)]
            if app.leader in {unit.name for unit in candidates}:
                app.leader_expires = now + lease
            elif candidates and (not app.leader or now >= app.leader_expires):
                app.leader, app.leader_expires = candidates[0].name, now + lease
                elected = True
        return elected

    def _can_lead(self, unit: Unit) -> bool:
        machine = self.machine(unit.machine)
        return machine.provisioned and unit.life == ALIVE and not self.is_down(unit.machine)

    def lose_leadership(self, unit: Unit) -> None:
        """Take the leadership from a unit that goes away."""
        app = self.state.applications.get(unit.app)
        if app and app.leader == unit.name:
            app.leader, app.leader_expires = "", 0.0
