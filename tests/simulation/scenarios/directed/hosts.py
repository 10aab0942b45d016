"""Situations in which hypervisors die, boot, or are taken back."""

from __future__ import annotations

from simulation.core.faults import Strike
from simulation.scenarios import events
from simulation.simulation import Simulation


def host_dies(sim: Simulation) -> None:
    events.die(sim)


def two_hosts_die(sim: Simulation) -> None:
    """Two die while Nova is away and the messages to the engines are lost."""
    events.die(sim, "node1")
    events.die(sim, "node2")
    sim.faults.messages = [0, 0]
    events.later(sim, 8.0, lambda s: s.faults.outage("nova", 5 + 40 * s.rng.random()))


def early_boot(sim: Simulation) -> None:
    """The host boots again before its last guest is evacuated."""
    sim.nova.rebuild_time = (11.0, 13.0)
    sim.world.hosts["node1"].boot_time = 15 + 20 * sim.rng.random()
    events.die(sim)


def _serves(sim: Simulation) -> bool:
    return sim.world.hosts["node1"].compute


def compute_late(sim: Simulation) -> None:
    """The host is connected to the cluster again before it starts its guests."""
    sim.cluster.reconnect_interval = 4.0
    sim.world.hosts["node1"].compute_delay = (15.0, 20.0)
    early_boot(sim)


def disabled_dies(sim: Simulation) -> None:
    """A host of a segment dies that has been disabled for a while."""
    events.switch_off(sim)
    sim.expect_nothing("node1")
    events.later(sim, 90.0, events.die)


def fails_again(sim: Simulation) -> None:
    """More attempts fail than Masakari makes by itself."""
    for _ in range(6):
        sim.faults.strikes.append(Strike("error", "engine", 1, 0.0, "nova", "servers.evacuate"))
    events.die(sim)


def back_before(sim: Simulation) -> None:
    """A host is back in service before any engine hears of its fence."""
    host = sim.world.hosts["node1"]
    host.boot_time, host.compute_delay = 8.0, (1.0, 2.0)
    sim.cluster.reconnect_interval = 5.0
    sim.faults.messages = [0]
    events.die(sim)


def lost_for_a_moment(sim: Simulation) -> None:
    """A host is not reached for some seconds, while the power controller is slow or away."""
    host, seconds = sim.world.hosts["node1"], 6 + 6 * sim.rng.random()
    events.blip(sim, "node1", seconds)
    host.spared = True
    if sim.rng.random() < 0.3:
        sim.cluster.fence_delay = (seconds, 15.0)
        return
    sim.cluster.power_controller = False
    events.later(sim, seconds + 80 * sim.rng.random(), events.controller_back)


def back_as_it_is_fenced(sim: Simulation) -> None:
    """A host that Pacemaker has given up on is reached again while somebody's fence goes on."""
    seconds = 60 + 60 * sim.rng.random()
    events.blip(sim, "node1", seconds)
    sim.cluster.power_controller, sim.cluster.fence_delay = False, (0.5, 1.0)

    def works(s: Simulation) -> None:
        s.world.note_fault("the power controller is back, and slow")
        s.cluster.power_controller, s.cluster.fence_delay = True, (8.0, 20.0)

    events.later(sim, seconds - 12 * sim.rng.random(), works)


def unknown_name(sim: Simulation) -> None:
    """A host dies that the cluster knows by another name: nothing is done, as its status says."""
    sim.expect_nothing("node1")
    events.die(sim)


def started_anew(sim: Simulation) -> None:
    """A host boots by itself while the power controller is away: its guests are lost."""
    host = sim.world.hosts["node1"]
    host.boot_time, host.compute_delay = 10 + 20 * sim.rng.random(), (1.0, 2.0)
    sim.cluster.power_controller = False
    events.die(sim)

    def on(s: Simulation) -> None:
        s.world.power_on(host)

    events.later(sim, 1.0, on)
    events.later(sim, 20 + 40 * sim.rng.random(), events.controller_back)


def taken_back_in_nova(sim: Simulation) -> None:
    """An operator has Nova use a host again whose recovery goes on, and engines are slow."""
    host = sim.world.hosts["node1"]
    host.boot_time = 8.0
    sim.cluster.reconnect_interval = 5.0
    for _ in range(4):
        sim.faults.strikes.append(Strike("error", "engine", 1, 0.0, "nova", "servers.evacuate"))
    # Of the second attempt, before it looks at the host.
    sim.faults.strikes.append(Strike("stall", "engine", 2, 130.0, "db", "host_get_by_name"))
    sim.expect_nothing("node1")
    events.die(sim)

    def use(s: Simulation) -> None:
        service = s.nova.services[host.nova_name]
        s.world.note_fault("Nova is told to use node1 again")
        service.forced_down, service.enabled, service.since = False, True, s.kernel.now

    events.later(sim, 45.0, use)


