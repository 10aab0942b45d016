"""The directed situations, each of which was once a fault."""

from __future__ import annotations

from collections.abc import Callable

from simulation import events, orders
from simulation.faults import Strike
from simulation.nova import Migration
from simulation.simulation import Simulation, Situation

EVERY_STATE = (
    "active", "active/image_uploading", "resized", "paused", "rescued", "suspended", "stopped",
    "stopped/powering-on", "active/powering-off", "error", "locked",
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


def api_away_for_hours(sim: Simulation) -> None:
    """Nobody can be told of a fence for hours, in which the host has long booted."""
    events.die(sim)
    sim.faults.outage("api", 14000 + 5000 * sim.rng.random())


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


def guest_is_deleted(sim: Simulation) -> None:
    """The owner deletes a guest in the middle."""
    events.die(sim)
    guest = next(iter(sim.world.guests.values()))
    events.later(sim, 6 + 6 * sim.rng.random(), events.delete_guest, guest)


def deleted_meanwhile(sim: Simulation) -> None:
    """The owner deletes guests of a host that is cut off, whose nova-compute hears nothing."""
    events.cut_off(sim)
    for guest in list(sim.world.guests.values()):
        if guest.home == "node1":
            events.later(sim, 2 * sim.rng.random(), events.delete_guest, guest)
    sim.cluster.fence_delay = (3.0, 5.0)


def migrated_at_the_end(sim: Simulation) -> None:
    """A host dies at the end of a live migration: the guest runs where Nova does not look."""
    guest = next(iter(sim.world.guests.values()))
    guest.task_state = "migrating"
    now = sim.kernel.now
    record = Migration(guest.uuid, "node1", "node2", "running", now, now, number=1)
    record.migration_type = "live-migration"
    sim.nova.migrations.append(record)
    sim.world.stop_guest(sim.world.hosts["node1"], guest.uuid)
    sim.world.run_guest(sim.world.hosts["node2"], guest.uuid)
    events.die(sim)


def unplaceable(sim: Simulation) -> None:
    """One guest fits nowhere."""
    next(iter(sim.world.guests.values())).unplaceable = True
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


def compute_late(sim: Simulation) -> None:
    """The host is connected to the cluster again before it starts its guests."""
    sim.cluster.reconnect_interval = 4.0
    sim.world.hosts["node1"].compute_delay = (15.0, 20.0)
    early_boot(sim)


def without_proof(sim: Simulation) -> None:
    """A host is cut off and reported, and cannot be fenced for longer than a recovery waits."""
    sim.cluster.power_controller = False
    events.cut_off(sim)
    events.later(sim, 20.0, lambda s: events.report(s, s.world.hosts["node1"], events.STOPPED))

    def works(s: Simulation) -> None:
        s.world.note_fault("the power controller is back")
        s.cluster.power_controller = True

    events.later(sim, 200 + 100 * sim.rng.random(), works)


def reported_again(sim: Simulation) -> None:
    """A host that was recovered and taken back is reported once more, and works."""
    sim.world.hosts["node1"].boot_time = 20.0
    sim.cluster.reconnect_interval = 5.0
    events.die(sim)
    events.later(sim, 40.0, events.take_back)
    events.later(sim, 300.0, lambda s: events.report(s, s.world.hosts["node1"], events.ONLINE))


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


def without_record(sim: Simulation) -> None:
    """An engine dies when Masakari calls a recovery running, and nothing else says so."""
    name = "notification_update"
    sim.faults.strikes.append(Strike("crash after", "engine", 1, 20.0, "db", name))
    events.die(sim)


def disabled_dies(sim: Simulation) -> None:
    """A host of a segment dies that has been disabled for a while."""
    events.switch_off(sim)
    sim.expect_nothing("node1")
    events.later(sim, 90.0, events.die)


def proxy(sim: Simulation) -> None:
    """A proxy answers for Masakari's API, with a page of its own, while a host dies."""
    sim.faults.proxy = True
    events.die(sim)
    sim.faults.outage("api", 60 + 60 * sim.rng.random())


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


def reporter_dies(sim: Simulation) -> None:
    """The member whose turn it is dies before it has reported the fence, and for good."""
    sim.faults.strikes.append(Strike("crash", "notifier unit1", 1, float("inf"), "api", "POST"))
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

    def works(s: Simulation) -> None:
        s.world.note_fault("the power controller is back")
        s.cluster.power_controller = True

    events.later(sim, seconds + 80 * sim.rng.random(), works)


def started_anew(sim: Simulation) -> None:
    """A host boots by itself while the power controller is away: its guests are lost."""
    host = sim.world.hosts["node1"]
    host.boot_time, host.compute_delay = 10 + 20 * sim.rng.random(), (1.0, 2.0)
    sim.cluster.power_controller = False
    events.die(sim)

    def on(s: Simulation) -> None:
        s.world.power_on(host)

    def works(s: Simulation) -> None:
        s.world.note_fault("the power controller is back")
        s.cluster.power_controller = True

    events.later(sim, 1.0, on)
    events.later(sim, 20 + 40 * sim.rng.random(), works)


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


def inquorate(sim: Simulation) -> None:
    """A member is cut off while a host's fencing fails; the others fence it, and it is back."""
    sim.cluster.power_controller = False
    sim.world.hosts["node1"].boot_time = 20.0
    sim.cluster.reconnect_interval = 5.0
    events.die(sim)
    unit = sim.world.units["unit1"]

    def works(s: Simulation) -> None:
        s.world.note_fault("the power controller is back")
        s.cluster.power_controller = True

    events.later(sim, 16.0, works)

    def cut(s: Simulation) -> None:
        if s.cluster.history and s.cluster.remotes["node1"].fencing is None:
            s.faults.isolate(unit, 400.0)
        else:
            events.later(s, 0.2, cut)

    cut(sim)
    events.later(sim, 60.0, events.take_back)


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


def start_is_lost(sim: Simulation) -> None:
    """QEMU of a guest dies, and Nova's broker loses what its recovery asks for."""
    guest = next(iter(sim.world.guests.values()))
    events.crash_guest(sim, guest)

    def away(s: Simulation, value: bool) -> None:
        s.world.note_fault(f"Nova's broker: away={value}")
        s.nova.broker_away = value

    begin = 0.2 + 1.5 * sim.rng.random()
    events.later(sim, begin, away, True)
    events.later(sim, begin + 10 + 30 * sim.rng.random(), away, False)


def instance_given_up(sim: Simulation) -> None:
    """QEMU of a guest dies, and Nova does not answer for longer than Masakari tries."""
    guest = next(iter(sim.world.guests.values()))
    events.crash_guest(sim, guest)
    sim.faults.outage("nova", 400 + 400 * sim.rng.random())


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

    def wait(s: Simulation) -> None:
        if any(found == status for _, found, _ in s.masakari.notifications()):
            events.later(s, 1 + 4 * s.rng.random(), kind)
        else:
            events.later(s, 0.2, wait)

    wait(sim)


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
    events.later(sim, 2.0, lambda s: setattr(s.nova, "broker_away", True))
    events.later(sim, 70.0, lambda s: setattr(s.nova, "broker_away", False))
    again = sim.rng.choice([events.die, events.cut_off])

    def wait(s: Simulation) -> None:
        if s.world.hosts["node1"].compute:
            events.later(s, 15 + 15 * s.rng.random(), again)
        else:
            events.later(s, 0.2, wait)

    events.later(sim, 10.0, wait)


def boots_meanwhile(sim: Simulation) -> None:
    """The host boots, and starts what was to be powered on, as Nova answers again."""
    host = sim.world.hosts["node1"]
    host.boot_time, host.compute_delay = 10.0, (0.1, 0.3)
    events.die(sim)
    events.later(sim, 1.0, lambda s: s.faults.outage("nova", 100.0))

    def wait(s: Simulation) -> None:
        if host.compute:
            s.world.note_fault("Nova answers again")
            s.faults.away.clear()
        else:
            events.later(s, 0.2, wait)

    wait(sim)


def nowhere(sim: Simulation) -> None:
    """Every host dies, and boots: none of them is kept off for the others' sake."""
    for number, (name, host) in enumerate(sim.world.hosts.items()):
        host.boot_time = 20 + 40 * sim.rng.random()
        events.later(sim, 4 * number * sim.rng.random(), events.die, name)

    def all_on(s: Simulation) -> None:
        off = [host.name for host in s.world.hosts.values() if not host.up]
        if off:
            s.world.violate("kept off for nothing", ", ".join(off))

    events.later(sim, 400.0, all_on)


def returns_unseen(sim: Simulation, remote_delay: float = 60.0) -> None:
    """The host is back in service, unseen by Pacemaker and by every engine, and is lost again."""
    sim.world.hosts["node1"].boot_time = 10.0
    sim.world.hosts["node1"].remote_delay = remote_delay
    sim.faults.outage("api", 120 + 60 * sim.rng.random())
    events.die(sim)
    again = sim.rng.choice([events.die, events.cut_off])

    def wait(s: Simulation) -> None:
        if s.world.hosts["node1"].compute:
            events.later(s, 12 + 20 * s.rng.random(), again)
        else:
            events.later(s, 0.2, wait)

    events.later(sim, 10.0, wait)


def dies_twice(sim: Simulation) -> None:
    """The same, and Pacemaker sees it: it is fenced twice before anybody is told."""
    returns_unseen(sim, 0.0)


def _situation(name: str, begin: Callable[[Simulation], None], **more: object) -> Situation:
    return Situation(name, begin, **more)  # type: ignore[arg-type]


_RESERVED = {"method": "reserved_host", "reserved": 1, "must_recover": True}
_MANY = ("active",) * 12
_RETRIED = ("active",) * 3 + ("stopped/powering-on",) * 2
_SIX = ("active",) * 6
_MIXTURE = ("active", "stopped", "active", "paused", "locked", "active", "error", "active")

SITUATIONS = {
    found.name: found
    for found in (
        _situation("host dies", host_dies),
        _situation("two hosts die, lost messages", two_hosts_die),
        _situation("resumed unit", resumed_unit),
        _situation("API away for hours", api_away_for_hours),
        _situation("second report", second_report),
        _situation("pacemaker away", pacemaker_away),
        _situation("database restarts", database_restarts, guests=("active",) * 3),
        _situation("early boot", early_boot, guests=_MANY),
        _situation("early boot, guests resumed", early_boot, guests=_MANY, resume_guests=True),
        _situation("dies while locked", dies_while_locked),
        _situation("late request", late_request, guests=("resized",)),
        _situation("every state", host_dies, guests=EVERY_STATE),
        _situation("every state, one failed attempt", one_failed_attempt, guests=EVERY_STATE),
        _situation("reserved host, one error", one_error, **_RESERVED),
        _situation("reserved host, engine dies", engine_dies, **_RESERVED),
        _situation("reserved host, guest deleted", guest_is_deleted, **_RESERVED),
        _situation("reserved host, unplaceable", unplaceable, **_RESERVED),
        _situation(
            "frozen engine",
            freezes,
        ),
        _situation("dies amid rebuilds", dies_amid_rebuilds),
        _situation("nova-compute late", compute_late, guests=_MANY, resume_guests=True),
        _situation("no proof", without_proof),
        _situation("reported again", reported_again),
        _situation("listed late", listed_late),
        _situation("Nova away meanwhile", nova_away_meanwhile),
        _situation("dies without a record", without_record),
        _situation("disabled, dies", disabled_dies),
        _situation("fails again and again", fails_again, must_recover=True),
        _situation("back before its recovery", back_before),
        _situation("reporter dies", reporter_dies),
        _situation("taken back in Nova", taken_back_in_nova),
        _situation("lost for a moment", lost_for_a_moment),
        _situation("deleted meanwhile", deleted_meanwhile),
        _situation("dies at a migration's end", migrated_at_the_end),
        _situation("started anew", started_anew, must_recover=True),
        _situation("proxy", proxy),
        _situation("inquorate member", inquorate),
        _situation("segment disabled", segment_disabled),
        _situation("disabled, reported", disabled_report),
        _situation("other name of the hypervisor", host_dies, suffix=".maas"),
        _situation("other name in the cluster", host_dies, host_suffix=".maas"),
        _situation("forged report", forged),
        _situation("storage lost", storage_lost),
        _situation("isolated", isolated_host),
        _situation("guest dies twice", guest_dies_twice),
        _situation("guest's start is lost", start_is_lost),
        _situation("guest given up", instance_given_up),
        _situation("new hypervisor", new_hypervisor),
        _situation("cluster restarts", cluster_restarts),
        _situation("power controller away", slow_controller),
        _situation("member goes too", member_goes_too),
        _situation("taken back early", taken_back_early),
        _situation("dies as it is started", dies_as_it_is_started),
        _situation("dies once it is started", dies_once_it_is_started),
        _situation("all die", all_die),
        _situation("gone again amid its recovery", gone_again, guests=_RETRIED),
        _situation("boots as it is evacuated", boots_meanwhile, guests=_RETRIED[3:]),
        _situation("nowhere to go", nowhere),
        _situation("no room, and returned", orders.full, guests=_SIX),
        _situation("returns unseen", returns_unseen),
        _situation("dies twice", dies_twice),
        _situation("groups", orders.in_groups, guests=_MIXTURE, must_recover=True),
        _situation("groups, some fail", orders.with_failures, guests=_SIX, must_recover=True),
        _situation("groups, engine dies", orders.engine_dies, guests=_SIX, must_recover=True),
        _situation("groups, unplaceable", orders.unplaceable, guests=_SIX, must_recover=True),
        _situation(
            "ruled out",
            orders.ruled_out,
            guests=_SIX,
            options={"recover_never": "name:none, metadata:spare"},
        ),
        _situation("groups, deleted", orders.deleted, guests=("active",) * 3),
        _situation(
            "limited domain",
            orders.limited_domain,
            guests=_MANY,
            must_recover=True,
            limits="segment=1",
        ),
        _situation("groups, reserved host", orders.with_failures, guests=_SIX, **_RESERVED),
    )
}
