"""The directed situations, each of which was once a fault."""

from __future__ import annotations

from collections.abc import Callable

from simulation.core.faults import Strike
from simulation.models.nova.records import Migration
from simulation.scenarios import events, hosts, lives, orders, returns
from simulation.simulation import Simulation, Situation

EVERY_STATE = (
    "active", "active/image_uploading", "resized", "paused", "rescued", "suspended", "stopped",
    "stopped/powering-on", "active/powering-off", "error", "locked",
)  # fmt: skip


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
    """One guest fits hosts.nowhere."""
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
        if any(status == "new" for _, status, _ in s.masakari.notifications()):
            s.faults.isolate(s.world.units["unit1"], 16 + 8 * s.rng.random())
        else:
            events.later(s, 0.01, cut)

    cut(sim)


def scheduler_away(sim: Simulation) -> None:
    """Nova's scheduler is away for minutes as a host dies, and does what waits once it is back."""
    events.scheduler(sim, 8.0, 100 + 200 * sim.rng.random())
    events.die(sim)


def answers_lost(sim: Simulation) -> None:
    """Nova's broker is away as guests come up elsewhere, which is not written down then."""
    sim.nova.held = 1.0
    events.die(sim)

    def comes(s: Simulation) -> None:
        if any(m.status == "pre-migrating" for m in s.nova.migrations):
            begin = 4 * s.rng.random()
            for seconds, gone in ((begin, True), (begin + 5 + 20 * s.rng.random(), False)):
                events.later(
                    s, seconds, lambda x, value: setattr(x.nova, "broker_away", value), gone
                )
        else:
            events.later(s, 0.2, comes)

    comes(sim)


def without_quorum(sim: Simulation) -> None:
    """There is no quorum for longer than an engine waits to begin, or to end, a recovery.

    And Masakari tries it but once more.
    """
    name = "notification_update"
    sim.faults.strikes.append(Strike("error", "engine", 1, 0.0, "db", name))
    events.die(sim)

    def gone(s: Simulation) -> None:
        if s.world.hosts["node1"].fenced:
            s.faults.pacemaker_away(s.world.units["unit1"], 950 + 100 * s.rng.random())
            s.faults.pause_unit(s.world.units["unit2"], 1100.0)
        else:
            events.later(s, 0.05, gone)

    gone(sim)


def ends_without_quorum(sim: Simulation) -> None:
    """There is no quorum for a quarter of an hour and longer as a recovery is to end."""
    sim.nova.rebuild_time = (5.0, 10.0)
    events.die(sim)

    def gone(s: Simulation) -> None:
        if s.nova.migrations:
            for name in s.rng.sample(["unit1", "unit2", "unit3"], 2):
                s.faults.pacemaker_away(s.world.units[name], 1000 + 100 * s.rng.random())
        else:
            events.later(s, 0.2, gone)

    gone(sim)


def proxy(sim: Simulation) -> None:
    """A proxy answers for Masakari's API, with a page of its own, while a host dies."""
    sim.faults.proxy = True
    events.die(sim)
    sim.faults.outage("api", 60 + 60 * sim.rng.random())


def reporter_dies(sim: Simulation) -> None:
    """The member whose turn it is dies before it has reported the fence, and for good."""
    sim.faults.strikes.append(Strike("crash", "notifier unit1", 1, float("inf"), "api", "POST"))
    events.die(sim)


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


def _situation(name: str, begin: Callable[[Simulation], None], **more: object) -> Situation:
    return Situation(name, begin, **more)  # type: ignore[arg-type]


_RESERVED = {"method": "reserved_host", "reserved": 1, "must_recover": True}
_MANY = ("active",) * 12
_RESUMED = {"guests": ("active",) * 4, "resume_guests": True}
_SIX = ("active",) * 6
_MIXTURE = ("active", "stopped", "active", "paused", "locked", "active", "error", "active")