def storage_lost(sim: Simulation) -> None:
    """The storage network of a host is lost."""
    events.lose_storage(sim)


def isolated_host(sim: Simulation) -> None:
    """A host is cut off; its guests run on until it is fenced."""
    events.cut_off(sim)


def new_hypervisor(sim: Simulation) -> None:
    """Another hypervisor is added to the cluster."""
    events.add_new(sim)


def member_goes_too(sim: Simulation) -> None:
    """A unit dies with the hypervisor that carries it."""
    unit = sim.world.units[sim.rng.choice(["unit1", "unit2", "unit3"])]
    sim.faults.kill_unit(unit, 200 + 400 * sim.rng.random())
    events.die(sim)


def carriers_lost(sim: Simulation) -> None:
    """Two hypervisors that carry a unit each are lost at once; the units are not.

    The third unit's Pacemaker is away.
    """
    sim.faults.pacemaker_away(sim.world.units["unit3"], 5 + 60 * sim.rng.random())
    for name in ("node1", "node2"):
        events.cut_off(sim, name)


def carrier_boots(sim: Simulation) -> None:
    """One boots before anything came of its recovery; its unit is needed for the quorum then."""
    _lose_requests(sim, 60 + 60 * sim.rng.random())
    sim.cluster.reconnect_interval = 5.0
    sim.world.hosts["node1"].boot_time = 10.0
    events.die(sim)
    unit, seconds = sim.world.units["unit2"], 100 + 200 * sim.rng.random()
    events.later(sim, 40 + 60 * sim.rng.random(), lambda s: s.faults.kill_unit(unit, seconds))


def _lose_requests(sim: Simulation, seconds: float) -> None:
    """Nova's broker loses what is asked of it."""
    events.later(sim, 2.0, lambda s: setattr(s.nova, "broker_away", True))
    events.later(sim, seconds, lambda s: setattr(s.nova, "broker_away", False))


def carrier_held(sim: Simulation) -> None:
    """One is kept off for its recovery as another dies, and each carries a unit."""
    if sim.rng.random() < 0.5:
        sim.world.hosts["node2"].boot_time = None
    host = sim.world.hosts["node1"]
    host.boot_time = 10.0
    sim.cluster.reconnect_interval = 5.0
    events.die(sim)
    _lose_requests(sim, 60 + 120 * sim.rng.random())

    def other(s: Simulation) -> None:
        events.later(s, 15 * s.rng.random(), events.die, "node2")

    events.once(sim, lambda s: host.booted and not host.power, other)


def taken_back_early(sim: Simulation) -> None:
    """An operator wants the host back in the middle of its recovery."""
    sim.world.hosts["node1"].boot_time = 10.0
    sim.cluster.reconnect_interval = 5.0
    sim.nova.rebuild_time = (10.0, 30.0)
    events.die(sim)
    events.later(sim, 5.0, events.take_back)


def dies_as_it_is_started(sim: Simulation, status: str = "running") -> None:
    """The host is back in service, without Pacemaker, its instances are started there; it dies.

    Its fence is still on record then, and proves nothing.
    """
    sim.world.hosts["node1"].boot_time = 10.0
    sim.world.hosts["node1"].remote_delay = 50.0
    sim.cluster.reconnect_interval = 60.0
    sim.faults.messages = [0]
    events.die(sim)
    kind = sim.rng.choice([events.die, events.die, events.cut_off])

    def again(s: Simulation) -> None:
        events.later(s, 1 + 4 * s.rng.random(), kind)

    events.once(sim, lambda s: events.notified(s, status), again)


def dies_once_it_is_started(sim: Simulation) -> None:
    """It dies when they run."""
    dies_as_it_is_started(sim, "finished")


def all_die(sim: Simulation) -> None:
    """Every host of the segment dies, and boots soon; Nova answers no more meanwhile."""
    events.die(sim)
    for number, name in enumerate(("node2", "node3")):
        events.later(sim, 3 + 4 * number * sim.rng.random(), events.die, name)
    for host in sim.world.hosts.values():
        host.boot_time = 20.0
    seconds = 50 + 30 * sim.rng.random()
    events.later(sim, 9 + 8 * sim.rng.random(), lambda s: s.faults.outage("nova", seconds))


def gone_again(sim: Simulation) -> None:
    """The host boots in the middle of its recovery, and is lost again before Pacemaker looks.

    It cannot be fenced then.
    """
    sim.world.hosts["node1"].boot_time = 10.0
    sim.cluster.reconnect_interval = 60.0
    events.die(sim)
    events.later(sim, 20.0, lambda s: setattr(s.cluster, "power_controller", False))
    events.later(sim, 160.0, lambda s: setattr(s.cluster, "power_controller", True))
    _lose_requests(sim, 70.0)
    kind = sim.rng.choice([events.die, events.cut_off])

    def again(s: Simulation) -> None:
        events.later(s, 15 + 15 * s.rng.random(), kind)

    events.later(sim, 10.0, events.once, _serves, again)


