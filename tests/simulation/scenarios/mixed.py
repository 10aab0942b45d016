"""The mixed scenario: any situation's ingredients, and any faults, as the seed will have it."""

from __future__ import annotations

import random
from collections.abc import Callable

from simulation.core.faults import Strike
from simulation.scenarios import events, names
from simulation.simulation import Simulation, Situation

STATES = ("active",) * 6 + (
    "active/image_uploading", "resized", "paused", "rescued", "suspended", "stopped", "error",
    "stopped/powering-on", "active/powering-off", "locked",
)  # fmt: skip

METHODS = ("auto", "auto", "auto", "reserved_host", "auto_priority", "rh_priority")

DURATIONS = (2.0, 2.0, 8.0, 8.0, 20.0, 20.0, 60.0, 60.0, 130.0, 130.0, 400.0, 1000.0)
"""Seconds; the long ones are rarer, since they are long."""

UNATTENDED, LOOK = 600.0, 60.0
"""Seconds for which nobody sees to a cluster without quorum, and between two looks."""

REFUSING = 0.08
"""In how many of the seeds a hypervisor takes no guest for a while."""

CALLS = ("", "", "nova", "db", "pacemaker", "api", "broker")


def situation(name: str, seed: int) -> Situation:
    """Return what a seed of a mixed scenario is about."""
    choose = random.Random(f"mixed {seed}")  # noqa: S311
    guests = tuple(choose.choice(STATES) for _ in range(choose.randint(1, 4)))
    method = choose.choice(METHODS)
    reserved = choose.randint(1, 2) if method != "auto" else 0
    carriers = choose.randint(1, 3) if name == names.CONVERGED else 0
    return Situation(
        name, _begin, guests=guests, method=method, reserved=reserved, carriers=carriers
    )


def _begin(sim: Simulation) -> None:
    rng = sim.rng
    sim.cluster.reconnect_interval = rng.choice([5.0, 60.0])
    sim.world.hosts["node1"].boot_time = rng.choice([10.0, 30.0, 90.0, 300.0])
    sim.nova.rebuild_time = rng.choice([(1.0, 4.0), (5.0, 15.0)])
    sim.masakari.turn = rng.randint(0, 2)
    for _ in range(rng.choice([0, 1, 1, 2, 2, 3, 4])):
        _FAULTS[rng.randrange(len(_FAULTS))](sim)
    beginning = rng.choice(_BEGINNINGS)
    beginning(sim)
    if rng.random() < 0.4:
        events.later(sim, 20 + 200 * rng.random(), events.take_back)
    if rng.random() < 0.25:
        events.later(sim, 30 + 300 * rng.random(), rng.choice([events.die, events.die_other]))
    if sim.situation.carriers:
        _look_after_quorum(sim)
    _refusing(sim)


def _look_after_quorum(sim: Simulation, since: float | None = None) -> None:
    """Where the members went along with the hypervisors, an operator switches these on.

    What was lost without quorum nobody has noticed; its operator sees to it.
    """
    now = sim.kernel.now
    since = None if sim.cluster.membership.majority() else since or now
    if since is not None and now - since > UNATTENDED:
        for host in sim.world.hosts.values():
            if not host.power and any(u.host == host.name for u in sim.world.units.values()):
                sim.world.note_fault(f"{host.name} is switched on by its operator")
                if not sim.cluster.remotes[host.name].fenced:
                    # Whoever has fenced it, nobody in the cluster has a word of that.
                    host.fenced = 0.0
                sim.world.power_on(host)
                sim.world.leave_to_operator()
    sim.kernel.after(LOOK, lambda: _look_after_quorum(sim, since))


def _dies(sim: Simulation) -> None:
    events.die(sim)


def _two(sim: Simulation) -> None:
    events.die(sim)
    events.later(sim, 8 * sim.rng.random(), events.die, "node2")


def _cut(sim: Simulation) -> None:
    events.cut_off(sim)


def _blip(sim: Simulation) -> None:
    events.blip(sim, "node1", 1 + 12 * sim.rng.random())


def _storage(sim: Simulation) -> None:
    events.lose_storage(sim)


def _guest(sim: Simulation) -> None:
    for guest in list(sim.world.guests.values()):
        if guest.before == ("active", True) and guest.vm_state == "active":
            events.crash_guest(sim, guest)
            return


_BEGINNINGS: tuple[Callable[[Simulation], None], ...] = (
    _dies, _dies, _dies, _dies, _two, _cut, _blip, _storage, _guest,
)  # fmt: skip


# -- faults ---------------------------------------------------------------------------------
def _strike(sim: Simulation) -> None:
    rng = sim.rng
    process = rng.choice(["engine", "engine", "engine", "notifier", "api"])
    strike = Strike(
        rng.choice(names.KINDS[:6]), process, 0, rng.choice(DURATIONS), rng.choice(CALLS)
    )
    strike.number = 1 + int(rng.random() ** 2 * (80 if process == "engine" else 40))
    sim.faults.strikes.append(strike)


