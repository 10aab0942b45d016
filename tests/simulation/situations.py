"""The directed situations, each of which was once a fault."""

from __future__ import annotations

from collections.abc import Callable

from simulation import events
from simulation.faults import Strike
from simulation.simulation import Simulation, Situation

EVERY_STATE = (
    "active", "active/image_uploading", "resized", "paused", "rescued", "suspended", "stopped",
    "stopped/powering-on", "error", "locked",
)  # fmt: skip


def host_dies(sim: Simulation) -> None:
    events.die(sim)


def two_hosts_die(sim: Simulation) -> None:
    """Two die while Nova is away and the messages to the engines are lost."""
    events.die(sim, "node1")
    events.die(sim, "node2")
    sim.faults.messages = [0, 0]
    events.later(sim, 8.0, lambda s: s.faults.outage("nova", 5 + 40 * s.rng.random()))


def resumed_unit(sim: Simulation) -> None:
    """A notifier that stood still holds the fencing of a host that is back in service since."""
    notifier = sim.world.units["unit3"].notifier
    events.die(sim)
    sim.faults.stall(notifier, 3000 + 3000 * sim.rng.random())
    events.later(sim, 240.0, events.take_back)


def second_report(sim: Simulation) -> None:
    """Another monitor reports the host 3 s after its fence; the first report's message is lost."""
    sim.faults.messages = [0]
    sim.world.hosts["node1"].boot_time = 10.0
    sim.cluster.reconnect_interval = 5.0
    events.die(sim)

    def wait(s: Simulation) -> None:
        if s.world.hosts["node1"].fenced:
            events.later(s, 3.0, lambda x: events.report(x, x.world.hosts["node1"], events.ONLINE))
        else:
            events.later(s, 0.2, wait)

    wait(sim)
    events.later(sim, 25.0, events.take_back)


def pacemaker_away(sim: Simulation) -> None:
    """Pacemaker of the unit whose engine gets the message is away for five minutes."""
    sim.world.hosts["node1"].boot_time = 20.0
    sim.cluster.reconnect_interval = 10.0
    sim.masakari.turn = 2
    unit = sim.world.units["unit3"]
    events.die(sim)
    events.later(sim, 4 * sim.rng.random(), lambda s: s.faults.pacemaker_away(unit, 300.0))
    events.later(sim, 60.0, events.take_back)


def database_restarts(sim: Simulation) -> None:
    """Nova's database restarts while guests are evacuated from a host that boots quickly."""
    sim.world.hosts["node1"].boot_time = 20.0
    sim.cluster.reconnect_interval = 20.0
    sim.nova.rebuild_time = (3.0, 8.0)
    events.die(sim)

    def wait(s: Simulation) -> None:
        if s.nova.migrations:
            seconds = 0.5 + 2 * s.rng.random()
            events.later(s, 4 * s.rng.random(), lambda x: x.faults.nova_database(seconds))
        else:
            events.later(s, 0.2, wait)

    wait(sim)


def early_boot(sim: Simulation) -> None:
    """The host boots again before its last guest is evacuated."""
    sim.nova.rebuild_time = (11.0, 13.0)
    sim.world.hosts["node1"].boot_time = 15 + 20 * sim.rng.random()
    events.die(sim)


def dies_while_locked(sim: Simulation) -> None:
    """An engine dies between Masakari's lock and unlock of a guest."""
    sim.faults.strikes.append(Strike("crash after", "engine", 1, 20.0, "nova", "servers.lock"))
    events.die(sim)


def one_failed_attempt(sim: Simulation) -> None:
    """One attempt fails for each guest."""
    for _ in sim.situation.guests:
        sim.faults.strikes.append(Strike("error", "engine", 1, 0.0, "nova", "servers.evacuate"))
    events.die(sim)


def one_error(sim: Simulation) -> None:
    """One request to evacuate fails."""
    number = sim.rng.randint(1, 2)
    sim.faults.strikes.append(Strike("error", "engine", number, 0.0, "nova", "servers.evacuate"))
    events.die(sim)


def engine_dies(sim: Simulation) -> None:
    """The engine dies once it has asked for an evacuation."""
    strike = Strike("crash after", "engine", 1, 15.0, "nova", "servers.evacuate")
    sim.faults.strikes.append(strike)
    events.die(sim)


def guest_is_deleted(sim: Simulation) -> None:
    """The owner deletes a guest in the middle."""
    events.die(sim)
    guest = next(iter(sim.world.guests.values()))
    events.later(sim, 6 + 6 * sim.rng.random(), events.delete_guest, guest)


def unplaceable(sim: Simulation) -> None:
    """One guest fits nowhere."""
    next(iter(sim.world.guests.values())).unplaceable = True
    events.die(sim)