def boots_meanwhile(sim: Simulation) -> None:
    """The host boots, and starts what was to be powered on, as Nova answers again."""
    host = sim.world.hosts["node1"]
    host.boot_time, host.compute_delay = 10.0, (0.1, 0.3)
    events.die(sim)
    events.later(sim, 1.0, lambda s: s.faults.outage("nova", 100.0))

    def answers(s: Simulation) -> None:
        s.world.note_fault("Nova answers again")
        s.faults.away.clear()

    events.once(sim, _serves, answers)


def nowhere(sim: Simulation) -> None:
    """Every host dies, and boots: none of them is kept off for the others' sake."""
    for number, (name, host) in enumerate(sim.world.hosts.items()):
        host.boot_time = 20 + 40 * sim.rng.random()
        events.later(sim, 4 * number * sim.rng.random(), events.die, name)

    def all_on(s: Simulation) -> None:
        off = [host.name for host in s.world.hosts.values() if not host.up]
        if off:
            s.world.violate("kept off for nothing", ", ".join(off))

    events.later(sim, 150.0, all_on)


def returns_unseen(sim: Simulation, remote_delay: float = 60.0) -> None:
    """The host is back in service, unseen by Pacemaker and by every engine, and is lost again."""
    sim.world.hosts["node1"].boot_time = 10.0
    sim.world.hosts["node1"].remote_delay = remote_delay
    sim.faults.outage("api", 120 + 60 * sim.rng.random())
    events.die(sim)
    kind = sim.rng.choice([events.die, events.cut_off])

    def again(s: Simulation) -> None:
        events.later(s, 12 + 20 * s.rng.random(), kind)

    events.later(sim, 10.0, events.once, _serves, again)


def dies_twice(sim: Simulation) -> None:
    """The same, and Pacemaker sees it: it is fenced twice before anybody is told."""
    returns_unseen(sim, 0.0)


def boots_without_quorum(sim: Simulation) -> None:
    """The host boots and loses its power once more while the cluster has no quorum."""
    host = sim.world.hosts["node1"]
    host.boot_time = 10 + 10 * sim.rng.random()
    owner, other = sim.world.units["unit3"], sim.world.units["unit2"]
    events.die(sim)

    def gone(s: Simulation) -> None:
        s.faults.freeze_unit(owner, 400.0)
        s.faults.kill_unit(other, 60 + 60 * s.rng.random())
        events.once(s, _serves, again)

    def again(s: Simulation) -> None:
        events.later(s, 2 + 10 * s.rng.random(), events.die)

    events.once(sim, lambda s: events.notified(s, "running"), gone)


def partly_started(sim: Simulation) -> None:
    """The host is back before any engine hears, one instance cannot be started there; it dies.

    Every other time it is back once more before any engine hears of that.
    """
    back_before(sim)
    unheard = sim.rng.random() < 0.5
    for _ in range(80):
        strike = Strike("error", "engine", 2, 0.0, "nova", "servers.reboot")
        sim.faults.strikes.append(strike)

    def dies(s: Simulation) -> None:
        s.faults.strikes.clear()
        s.faults.messages = [0, 0] if unheard else []
        events.later(s, 5 * s.rng.random(), events.die)

    events.once(sim, lambda s: events.notified(s, "error", "failed"), dies)


def unanswered_and_closed(sim: Simulation) -> None:
    """What a new host says of a guest that it has started is lost; then it takes no more.

    The guest runs there, its evacuation has failed, and the next one to that host finds no room.
    """
    sim.nova.held, sim.nova.rebuild_time = 1.0, (4.0, 4.0)
    events.die(sim)

    def broker(s: Simulation, away: bool) -> None:
        s.world.note_fault(f"Nova's broker: away={away}")
        s.nova.broker_away = away

    def enabled(s: Simulation, name: str, value: bool) -> None:
        s.world.note_fault(f"{name}: enabled={value}")
        s.nova.set_enabled(s.nova.services[name], value)

    def there(s: Simulation) -> list[str]:
        moved = {guest.uuid for guest in s.world.guests.values() if guest.home == "node1"}
        others = [host for host in s.world.hosts.values() if host.name != "node1"]
        return [host.nova_name for host in others if moved & host.qemu]

    def closes(s: Simulation) -> None:
        name = there(s)[0]
        broker(s, True)
        events.later(s, 3.0, broker, False)
        events.later(s, 20.0, enabled, name, False)
        events.later(s, 220.0, enabled, name, True)

    events.once(sim, there, closes)
