"""Situations in which a host is taken back into service whose recovery has not ended well."""

from __future__ import annotations

from simulation.core.faults import Strike
from simulation.core.kernel import START, Process
from simulation.scenarios import events
from simulation.simulation import Simulation


def action_returns(sim: Simulation, name: str = "node1", patience: float = 1200.0) -> None:
    """`return-host` takes it back, as soon as it is there and Masakari lets it."""
    from masakari_fencing.pacemaker.tools import PacemakerError

    host = sim.world.hosts[name]
    unit = next(iter(sim.world.units.values()))
    process = Process(sim.kernel, "operator", unit)
    sim.world.pending += 1

    def work() -> None:
        end = sim.kernel.now + patience
        while sim.kernel.now < end:
            there = sim.world.healthy(host) and sim.cluster.remotes[name].role == "Started"
            if there and not _busy(sim):
                try:
                    mark(name, True)
                except PacemakerError:
                    sim.kernel.sleep(5.0)
                    continue
                if events._taken_back(sim, host, unit):
                    break
                mark(name, False)
            sim.kernel.sleep(5.0)
        sim.world.pending -= 1

    sim.kernel.spawn(process, work)


def _busy(sim: Simulation) -> bool:
    """Whether a recovery is not at its end."""
    return events.notified(sim, "new", "running", "error")


def mark(name: str, returned: bool) -> None:
    """Write down that it is being taken back, or not after all, as the action does."""
    from masakari_fencing.commands import Subprocess
    from masakari_fencing.records import recoveries

    recoveries.mark_returned(Subprocess(), name, returned)


def reported_works(sim: Simulation) -> None:
    """A host that works is reported; there is no reserved host; its operator takes it back."""
    host = sim.world.hosts["node1"]
    events.report(sim, host, events.ONLINE)
    host.out = True
    events.later(sim, 30.0 + 60 * sim.rng.random(), events.take_back)


def listing_fails(sim: Simulation) -> None:
    """All hosts die, and boot; Nova lists no instances meanwhile; they are taken back."""
    for name, host in sim.world.hosts.items():
        host.boot_time = 25.0
        events.die(sim, name)
    for _ in range(400):
        sim.faults.strikes.append(Strike("error", "engine", 1, 0.0, "nova", "servers.list"))

    def again(s: Simulation) -> None:
        s.world.note_fault("Nova lists instances again")
        s.faults.strikes.clear()

    events.later(sim, 600.0, again)
    for name in sim.world.hosts:
        events.later(sim, 620.0, events.take_back, name)


def held_and_taken_back(sim: Simulation) -> None:
    """A host is off for its recovery, which fails; its operator ends its maintenance meanwhile."""
    host = sim.world.hosts["node1"]
    host.boot_time = 10.0
    sim.cluster.reconnect_interval = 5.0
    events.die(sim)
    for _ in range(800):
        strike = Strike("error", "engine", 1, 0.0, "nova", "servers.evacuate")
        sim.faults.strikes.append(strike)
    unit = next(iter(sim.world.units.values()))

    def held(s: Simulation) -> bool:
        return host.booted and not host.power and s.kernel.now > START + 80 and not _busy(s)

    def end_maintenance(s: Simulation) -> None:
        found = s.masakari.hosts().get(host.nova_name)
        path = f"/segments/{s.segment.uuid}/hosts/{found[1]}"

        def put() -> None:
            body = {"host": {"on_maintenance": False}}
            code, _ = s.masakari.api.serve(unit, "PUT", path, body)
            if code == 200:
                s.world.note_fault("node1's maintenance is ended by its operator")
                s.faults.strikes.clear()
                events.later(s, 1500.0, judge)
            else:
                events.later(s, 0.5, events.once, held, end_maintenance, 0.5)

        s.kernel.spawn(Process(s.kernel, "operator", events._Elsewhere()), put)

    def judge(s: Simulation) -> None:
        if not host.power:
            s.world.violate("kept off for ever", host.name)

    events.once(sim, held, end_maintenance, 0.5)


