"""One run: a small cloud is set up, something happens, and everything is judged."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulation.core import kernel, seams
from simulation.core.faults import Faults, Strike
from simulation.core.kernel import START, Kernel
from simulation.models.masakari import database
from simulation.models.masakari.masakari import Masakari
from simulation.models.nova.client import Client
from simulation.models.nova.nova import Nova
from simulation.models.nova.records import SHUTDOWN, Service
from simulation.models.pacemaker.cluster import Cluster
from simulation.models.pacemaker.commands.commands import Commands
from simulation.models.pacemaker.records import Member, Remote
from simulation.world import Guest, Hypervisor, Unit, World

GRACE = 3000.0
"""Seconds after the last fault within which everything must be in order: longer than any wait in
the protocol (`rebuild_timeout` 1800 s, `recovery_timeout` 900 s)."""

TOLD = 420.0
"""Seconds for which a status must have said what is not in order for a run to end: longer than
the longest pause before a recovery is tried again (`retries.DEFAULT`) and an attempt."""

CALM = 45.0
"""Seconds for which everything must have stayed in order for a run to end."""


@dataclass
class Situation:
    """What a run is about.

    Attributes:
        name: for reports.
        units: masakari units.
        hosts: names of hypervisors; `reserved` are additional.
        guests: states of the guests of the first hypervisor: `active`, `paused`, ...
        method: the segment's recovery method.
        begin: called once everything runs; lets things happen.
        must_recover: what was recovered counts alone, not what a status says.
        carriers: how many of the hypervisors' machines carry a unit each.
        options: values of `[fencing]` for the run.
        limits: of failure domains, `segment=1` or none.
    """

    name: str
    begin: Callable[[Simulation], None]
    units: int = 3
    hosts: int = 3
    reserved: int = 0
    guests: tuple[str, ...] = ("active", "active")
    method: str = "auto"
    enabled: bool = True
    resume_guests: bool = False
    suffix: str = ""
    host_suffix: str = ""
    must_recover: bool = False
    carriers: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    limits: str = ""


class Simulation:
    """A situation with a seed and faults.

    Args:
        situation: what is set up and begun.
        seed: decides every choice.
        strikes: faults at external calls.
        tracing: keep a line for each event.
    """

    def __init__(
        self,
        situation: Situation,
        seed: int | str,
        strikes: list[Strike] | None = None,
        *,
        tracing: bool = False,
        logging: bool = False,
    ) -> None:
        self.situation = situation
        self.kernel = Kernel(seed, tracing=tracing)
        self.rng = self.kernel.rng
        self.world = World(self.kernel)
        self.faults = self.world.faults = Faults(self.world, strikes or [])
        self.kernel.faults = self.faults
        if logging:
            self.faults.log = []
        self.states: set[int] = set()
        self.calm_since: float | None = None
        self.told_since: float | None = None

    def run(self) -> list[Any]:
        """Run it.

        Returns:
            the violations.
        """
        kernel.ACTIVE = self.kernel
        random.seed(self.kernel.ids.random())
        try:
            self._set_up()
            self.kernel.check = self._step
            self.kernel.after(8.0, lambda: self.situation.begin(self))
            self.kernel.after(20.0, self._look)
            self.kernel.run(START + 40000)
            if not self.kernel.over:
                self._final()
        finally:
            self.kernel.close()
            kernel.ACTIVE = None
        return self.world.violations

    # -- setting up -------------------------------------------------------------------------
    def _set_up(self) -> None:
        database.empty()
        from masakari_fencing.workflow import attempt

        attempt.STEADY.clear()
        world, situation = self.world, self.situation
        world.cluster = self.cluster = Cluster(world, self.kernel)
        world.nova = self.nova = Nova(world, self.kernel, suffix=situation.suffix)
        world.masakari = self.masakari = Masakari(world, self.kernel)
        world.commands = self.commands = Commands(self.cluster, self.masakari)  # type: ignore[attr-defined]
        world.resume_guests = situation.resume_guests
        seams.COMMANDS[:] = [self.commands]
        seams.NOVA[:] = [lambda: Client(self.nova)]
        for number in range(1, situation.units + 1):
            name = f"unit{number}"
            unit = world.units[name] = Unit(name)
            unit.host = f"node{number}" if number <= situation.carriers else ""
            self.cluster.members[name] = Member(name, unit)
        self.cluster.dc = "unit1"
        total = situation.hosts + situation.reserved
        for number in range(1, total + 1):
            self.add_host(f"node{number}", reserved=number > situation.hosts)
        for number, state in enumerate(situation.guests):
            self.add_guest("node1", state, number)
        for number in range(2, situation.hosts + 1):
            self.add_guest(f"node{number}", "active", 100 + number)
        self.commands.configure()
        self._set_options()
        self._set_up_masakari()
        self.masakari.limits = situation.limits
        world.domain = frozenset(world.hosts) if situation.limits else frozenset()
        for unit in world.units.values():
            self.masakari.start_api(unit)
            self.masakari.start_engine(unit)
            self.masakari.start_notifier(unit)

    def _set_options(self) -> None:
        import masakari.conf

        conf = masakari.conf.CONF
        for name in getattr(seams, "OVERRIDDEN", []):
            conf.clear_override(name, group="fencing")
        seams.OVERRIDDEN = list(self.situation.options)  # type: ignore[attr-defined]
        for name, value in self.situation.options.items():
            conf.set_override(name, value, group="fencing")

    def add_host(self, name: str, *, reserved: bool = False, joined: bool = True) -> Hypervisor:
        """Add a hypervisor that works."""
        nova_name = name + self.situation.host_suffix
        host = Hypervisor(name, nova_name, service=self.kernel.now, joined=joined)
        host.reserved = reserved
        host.boot_time = 30 + 60 * self.rng.random()
        self.world.hosts[name] = host
        uuid = f"00000000-0000-4000-9000-{len(self.world.hosts):012d}"
        self.nova.services[nova_name] = Service(uuid, nova_name, enabled=not reserved)
        remote = Remote(name, host, started=int(self.kernel.now) - 1000)
        remote.member = f"unit{1 + len(self.cluster.remotes) % self.situation.units}"
        self.cluster.remotes[name] = remote
        self.cluster.lists.add(name)
        return host

    def add_guest(self, host: str, state: str, number: int) -> Guest:
        """Add a guest in a state such as `active`, `paused` or `active/image_uploading`."""
        vm_state, _, task = state.partition("/")
        locked = vm_state == "locked"
        vm_state = "active" if locked else vm_state
        uuid = f"{number + 1:08d}-0000-4000-8000-{self.kernel.ids.getrandbits(40):012x}"
        runs = vm_state not in ("stopped", "suspended", "error")
        name = self.world.hosts[host].nova_name
        guest = Guest(uuid, name, vm_state, task or None, locked=locked, was_locked=locked)
        guest.home, guest.clock = host, lambda: self.kernel.now
        guest.power_state = 1 if runs else SHUTDOWN
        if task == "powering-off":
            guest.before = ("stopped", False)
            self.nova.instances.note(guest, "stop", "owner")
        elif vm_state in ("active", "resized"):
            guest.before = ("active", True)
        elif vm_state == "stopped":
            # What its owner wants whose request the host has not carried out.
            # Nor is it anybody else's to start than its host's.
            guest.before = ("any" if task == "powering-on" else "stopped", False)
        elif vm_state == "error":
            guest.before = ("error", False)
        else:
            guest.before = ("any", False)
        if vm_state == "building":
            guest.launched, runs, guest.power_state = False, False, 0
        self.world.guests[uuid] = guest
        if runs:
            self.world.hosts[host].qemu.add(uuid)
        if task.startswith("powering") and number % 2:
            # Of the others nova-compute had taken it, and it is lost.
            self.nova.messages.leave(guest)
        guest.untouched = (name, vm_state, task or None, locked, [name] if runs else [])
        return guest

    def _set_up_masakari(self) -> None:
        from masakari import objects

        admin = self.masakari.admin
        segment = objects.FailoverSegment(context=admin)
        segment.name, segment.recovery_method = "rack1", self.situation.method
        segment.service_type, segment.description = "compute", ""
        if "enabled" in segment.fields:
            segment.enabled = True
        segment.create()
        self.segment = segment
        for host in self.world.hosts.values():
            self.register(host)

    def register(self, host: Hypervisor) -> None:
        """Put a hypervisor into the segment."""
        from masakari import objects

        found = objects.Host(context=self.masakari.admin)
        found.name, found.failover_segment = host.nova_name, self.segment
        found.type, found.control_attributes = "COMPUTE", "SSH"
        found.on_maintenance, found.reserved = False, host.reserved
        found.create()

    # -- judging ----------------------------------------------------------------------------
    def _step(self) -> None:
        """After every step that has changed something: note the state."""
        world = self.world
        state = (
            tuple((h.power, h.up, h.remote, h.compute, len(h.qemu)) for h in world.hosts.values()),
            tuple(
                # None has another hash in each process, before Python 3.12.
                (g.host, g.vm_state, g.task_state or "", g.locked)
                for g in world.guests.values()
            ),
            tuple(
                (r.role, r.unclean, bool(r.fenced), r.fencing is None)
                for r in self.cluster.remotes.values()
            ),
            tuple((s.enabled, s.forced_down) for s in self.nova.services.values()),
            tuple((bool(u.engine and u.engine.alive), len(u.files)) for u in world.units.values()),
            self.masakari.key(),
        )
        self.states.add(hash(state))

    def _look(self) -> None:
        """Look from time to time whether everything is in order, or the time for it is over."""
        world, now = self.world, self.kernel.now
        if world.violations:
            self.kernel.over = True
            return
        if self._in_order():
            self.calm_since = self.calm_since or now
            if now - max(self.calm_since, world.last_fault) >= CALM and self._all_happened():
                self._final()
                return
        else:
            self.calm_since = None
        if self._complaints(ended=False):
            self.told_since = None
        else:
            self.told_since = self.told_since or now
            since = max(self.told_since, world.last_fault)
            if now - since >= TOLD and self._all_happened() and not self._complaints():
                self._final()
                return
        if now - world.last_fault > GRACE and not self.world.pending:
            self._final()
            return
        self.kernel.after(20.0, self._look)

    def _all_happened(self) -> bool:
        return self.world.last_fault > START + 1 and not self.world.pending

    def expect_nothing(self, name: str) -> None:
        """Nothing is expected of the guests of a host."""
        for guest in self.world.guests.values():
            if guest.home == name:
                guest.disturbed = True

    def _in_order(self) -> bool:
        return not self.unwell() and all(
            status in ("finished", "failed", "ignored")
            for _, status, _ in self.masakari.notifications()
        )

    def unwell(self) -> list[Guest]:
        """Return the guests that are not as they were."""
        return [g for g in self.world.guests.values() if not g.disturbed and not self.well(g)]

    def well(self, guest: Guest) -> bool:
        """Whether a guest is as it should be."""
        return self.world.is_well(guest)

    def told(self, guest: Guest) -> bool:
        """Whether a status names a guest that is not well, or its host, and what to do."""
        for unit in self.world.units.values():
            for path, (text, _) in unit.files.items():
                if "refusals" in path and any(name in path for name in self._unrecovered(guest)):
                    return True
                if guest.uuid in text:
                    return True
                if path.endswith("out-of-service.json") and guest.home in json.loads(text).get(
                    "failed", []
                ):
                    return True
        return guest.uuid in self._left_behind() or self._is_withheld(guest.home)

    def _may_run_elsewhere(self, guest: Guest) -> bool:
        """Whether a status has a guest stopped elsewhere before it is unlocked."""
        return any(
            "refusals" in path and "stop it there" in text.partition(guest.uuid)[2][:300]
            for unit in self.world.units.values()
            for path, (text, _) in unit.files.items()
        )

    def _is_withheld(self, host: str) -> bool:
        """Whether nobody may fence a host unasked, which the charm's status says (`health`)."""
        from masakari_fencing.pacemaker import fenceable, tools

        return fenceable.obstacle(tools.parse(self.commands.views.whole()), host) is not None

    def _unrecovered(self, guest: Guest) -> set[str]:
        """Return the hosts of a guest whose last recovery has not ended well."""
        last = {name: status for kind, status, name in self.masakari.notifications()}
        names = {guest.host, self.world.hosts[guest.home].nova_name}
        return {name for name in names if last.get(name) not in ("finished", "ignored")}

    def _left_behind(self) -> set[str]:
        """Return the guests that a recovery has ended without, as its record says."""
        ended = [record for record in self._records() if record.end is not None]
        return {item.uuid for record in ended for item in record.left}

    def _lost_reserves(self) -> list[str]:
        """Return the reserved hosts that are none any more, and that nothing was recovered to."""
        taken = {name for one in self._records() if not one.returned for name in one.reserved}
        # Its owner may have deleted the guest since.
        used = {m.dest_compute for m in self.nova.migrations if m.status in ("done", "completed")}
        used |= {guest.host for guest in self.world.guests.values()}
        left = {row["name"] for row in database.TABLES[0].hosts.rows if not row["reserved"]}
        reserves = {h.nova_name for h in self.world.hosts.values() if h.reserved and not h.out}
        return sorted((reserves & left) - taken - used)

    def _records(self) -> list[Any]:
        from masakari_fencing.pacemaker import tools
        from masakari_fencing.records import recoveries

        text = self.commands.cibadmin.select(self.cluster.cib, None, "configuration")
        return recoveries.all_of(tools.parse(text))

    def _final(self) -> None:
        self.kernel.over = True
        for kind, text in self._complaints():
            self.world.violate(kind, text)
        self._restart_computes()

    def _restart_computes(self) -> None:
        """Start each nova-compute once more, as an upgrade does: what runs has to run on."""
        for host in self.world.hosts.values():
            if not self.world.healthy(host):
                continue
            own = [g for g in self.world.guests.values() if g.host == host.nova_name]
            run = [g for g in own if g.uuid in host.qemu and g.task_state is None]
            self.nova.computes.started(host)
            for guest in run:
                if guest.uuid not in host.qemu:
                    text = f"{guest.uuid[:8]} on {host.name}"
                    self.world.violate("ended by the next start of nova-compute", text)

    def _complaints(self, *, ended: bool = True) -> list[tuple[str, str]]:
        """Return what is not in order, and in no status; `ended`: nothing may be under way."""
        found = []
        unwell = self.unwell()
        for guest in unwell:
            owed = self.situation.must_recover and not guest.unplaceable
            runs = self.world.running_on(guest.uuid) or "no host"
            # One that runs where Nova does not know of it has to stay locked, or it runs twice; so
            # has one that may do so, for all that anybody knows.
            known = runs in ("no host", [guest.host]) and not self._may_run_elsewhere(guest)
            if not self.told(guest) or owed or (known and guest.locked != guest.was_locked):
                text = (
                    f"{guest.uuid[:8]} on {guest.host}: {guest.vm_state}/{guest.task_state}, "
                    f"locked={guest.locked}, runs on {runs}"
                )
                found.append((_kind(guest, self.world), text))
        found += [("reserved host lost", name) for name in self._lost_reserves()] if ended else []
        for kind, status, name in self.masakari.notifications() if ended else ():
            if status not in ("finished", "failed", "ignored"):
                found.append(("notification does not end", f"{kind} of {name} is {status}"))
            elif status == "finished" and kind == "COMPUTE_HOST":
                left = [g for g in unwell if g.host == name]
                if left and not all(self.told(g) for g in left):
                    text = f"{name}: {left[0].uuid[:8]} left"
                    found.append(("finished, and is not true", text))
        return found


def _kind(guest: Guest, world: World) -> str:
    if guest.locked != guest.was_locked:
        return "guest stays locked"
    if guest.vm_state == "error":
        return "guest ends in ERROR"
    if guest.before[1] and not world.running_on(guest.uuid):
        return "guest stays down"
    return "guest is not as before"
