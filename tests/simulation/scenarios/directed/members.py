"""Situations in which Pacemaker is away, cut off, or has no quorum."""

from __future__ import annotations

from simulation.core.faults import Strike
from simulation.scenarios import events
from simulation.simulation import Simulation


def pacemaker_away(sim: Simulation) -> None:
    """Pacemaker of the unit whose engine gets the message is away for five minutes."""
    sim.world.hosts["node1"].boot_time = 20.0
    sim.cluster.reconnect_interval = 10.0
    sim.masakari.turn = 2
    unit = sim.world.units["unit3"]
    events.die(sim)
    events.later(sim, 4 * sim.rng.random(), lambda s: s.faults.pacemaker_away(unit, 300.0))
    events.later(sim, 60.0, events.take_back)


def without_quorum(sim: Simulation) -> None:
    """There is no quorum for longer than an engine waits to begin, or to end, a recovery.

    And Masakari tries it but once more.
    """
    name = "notification_update"
    sim.faults.strikes.append(Strike("error", "engine", 1, 0.0, "db", name))
    events.die(sim)

    def gone(s: Simulation) -> None:
        s.faults.pacemaker_away(s.world.units["unit1"], 950 + 100 * s.rng.random())
        s.faults.freeze_unit(s.world.units["unit2"], 1100.0)

    events.once(sim, lambda s: s.world.hosts["node1"].fenced, gone, 0.05)


def ends_without_quorum(sim: Simulation) -> None:
    """There is no quorum for a quarter of an hour and longer as a recovery is to end."""
    sim.nova.rebuild_time = (5.0, 10.0)
    events.die(sim)

    def gone(s: Simulation) -> None:
        for name in s.rng.sample(["unit1", "unit2", "unit3"], 2):
            s.faults.pacemaker_away(s.world.units[name], 1000 + 100 * s.rng.random())

    events.once(sim, lambda s: s.nova.migrations, gone)


def inquorate(sim: Simulation) -> None:
    """A member is cut off while a host's fencing fails; the others fence it, and it is back."""
    sim.cluster.power_controller = False
    sim.world.hosts["node1"].boot_time = 20.0
    sim.cluster.reconnect_interval = 5.0
    events.die(sim)
    unit = sim.world.units["unit1"]
    events.later(sim, 16.0, events.controller_back)

    def failed(s: Simulation) -> bool:
        return bool(s.cluster.history) and s.cluster.remotes["node1"].fencing is None

    events.once(sim, failed, lambda s: s.faults.isolate(unit, 400.0))
    events.later(sim, 60.0, events.take_back)


def member_is_back(sim: Simulation) -> None:
    """A member is cut off, and comes back while a hypervisor is recovered, or has been."""
    sim.faults.isolate(sim.world.units["unit3"], sim.rng.uniform(40.0, 100.0))
    events.later(sim, sim.rng.uniform(8.0, 40.0), events.die)


def nothing_noted(sim: Simulation) -> None:
    """Pacemaker has lost what it had noted of the hypervisors' fences; then one dies.

    So it was with 2.1.5 where a member had booted while it was cut off, and its copy of the status
    became everybody's: what is in the states then is what the controller knows of connections
    (`populate_cib_nodes`).
    """
    for remote in sim.cluster.remotes.values():
        remote.known, remote.noted = False, True
    sim.cluster.changed()
    events.later(sim, 20.0, events.die)


def paused(sim: Simulation) -> None:
    """The controller's unit is paused for good; the fencing, or the recovery, fails at first."""
    if sim.rng.random() < 0.5:
        sim.cluster.power_controller = False
        events.later(sim, 100.0, events.controller_back)
    else:
        sim.faults.strikes.append(Strike("error", "engine", 1, 0.0, "nova", "evacuate"))
    unit = sim.world.units[sim.cluster.dc]
    begin = 40 * sim.rng.random()
    events.later(sim, begin, lambda s: s.faults.pause_unit(unit, float("inf")))
    events.die(sim)


def cluster_restarts(sim: Simulation) -> None:
    """The whole cluster restarts while one hypervisor boots and another lies switched off."""
    events.reboot(sim, "node1", 120.0)
    events.reboot(sim, "node2", None)
    events.restart_cluster(sim)
