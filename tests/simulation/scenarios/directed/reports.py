"""Situations in which a host is reported late, twice, or wrongly."""

from __future__ import annotations

from simulation.core.faults import Strike
from simulation.scenarios import events
from simulation.simulation import Simulation


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
    host = sim.world.hosts["node1"]

    def again(s: Simulation) -> None:
        events.later(s, 3.0, lambda x: events.report(x, host, events.ONLINE))

    events.once(sim, lambda s: host.fenced, again)
    events.later(sim, 25.0, events.take_back)


def reported_again(sim: Simulation) -> None:
    """A host that was recovered and taken back is reported once more, and works."""
    sim.world.hosts["node1"].boot_time = 20.0
    sim.cluster.reconnect_interval = 5.0
    events.die(sim)
    events.later(sim, 40.0, events.take_back)
    events.later(sim, 300.0, lambda s: events.report(s, s.world.hosts["node1"], events.ONLINE))


def reporter_dies(sim: Simulation) -> None:
    """The member whose turn it is dies before it has reported the fence, and for good."""
    sim.faults.strikes.append(Strike("crash", "notifier unit1", 1, float("inf"), "api", "POST"))
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
