"""Situations in which an engine dies, stands still, or is refused something."""

from __future__ import annotations

from simulation.core.faults import Strike
from simulation.scenarios import events
from simulation.simulation import Simulation


def dies_while_locked(sim: Simulation) -> None:
    """An engine dies between Masakari's lock and unlock of a guest."""
    sim.faults.strikes.append(Strike("crash after", "engine", 1, 20.0, "nova", "servers.lock"))
    events.die(sim)


def late_request(sim: Simulation) -> None:
    """A machine stands still between its engine's look at whose recovery it is and its request."""
    sim.nova.rebuild_time = (20.0, 60.0)
    number, seconds = sim.rng.randint(7, 10), 25 + 50 * sim.rng.random()
    strike = Strike("freeze after", "engine", number, seconds, "pacemaker", "cibadmin --query")
    sim.faults.strikes.append(strike)
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


def freezes(sim: Simulation) -> None:
    """A unit's machine stands still just before its engine asks for an evacuation."""
    sim.nova.rebuild_time = (40.0, 60.0)
    seconds = 50 + 20 * sim.rng.random()
    sim.faults.strikes.append(Strike("freeze after", "engine", 1, seconds, "nova", "servers.lock"))
    events.die(sim)


def dies_amid_rebuilds(sim: Simulation) -> None:
    """An engine dies after it has asked for evacuations, which take long."""
    sim.nova.rebuild_time = (40.0, 60.0)
    strike = Strike("crash after", "engine", 2, 15.0, "nova", "servers.evacuate")
    sim.faults.strikes.append(strike)
    events.die(sim)


def without_record(sim: Simulation) -> None:
    """An engine dies when Masakari calls a recovery running, and nothing else says so."""
    name = "notification_update"
    sim.faults.strikes.append(Strike("crash after", "engine", 1, 20.0, "db", name))
    events.die(sim)


def begins_cut_off(sim: Simulation) -> None:
    """An engine's member is cut off, and does not know it yet, as the engine writes its record.

    When it is reached again, another one has begun the same recovery, and has got no further.
    """
    strike = Strike("stall after", "engine unit2", 1, 15.0, "pacemaker", "cibadmin --modify")
    sim.faults.strikes.append(strike)
    events.die(sim)

    def cut(s: Simulation) -> None:
        s.faults.isolate(s.world.units["unit1"], 16 + 8 * s.rng.random())

    events.once(sim, lambda s: events.notified(s, "new"), cut, 0.01)