SITUATIONS = {
    found.name: found
    for found in (
        _situation("host dies", hosts.host_dies),
        _situation("two hosts die, lost messages", hosts.two_hosts_die),
        _situation("resumed unit", resumed_unit),
        _situation("API away for hours", api_away_for_hours),
        _situation("second report", second_report),
        _situation("pacemaker away", pacemaker_away),
        _situation("database restarts", database_restarts, guests=("active",) * 3),
        _situation("early boot", hosts.early_boot, guests=_MANY),
        _situation(
            "early boot, guests resumed", hosts.early_boot, guests=_MANY, resume_guests=True
        ),
        _situation("dies while locked", dies_while_locked),
        _situation("late request", late_request, guests=("resized",)),
        _situation("every state", hosts.host_dies, guests=EVERY_STATE),
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
        _situation("nova-compute late", hosts.compute_late, guests=_MANY, resume_guests=True),
        _situation("no proof", without_proof),
        _situation("reported again", reported_again),
        _situation("listed late", listed_late),
        _situation("Nova away meanwhile", nova_away_meanwhile),
        _situation("Nova away for long", nova_away_for_long, must_recover=True),
        _situation("Nova away for nothing", nova_away_for_nothing, must_recover=True),
        _situation("dies without a record", without_record),
        _situation("scheduler away", scheduler_away, guests=_SIX),
        _situation("answers lost", answers_lost, guests=_SIX),
        _situation("cut off as it begins", begins_cut_off),
        _situation("no quorum", without_quorum, must_recover=True),
        _situation("no quorum at the end", ends_without_quorum, guests=_SIX, must_recover=True),
        _situation("disabled, dies", hosts.disabled_dies),
        _situation("fails again and again", hosts.fails_again, must_recover=True),
        _situation("back before its recovery", hosts.back_before),
        _situation("partly started, dies", hosts.partly_started, must_recover=True),
        _situation("reporter dies", reporter_dies),
        _situation("taken back in Nova", hosts.taken_back_in_nova),
        _situation("lost for a moment", hosts.lost_for_a_moment),
        _situation("back as it is fenced", hosts.back_as_it_is_fenced),
        _situation("deleted meanwhile", deleted_meanwhile),
        _situation("dies at a migration's end", migrated_at_the_end),
        _situation("started anew", hosts.started_anew, must_recover=True),
        _situation("proxy", proxy),
        _situation("inquorate member", inquorate),
        _situation("segment disabled", segment_disabled),
        _situation("disabled, reported", disabled_report),
        _situation("other name of the hypervisor", hosts.host_dies, suffix=".maas"),
        _situation("other name in the cluster", hosts.unknown_name, host_suffix=".maas"),
        _situation("forged report", forged),
        _situation("storage lost", hosts.storage_lost),
        _situation("isolated", hosts.isolated_host),
        _situation("guest dies twice", guest_dies_twice),
        _situation("guest's start is lost", start_is_lost),
        _situation("guest given up", instance_given_up),
        _situation("new hypervisor", hosts.new_hypervisor),
        _situation("cluster restarts", cluster_restarts),
        _situation("power controller away", slow_controller),
        _situation("member goes too", hosts.member_goes_too),
        _situation("carriers of members", hosts.carriers_lost, carriers=2),
        _situation("carrier boots early", hosts.carrier_boots, carriers=1),
        _situation("carrier held", hosts.carrier_held, carriers=2),
        _situation("taken back early", hosts.taken_back_early),
        _situation("dies as it is started", hosts.dies_as_it_is_started),
        _situation("dies once it is started", hosts.dies_once_it_is_started),
        _situation("all die", hosts.all_die),
        _situation("gone again amid its recovery", hosts.gone_again, **_RESUMED),
        _situation("boots as it is evacuated", hosts.boots_meanwhile, **_RESUMED),
        _situation("nowhere to go", hosts.nowhere),
        _situation("no room, and returned", orders.full, guests=_SIX),
        _situation("returns unseen", hosts.returns_unseen),
        _situation("dies twice", hosts.dies_twice),
        _situation("boots and dies without quorum", hosts.boots_without_quorum),
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
        _situation("reported, and works", returns.reported_works, method="reserved_host"),
        _situation("all die, none is listed", returns.listing_fails),
        _situation("held, maintenance ended", returns.held_and_taken_back),
        _situation("dies as it is returned", returns.dies_as_it_is_returned),
        _situation("none is started, dies", returns.started_never_dies),
        _situation("started, Nova away at the end", returns.away_at_the_end),
        _situation(
            "reserved host, returned twice",
            returns.reserved_and_returned_twice,
            method="reserved_host",
            reserved=1,
        ),
        _situation("a record's life", lives.begin, guests=("active",) * 3),
        _situation(
            "a record's life, reserved host",
            lives.begin,
            guests=("active",) * 3,
            method="reserved_host",
            reserved=1,
        ),
    )
}
