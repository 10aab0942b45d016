"""Situations in which something is away that a recovery needs."""

from __future__ import annotations

from simulation.scenarios import events
from simulation.simulation import Simulation


def api_away_for_hours(sim: Simulation) -> None:
    """Nobody can be told of a fence for hours, in which the host has long booted."""
    events.die(sim)
    sim.faults.outage("api", 14000 + 5000 * sim.rng.random())


def proxy(sim: Simulation) -> None:
    """A proxy answers for Masakari's API, with a page of its own, while a host dies."""
    sim.faults.proxy = True
    events.die(sim)
    sim.faults.outage("api", 60 + 60 * sim.rng.random())


def database_restarts(sim: Simulation) -> None:
    """Nova's database restarts while guests are evacuated from a host that boots quickly."""
    sim.world.hosts["node1"].boot_time = 20.0
    sim.cluster.reconnect_interval = 20.0
    sim.nova.rebuild_time = (3.0, 8.0)
    events.die(sim)

    def restart(s: Simulation) -> None:
        seconds = 0.5 + 2 * s.rng.random()
        events.later(s, 4 * s.rng.random(), lambda x: x.faults.nova_database(seconds))

    events.once(sim, lambda s: s.nova.migrations, restart)


def listed_late(sim: Simulation) -> None:
    """Nova answers only when the host has booted, and has stopped its guests."""
    sim.world.hosts["node1"].boot_time = 16.0
    sim.cluster.reconnect_interval = 300.0
    sim.faults.outage("nova", 50 + 20 * sim.rng.random())
    events.die(sim)


def nova_away_meanwhile(sim: Simulation) -> None:
    """Nova is away until the host is back, whose guests it has stopped, and taken back."""
    sim.world.hosts["node1"].boot_time = 20.0
    sim.cluster.reconnect_interval = 5.0
    events.die(sim)
    sim.faults.outage("nova", 300 + 200 * sim.rng.random())
    events.later(sim, 200.0, events.take_back)


def nova_away_for_long(sim: Simulation) -> None:
    """Nova is away until the host is back, which nobody takes back."""
    sim.world.hosts["node1"].boot_time = 20.0
    sim.cluster.reconnect_interval = 5.0
    events.die(sim)
    sim.faults.outage("nova", 300 + 200 * sim.rng.random())


def nova_away_for_nothing(sim: Simulation) -> None:
    """A host that works is reported, Nova is away when nothing is recovered, and it dies later."""
    events.lose_storage(sim)
    events.later(sim, 25.0, lambda s: s.faults.outage("nova", 20 + 100 * s.rng.random()))
    events.later(sim, 300.0, events.die)


def scheduler_away(sim: Simulation) -> None:
    """Nova's scheduler is away for minutes as a host dies, and does what waits once it is back."""
    events.scheduler(sim, 8.0, 100 + 200 * sim.rng.random())
    events.die(sim)


def answers_lost(sim: Simulation) -> None:
    """Nova's broker is away as guests come up elsewhere, which is not written down then."""
    sim.nova.held = 1.0
    events.die(sim)

    def comes(s: Simulation) -> bool:
        return any(m.status == "pre-migrating" for m in s.nova.migrations)

    def away(s: Simulation) -> None:
        begin = 4 * s.rng.random()
        for seconds, gone in ((begin, True), (begin + 5 + 20 * s.rng.random(), False)):
            events.later(s, seconds, lambda x, v: setattr(x.nova, "broker_away", v), gone)

    events.once(sim, comes, away)


def refused_by_one(sim: Simulation, what: str) -> None:
    """One of two hypervisors takes no guest, and Nova's scheduler offers it again and again."""
    sim.world.hosts["node2"].refuses = what
    events.die(sim)


def no_reports_as_it_returns(sim: Simulation) -> None:
    """Nova's broker is away as a fenced host comes back, whose fence nobody could report."""
    sim.world.hosts["node1"].boot_time = 8.0
    events.die(sim)
    sim.faults.outage("api", 25 + 20 * sim.rng.random())

    def broker(s: Simulation, away: bool) -> None:
        s.world.note_fault(f"Nova's broker: away={away}")
        s.nova.broker_away = away

    for seconds, away in ((15.0, True), (40 + 160 * sim.rng.random(), False)):
        events.later(sim, seconds, broker, away)


def without_proof(sim: Simulation) -> None:
    """A host is cut off and reported, and cannot be fenced for longer than a recovery waits."""
    sim.cluster.power_controller = False
    events.cut_off(sim)
    events.later(sim, 20.0, lambda s: events.report(s, s.world.hosts["node1"], events.STOPPED))
    events.later(sim, 200 + 100 * sim.rng.random(), events.controller_back)


def slow_controller(sim: Simulation) -> None:
    """The power controller is away for minutes."""
    sim.cluster.power_controller = False
    events.die(sim)
    events.later(sim, 60 + 200 * sim.rng.random(), events.controller_back)
