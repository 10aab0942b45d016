"""One run: a small cloud is set up, something happens, and everything is judged."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simulation.cloud import Cloud
from simulation.core import kernel
from simulation.core.faults import Faults
from simulation.core.kernel import START, Kernel
from simulation.judgement import Judgement
from simulation.world import World

if TYPE_CHECKING:
    from simulation.models.masakari.masakari import Masakari
    from simulation.models.nova.nova import Nova
    from simulation.models.pacemaker.cluster import Cluster
    from simulation.models.pacemaker.commands.commands import Commands

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
        strikes: faults at external calls: at which, in which way, and for how many seconds.
        tracing: keep a line for each event.
    """

    # What `cloud` sets up.
    cluster: Cluster
    nova: Nova
    masakari: Masakari
    commands: Commands
    segment: Any

    def __init__(
        self,
        situation: Situation,
        seed: int | str,
        strikes: Iterable[tuple[int, str, float]] = (),
        *,
        tracing: bool = False,
        logging: bool = False,
    ) -> None:
        self.situation = situation
        self.seed = seed
        self.kernel = Kernel(seed, tracing=tracing)
        self.rng = self.kernel.rng
        self.world = World(self.kernel)
        self.faults = self.world.faults = Faults(self.world)
        self.kernel.faults = self.faults
        self.faults.planned = {call: (kind, seconds) for call, kind, seconds in strikes}
        if logging or self.faults.planned:
            self.faults.log = []
        self.states: set[int] = set()
        self.calm_since: float | None = None
        self.told_since: float | None = None
        self.cloud = Cloud(self)
        self.judgement = Judgement(self)

    def run(self) -> list[Any]:
        """Run it.

        Returns:
            the violations.
        """
        kernel.ACTIVE = self.kernel
        random.seed(self.kernel.ids.random())
        try:
            self.cloud.set_up()
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
        self.faults.state = hash(state)
        self.states.add(self.faults.state)

    def _look(self) -> None:
        """Look from time to time whether everything is in order, or the time for it is over."""
        world, now = self.world, self.kernel.now
        if world.violations:
            self.kernel.over = True
            return
        if self.judgement.in_order():
            self.calm_since = self.calm_since or now
            if now - max(self.calm_since, world.last_fault) >= CALM and self._all_happened():
                self._final()
                return
        else:
            self.calm_since = None
        if self.judgement.complaints(ended=False):
            self.told_since = None
        else:
            self.told_since = self.told_since or now
            since = max(self.told_since, world.last_fault)
            if now - since >= TOLD and self._all_happened() and not self.judgement.complaints():
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

    def _final(self) -> None:
        self.kernel.over = True
        for kind, text in self.judgement.complaints():
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