def dies_as_it_is_returned(sim: Simulation) -> None:
    """No room; `return-host` returns it, nova-compute stops what it does not run; it dies."""
    for guest in sim.world.guests.values():
        guest.unplaceable = True
    host = sim.world.hosts["node1"]
    host.boot_time, host.compute_delay = 10 + 20 * sim.rng.random(), (0.5, 1.0)
    events.die(sim)
    events.later(sim, 60 + 60 * sim.rng.random(), action_returns)

    def again(s: Simulation) -> None:
        for guest in s.world.guests.values():
            guest.unplaceable = False
        events.die(s)

    def returned(s: Simulation) -> None:
        events.later(s, 12 * s.rng.random(), again)

    events.later(sim, 62.0, events.once, lambda s: host.out is False, returned)


def started_never_dies(sim: Simulation) -> None:
    """The host is back before any engine hears, Nova lists nothing, it dies much later."""
    host = sim.world.hosts["node1"]
    host.boot_time, host.compute_delay = 8.0, (1.0, 2.0)
    sim.cluster.reconnect_interval = 5.0
    sim.faults.messages = [0]
    events.die(sim)
    for _ in range(400):
        sim.faults.strikes.append(Strike("error", "engine", 1, 0.0, "nova", "servers.list"))

    def ended(s: Simulation) -> bool:
        service = s.nova.services[host.nova_name]
        serves = service.enabled and not service.forced_down
        return events.notified(s, "error", "failed") and serves

    def dies(s: Simulation) -> None:
        events.die(s)
        events.later(s, 30.0, lists)

    def lists(s: Simulation) -> None:
        s.world.note_fault("Nova lists instances again")
        s.faults.strikes.clear()

    events.once(sim, ended, lambda s: events.later(s, 60 * s.rng.random(), dies))


def away_at_the_end(sim: Simulation) -> None:
    """Its instances were started on the host that was back, and Nova is away before that ends."""
    host = sim.world.hosts["node1"]
    host.boot_time, host.compute_delay = 8.0, (1.0, 2.0)
    sim.cluster.reconnect_interval = 5.0
    sim.faults.messages = [0]
    events.die(sim)

    def begun(s: Simulation) -> bool:
        actions = [a.action for g in s.world.guests.values() for a in g.actions]
        return bool({"start", "reboot"} & set(actions))

    def recovered(s: Simulation) -> bool:
        ends = [one.end for one in s.judgement.records()]
        return any(end and end.outcome == "recovered" for end in ends)

    def away(s: Simulation) -> None:
        s.faults.outage("nova", 300 + 200 * s.rng.random())
        events.later(s, 900.0, judge)

    def judge(s: Simulation) -> None:
        service = s.nova.services[host.nova_name]
        serves = service.enabled and not service.forced_down
        if serves and s.masakari.on_maintenance(host.nova_name):
            s.world.violate("in service, and stays in maintenance", host.name)

    events.once(sim, begun, lambda s: events.once(s, recovered, away, 0.001), 0.1)


def reserved_and_returned_twice(sim: Simulation) -> None:
    """Nothing fits a reserved host that was taken; its host is returned, and once more."""
    host = sim.world.hosts["node1"]
    host.boot_time = 10.0
    for guest in sim.world.guests.values():
        guest.unplaceable = True
    events.die(sim)
    for name in ("start", "reboot"):
        for _ in range(400):
            strike = Strike("error", "engine", 1, 0.0, "nova", f"servers.{name}")
            sim.faults.strikes.append(strike)
    events.later(sim, 60.0, action_returns)

    def failed(s: Simulation) -> bool:
        return any(s.faults.strikes[n].done for n in (0, 400)) and not _busy(s)

    def again(s: Simulation) -> None:
        action_returns(s)
        events.later(s, 60.0, lambda x: x.faults.strikes.clear())

    events.later(sim, 62.0, events.once, failed, again, 1.0)
