"""The small cloud that a run is set up with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulation.core import seams
from simulation.models.masakari import database
from simulation.models.masakari.masakari import Masakari
from simulation.models.nova.client import Client
from simulation.models.nova.nova import Nova
from simulation.models.nova.records import SHUTDOWN, Service
from simulation.models.pacemaker.cluster import Cluster
from simulation.models.pacemaker.commands.commands import Commands
from simulation.models.pacemaker.records import Member, Remote
from simulation.world import Guest, Hypervisor, Unit

if TYPE_CHECKING:
    from simulation.simulation import Simulation


class Cloud:
    """Sets up what a situation asks for.

    Args:
        sim: the run.
    """

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.kernel = sim.kernel
        self.world = sim.world

    def set_up(self) -> None:
        """Begin with nothing, and set everything up."""
        database.empty()
        from masakari_fencing.workflow import attempt

        attempt.STEADY.clear()
        world, situation = self.world, self.sim.situation
        world.cluster = self.sim.cluster = Cluster(world, self.kernel)
        world.nova = self.sim.nova = Nova(world, self.kernel, suffix=situation.suffix)
        world.masakari = self.sim.masakari = Masakari(world, self.kernel)
        world.commands = self.sim.commands = Commands(self.sim.cluster, self.sim.masakari)
        world.resume_guests = situation.resume_guests
        seams.COMMANDS[:] = [self.sim.commands]
        client = Client(self.sim.nova)
        seams.NOVA[:] = [lambda: client]
        for number in range(1, situation.units + 1):
            name = f"unit{number}"
            unit = world.units[name] = Unit(name)
            unit.host = f"node{number}" if number <= situation.carriers else ""
            self.sim.cluster.members[name] = Member(name, unit)
        self.sim.cluster.dc = "unit1"
        total = situation.hosts + situation.reserved
        for number in range(1, total + 1):
            self.add_host(f"node{number}", reserved=number > situation.hosts)
        for number, state in enumerate(situation.guests):
            self.add_guest("node1", state, number)
        for number in range(2, situation.hosts + 1):
            self.add_guest(f"node{number}", "active", 100 + number)
        self.sim.commands.configure()
        self._set_options()
        self._set_up_masakari()
        self.sim.masakari.limits = situation.limits
        world.domain = frozenset(world.hosts) if situation.limits else frozenset()
        for unit in world.units.values():
            self.sim.masakari.start_api(unit)
            self.sim.masakari.start_engine(unit)
            self.sim.masakari.start_notifier(unit)

    def _set_options(self) -> None:
        import masakari.conf

        conf = masakari.conf.CONF
        for name in getattr(seams, "OVERRIDDEN", []):
            conf.clear_override(name, group="fencing")
        seams.OVERRIDDEN = list(self.sim.situation.options)  # type: ignore[attr-defined]
        for name, value in self.sim.situation.options.items():
            conf.set_override(name, value, group="fencing")

    def add_host(self, name: str, *, reserved: bool = False, joined: bool = True) -> Hypervisor:
        """Add a hypervisor that works."""
        nova_name = name + self.sim.situation.host_suffix
        host = Hypervisor(name, nova_name, service=self.kernel.now, joined=joined)
        host.reserved = reserved
        host.boot_time = 30 + 60 * self.sim.rng.random()
        self.world.hosts[name] = host
        uuid = f"00000000-0000-4000-9000-{len(self.world.hosts):012d}"
        self.sim.nova.services[nova_name] = Service(uuid, nova_name, enabled=not reserved)
        remote = Remote(name, host, started=int(self.kernel.now) - 1000)
        remote.member = f"unit{1 + len(self.sim.cluster.remotes) % self.sim.situation.units}"
        self.sim.cluster.remotes[name] = remote
        self.sim.cluster.lists.add(name)
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
        asked = None
        if task in ("powering-off", "powering-on"):
            verb = "stop" if task == "powering-off" else "start"
            asked = self.sim.nova.instances.note(guest, verb, "owner")
        if task == "powering-off":
            guest.before = ("stopped", False)
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
        if asked is not None and number % 2:
            self.sim.nova.messages.leave(guest, asked)
        elif asked is not None:
            # Nova-compute had taken it, and it is lost.
            self.sim.nova.instances.begun(guest, f"compute_{asked.action}_instance")
        guest.untouched = (name, vm_state, task or None, locked, [name] if runs else [])
        return guest

    def _set_up_masakari(self) -> None:
        from masakari import objects

        admin = self.sim.masakari.admin
        segment = objects.FailoverSegment(context=admin)
        segment.name, segment.recovery_method = "rack1", self.sim.situation.method
        segment.service_type, segment.description = "compute", ""
        if "enabled" in segment.fields:
            segment.enabled = True
        segment.create()
        self.sim.segment = segment
        for host in self.world.hosts.values():
            self.register(host)

    def register(self, host: Hypervisor) -> None:
        """Put a hypervisor into the segment."""
        from masakari import objects

        found = objects.Host(context=self.sim.masakari.admin)
        found.name, found.failover_segment = host.nova_name, self.sim.segment
        found.type, found.control_attributes = "COMPUTE", "SSH"
        found.on_maintenance, found.reserved = False, host.reserved
        found.create()
