"""Situations in which instances are recovered in an order: groups, limits of their time."""

from __future__ import annotations

from simulation.core.faults import Strike
from simulation.scenarios import events
from simulation.simulation import Simulation
from simulation.world import Guest

GROUP_KEY, PRIORITY_KEY = "instanceha:restart_group", "instanceha:restart_priority"


def _grouped(sim: Simulation) -> list[Guest]:
    """Put the guests of the first host into three groups, in no order; return them by turn."""
    guests = [guest for guest in sim.world.guests.values() if guest.home == "node1"]
    sim.rng.shuffle(guests)
    said = (("db", "900"), ("app", "high"), ("", "7"))
    for number, guest in enumerate(guests):
        guest.turn = number % len(said)
        group, priority = said[guest.turn]
        guest.metadata = {GROUP_KEY: group, PRIORITY_KEY: priority}
    return sorted(guests, key=lambda guest: guest.turn)


def _die(sim: Simulation) -> None:
    """Before this moment nobody can have begun to wait."""
    events.die(sim)
    sim.nova.groups_since = sim.kernel.now


def in_groups(sim: Simulation) -> None:
    """Groups of guests come up one after the other; of what makes no sense nothing is heeded."""
    sim.nova.rebuild_time = (5.0, 30.0)
    _grouped(sim)
    _die(sim)


def with_failures(sim: Simulation) -> None:
    """Some attempts fail for guests of any group."""
    _grouped(sim)
    for _ in range(sim.rng.randint(1, 4)):
        sim.faults.strikes.append(Strike("error", "engine", 1, 0.0, "nova", "servers.evacuate"))
    _die(sim)


def engine_dies(sim: Simulation) -> None:
    """An engine dies between two groups, or in one; another goes on."""
    sim.nova.rebuild_time = (5.0, 30.0)
    _grouped(sim)
    number = sim.rng.randint(1, 6)
    strike = Strike("crash after", "engine", number, 15.0, "nova", "servers.evacuate")
    sim.faults.strikes.append(strike)
    _die(sim)


def full(sim: Simulation) -> None:
    """No other host has room. When the host is returned, its instances run there again."""
    for guest in sim.world.guests.values():
        guest.unplaceable = True
    sim.world.hosts["node1"].boot_time = 10 + 20 * sim.rng.random()
    events.die(sim)
    events.later(sim, 60 + 60 * sim.rng.random(), events.take_back)


def unplaceable(sim: Simulation) -> None:
    """One of the first group fits nowhere: the others come up all the same, after a time."""
    _grouped(sim)[0].unplaceable = True
    _die(sim)


def ruled_out(sim: Simulation) -> None:
    """A rule leaves some guests of the first host alone; some attempts for the others fail."""
    for guest in _grouped(sim)[::2]:
        guest.metadata["spare"] = "yes"
        guest.left_alone = guest.disturbed = True
    for _ in range(sim.rng.randint(0, 2)):
        sim.faults.strikes.append(Strike("crash after", "engine", 2, 15.0, "nova", "servers.lock"))
    # Those that are left alone keep no group waiting.
    for guest in sim.world.guests.values():
        guest.turn = 0 if guest.left_alone else guest.turn
    _die(sim)


def deleted(sim: Simulation) -> None:
    """The owner deletes the only guest of a group while it is waited for."""
    guests = _grouped(sim)
    sim.nova.rebuild_time = (20.0, 40.0)
    _die(sim)
    for guest in guests:
        if guest.turn == 0:
            events.later(sim, 8 + 20 * sim.rng.random(), events.delete_guest, guest)


def limited_domain(sim: Simulation) -> None:
    """A second host of a segment that may lose one dies while the first is recovered."""
    sim.nova.rebuild_time = (40.0, 70.0)
    events.die(sim)
    events.later(sim, 10 + 120 * sim.rng.random(), events.die, "node2")