def segment_disabled(sim: Simulation) -> None:
    """The segment is disabled after a host has died, before its message arrives."""
    sim.faults.messages = [0]
    events.die(sim)
    events.switch_off(sim)
    for guest in sim.world.guests.values():
        guest.disturbed = guest.home == "node1"
    sim.expect_nothing("node1")


def disabled_report(sim: Simulation) -> None:
    """A host of a disabled segment is reported failed, and works."""
    events.switch_off(sim)
    events.report(sim, sim.world.hosts["node1"], events.ONLINE)


def forged(sim: Simulation) -> None:
    """Somebody reports a healthy host with what no monitor ever sends."""
    sim.world.note_fault("a forged report")
    events.report(sim, sim.world.hosts["node1"], events.ONLINE)


def storage_lost(sim: Simulation) -> None:
    """The storage network of a host is lost."""
    events.lose_storage(sim)


def isolated_host(sim: Simulation) -> None:
    """A host is cut off; its guests run on until it is fenced."""
    events.cut_off(sim)


def guest_dies_twice(sim: Simulation) -> None:
    """QEMU of a guest dies, and once more some seconds after it was started again."""
    guest = next(iter(sim.world.guests.values()))
    events.crash_guest(sim, guest)
    events.later(sim, 14 + 12 * sim.rng.random(), events.crash_guest, guest)


def new_hypervisor(sim: Simulation) -> None:
    """Another hypervisor is added to the cluster."""
    events.add_new(sim)


def cluster_restarts(sim: Simulation) -> None:
    """The whole cluster restarts while one hypervisor boots and another lies switched off."""
    events.reboot(sim, "node1", 120.0)
    events.reboot(sim, "node2", None)
    events.restart_cluster(sim)


def slow_controller(sim: Simulation) -> None:
    """The power controller is away for minutes."""
    sim.cluster.power_controller = False

    def back(s: Simulation) -> None:
        s.world.note_fault("the power controller is back")
        s.cluster.power_controller = True

    events.die(sim)
    events.later(sim, 60 + 200 * sim.rng.random(), back)


def member_goes_too(sim: Simulation) -> None:
    """A unit dies with the hypervisor that carries it."""
    unit = sim.world.units[sim.rng.choice(["unit1", "unit2", "unit3"])]
    sim.faults.kill_unit(unit, 200 + 400 * sim.rng.random())
    events.die(sim)


def taken_back_early(sim: Simulation) -> None:
    """An operator wants the host back in the middle of its recovery."""
    sim.world.hosts["node1"].boot_time = 10.0
    sim.cluster.reconnect_interval = 5.0
    sim.nova.rebuild_time = (10.0, 30.0)
    events.die(sim)
    events.later(sim, 5.0, events.take_back)


def _situation(name: str, begin: Callable[[Simulation], None], **more: object) -> Situation:
    return Situation(name, begin, **more)  # type: ignore[arg-type]


_RESERVED = {"method": "reserved_host", "reserved": 1, "must_recover": True}
_MANY = ("active",) * 12

SITUATIONS = {
    found.name: found
    for found in (
        _situation("host dies", host_dies),
        _situation("two hosts die, lost messages", two_hosts_die),
        _situation("resumed unit", resumed_unit),
        _situation("second report", second_report),
        _situation("pacemaker away", pacemaker_away),
        _situation("database restarts", database_restarts, guests=("active",) * 3),
        _situation("early boot", early_boot, guests=_MANY),
        _situation("early boot, guests resumed", early_boot, guests=_MANY, resume_guests=True),
        _situation("dies while locked", dies_while_locked),
        _situation("every state", host_dies, guests=EVERY_STATE),
        _situation("every state, one failed attempt", one_failed_attempt, guests=EVERY_STATE),
        _situation("reserved host, one error", one_error, **_RESERVED),
        _situation("reserved host, engine dies", engine_dies, **_RESERVED),
        _situation("reserved host, guest deleted", guest_is_deleted, **_RESERVED),
        _situation("reserved host, unplaceable", unplaceable, **_RESERVED),
        _situation("segment disabled", segment_disabled),
        _situation("disabled, reported", disabled_report),
        _situation("other name of the hypervisor", host_dies, suffix=".maas"),
        _situation("other name in the cluster", host_dies, host_suffix=".maas"),
        _situation("forged report", forged),
        _situation("storage lost", storage_lost),
        _situation("isolated", isolated_host),
        _situation("guest dies twice", guest_dies_twice),
        _situation("new hypervisor", new_hypervisor),
        _situation("cluster restarts", cluster_restarts),
        _situation("power controller away", slow_controller),
        _situation("member goes too", member_goes_too),
        _situation("taken back early", taken_back_early),
    )
}
