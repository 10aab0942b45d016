"""The life of a record: failures, returns, bursts of errors, in any order."""

from __future__ import annotations

from simulation.core.faults import Strike
from simulation.scenarios import events
from simulation.scenarios.directed import returns
from simulation.simulation import Simulation


def begin(sim: Simulation) -> None:
    """A host dies, or is only reported; then anything, and in the end it is taken back."""
    rng = sim.rng
    sim.cluster.reconnect_interval = rng.choice([3.0, 5.0, 60.0])
    for host in sim.world.hosts.values():
        host.boot_time = rng.choice([8.0, 20.0, 60.0])
        host.compute_delay = rng.choice([(0.5, 1.0), (5.0, 15.0)])
        host.remote_delay = rng.choice([0.0, 0.0, 0.0, 40.0])
    sim.nova.rebuild_time = rng.choice([(1.0, 4.0), (5.0, 15.0), (20.0, 40.0)])
    if rng.random() < 0.3:
        sim.faults.messages = [0]
    if rng.random() < 0.5:
        burst(sim)
    if rng.random() < 0.8:
        events.die(sim)
    else:
        events.report(sim, sim.world.hosts["node1"], events.ONLINE)
        sim.world.hosts["node1"].out = True
    t = 5.0
    for _ in range(rng.randint(3, 7)):
        t += rng.choice([5, 15, 40, 90, 200]) * (0.5 + rng.random())
        events.later(sim, t, rng.choice(WHAT))
    events.later(sim, t + 300, end)


def burst(sim: Simulation) -> None:
    """Nova fails at one kind of request, once or for long."""
    rng = sim.rng
    name = rng.choice(["evacuate", "list", "start", "reboot", "lock", "get", "stop", "unlock"])
    service = "nova"
    for _ in range(rng.choice([1, 3, 10, 200])):
        sim.faults.strikes.append(Strike("error", "engine", 1, 0.0, service, f"servers.{name}"))


def calm(sim: Simulation) -> None:
    """Nova does what it is asked for again."""
    sim.faults.strikes.clear()
    for guest in sim.world.guests.values():
        guest.unplaceable = False


def full(sim: Simulation) -> None:
    """There is no room for some guests."""
    for guest in sim.world.guests.values():
        if sim.rng.random() < 0.7:
            guest.unplaceable = True


def dies(sim: Simulation) -> None:
    """A host loses its power."""
    events.die(sim, sim.rng.choice(["node1", "node1", "node1", "node2"]))


def cut(sim: Simulation) -> None:
    """A host is not reached any more; one that nobody knows yet fails no more."""
    host = sim.world.hosts["node1"]
    if host.up and sim.kernel.now - host.booted > events.NOTICED:
        events.cut_off(sim)


def crash(sim: Simulation) -> None:
    """An engine or a notifier dies."""
    unit = sim.world.units[sim.rng.choice(sorted(sim.world.units))]
    process = sim.rng.choice([unit.engine, unit.engine, unit.notifier])
    sim.world.note_fault(f"{process.name} crashes")
    sim.faults.crash(process, sim.rng.choice([2.0, 20.0, 100.0]))


def strike(sim: Simulation) -> None:
    """A fault at any call of an engine."""
    rng = sim.rng
    kind = rng.choice(["crash", "crash after", "error", "stall", "error after", "stall after"])
    service = rng.choice(["nova", "db", "pacemaker", "nova"])
    found = Strike(kind, "engine", rng.randint(1, 20), rng.choice([5.0, 20.0, 60.0]), service)
    sim.faults.strikes.insert(0, found)


def nova(sim: Simulation) -> None:
    """Nova is away."""
    sim.faults.outage("nova", sim.rng.choice([10.0, 60.0, 150.0]))


def returned(sim: Simulation) -> None:
    """`return-host` is run."""
    returns.action_returns(sim, "node1", 100.0)


def taken(sim: Simulation) -> None:
    """The host is taken back by the clouds' own commands."""
    events.take_back(sim, "node1", 100.0)


def method(sim: Simulation) -> None:
    """Somebody changes how the segment's hosts are recovered."""
    sim.world.note_fault("the segment's method is changed")
    from simulation.models.masakari import database

    chosen = sim.rng.choice(["auto", "reserved_host", "auto_priority"])
    database.change_segments("recovery_method", chosen)


def controller(sim: Simulation) -> None:
    """The power controller is away for minutes."""
    sim.world.note_fault("power controller away")
    sim.cluster.power_controller = False

    def back(s: Simulation) -> None:
        s.world.note_fault("power controller back")
        s.cluster.power_controller = True

    events.later(sim, 60 + 200 * sim.rng.random(), back)


WHAT = (
    burst, burst, burst, calm, calm, full, dies, dies, dies, cut, crash, strike, strike, nova,
    returned, returned, returned, taken, taken, method, controller,
)  # fmt: skip


def end(sim: Simulation) -> None:
    """Nothing fails any more, and every host is taken back."""
    sim.world.note_fault("all is well again")
    calm(sim)
    for name, host in sim.world.hosts.items():
        if host.out or not host.up:
            sim.rng.choice([returns.action_returns, events.take_back])(sim, name, 1500.0)