def _outage(sim: Simulation) -> None:
    rng = sim.rng
    service, seconds = rng.choice(["nova", "db", "api", "broker"]), rng.choice(DURATIONS)
    events.later(sim, 30 * rng.random(), lambda s: s.faults.outage(service, seconds))


def _messages(sim: Simulation) -> None:
    sim.faults.messages = [sim.rng.choice([0, 1, 2]) for _ in range(3)]


def _lost_rebuilds(sim: Simulation) -> None:
    """Nova's own broker loses what is asked of it for a while."""

    def away(s: Simulation, value: bool) -> None:
        s.world.note_fault(f"Nova's broker: away={value}")
        s.nova.broker_away = value

    begin = 15 * sim.rng.random()
    events.later(sim, begin, away, True)
    events.later(sim, begin + sim.rng.choice(DURATIONS[:8]), away, False)


def _slow_scheduler(sim: Simulation) -> None:
    """Nova takes its time for a while to find a host for a guest."""

    def slow(s: Simulation, times: tuple[float, float]) -> None:
        s.world.note_fault(f"Nova's scheduler takes {times[1]:.0f} s")
        s.nova.schedule_time = times

    events.later(sim, 20 * sim.rng.random(), slow, (1.0, sim.rng.choice([10.0, 20.0, 50.0])))
    events.later(sim, 60 + 200 * sim.rng.random(), slow, (0.2, 1.0))


def _no_scheduler(sim: Simulation) -> None:
    events.scheduler(sim, 20 * sim.rng.random(), sim.rng.choice(DURATIONS))


def _nova_database(sim: Simulation) -> None:
    """Nova's database restarts, mostly while guests are evacuated."""
    begin, seconds = 25 * sim.rng.random(), sim.rng.choice([0.5, 2.0, 8.0, 60.0])
    events.later(sim, begin, lambda s: s.faults.nova_database(seconds))


def _controller(sim: Simulation) -> None:
    def works(s: Simulation, value: bool) -> None:
        s.world.note_fault(f"power controller works: {value}")
        s.cluster.power_controller = value

    begin = 10 * sim.rng.random()
    events.later(sim, begin, works, False)
    events.later(sim, begin + sim.rng.choice(DURATIONS[:10]), works, True)


def _slow_controller(sim: Simulation) -> None:
    sim.cluster.fence_delay = (1.0, sim.rng.choice([10.0, 40.0]))


def _clock(sim: Simulation) -> None:
    unit = _any_unit(sim)
    unit.skew = sim.rng.choice([-8.0, -4.0, -1.0, 1.0, 4.0, 8.0])
    sim.kernel.trace("FAULT", f"the clock of {unit.name} is off by {unit.skew:g} s")


def _any_unit(sim: Simulation) -> object:
    return sim.world.units[sim.rng.choice(sorted(sim.world.units))]


def _unit(sim: Simulation) -> None:
    rng = sim.rng
    unit, seconds = _any_unit(sim), rng.choice(DURATIONS)
    name = rng.choice(["kill_unit", "freeze_unit", "pause_unit", "pacemaker_away", "isolate"])
    events.later(sim, 40 * rng.random(), lambda s: getattr(s.faults, name)(unit, seconds))


def _process(sim: Simulation) -> None:
    rng = sim.rng
    unit, seconds, what = _any_unit(sim), rng.choice(DURATIONS), rng.random()

    def strike(s: Simulation) -> None:
        process = rng.choice([unit.engine, unit.notifier])  # type: ignore[attr-defined]
        s.world.note_fault(f"{process.name}: {'crash' if what < 0.5 else 'stall'} {seconds:.0f} s")
        (s.faults.crash if what < 0.5 else s.faults.stall)(process, seconds)

    events.later(sim, 60 * rng.random(), strike)


def _refusing(sim: Simulation) -> None:
    """In some, a hypervisor takes no guest, and Nova's scheduler does not know.

    It is drawn apart from all else, which stays as it was in the seeds that are known.
    """
    choose = random.Random(f"refusing {sim.seed}")  # noqa: S311
    if choose.random() > REFUSING:
        return
    host = sim.world.hosts[choose.choice(sorted(set(sim.world.hosts) - {"node1"}))]
    what = choose.choice(["room", "start"])

    def refuses(s: Simulation, value: str) -> None:
        s.world.note_fault(f"{host.name} takes no guest: {value or 'it does again'}")
        host.refuses = value

    refuses(sim, what)
    events.later(sim, choose.choice(DURATIONS), refuses, "")


def _owner(sim: Simulation) -> None:
    guest = sim.rng.choice(list(sim.world.guests.values()))
    events.later(sim, 20 * sim.rng.random(), events.delete_guest, guest)


_FAULTS: tuple[Callable[[Simulation], None], ...] = (
    _strike, _strike, _strike, _strike, _strike, _outage, _messages, _lost_rebuilds, _controller,
    _slow_controller, _clock, _unit, _unit, _process, _process, _owner,
    _slow_scheduler, _no_scheduler,
)  # fmt: skip
