"""What can happen in a simulated cloud, in words that situations use."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from simulation.core.kernel import Process
from simulation.simulation import Simulation
from simulation.world import Guest, Hypervisor

STOPPED = {"event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL"}
ONLINE = {"event": "STOPPED", "cluster_status": "ONLINE", "host_status": "NORMAL"}

RESTART = 8
"""How often an operator is told that nova-compute has to be restarted before they do it."""

NOTICED = 5.0
"""Seconds from a host's boot until it is connected to: the notifiers look every 3 s."""


def later(sim: Simulation, seconds: float, what: Callable[..., Any], *args: Any) -> None:
    """Have something happen later; nothing is over before it has."""
    sim.world.later(seconds, lambda: what(sim, *args))


def once(
    sim: Simulation,
    so: Callable[[Simulation], Any],
    then: Callable[[Simulation], Any],
    look: float = 0.2,
) -> None:
    """Have something done as soon as something is so.

    Args:
        sim: the run.
        so: whether it is.
        then: what is done.
        look: seconds between two looks, of which the first is at once.
    """
    if so(sim):
        then(sim)
    else:
        later(sim, look, once, so, then, look)


def notified(sim: Simulation, *statuses: str) -> bool:
    """Whether any notification is in one of these states."""
    return any(status in statuses for _, status, _ in sim.masakari.notifications())


def controller_back(sim: Simulation) -> None:
    """The power controller can be reached again."""
    sim.world.note_fault("the power controller is back")
    sim.cluster.power_controller = True


def die(sim: Simulation, name: str = "node1") -> None:
    """A hypervisor loses its power."""
    host = sim.world.hosts[name]
    if not host.power:
        return
    sim.world.note_fault(f"{name} loses its power")
    # What has not booted since its fence has nothing that could fail; what has just booted nobody
    # can have noticed, and without power it runs nothing.
    if host.up and sim.kernel.now - host.booted > NOTICED:
        host.failed = sim.kernel.now
    sim.world.power_off(host)
    host.out = True


def cut_off(sim: Simulation, name: str = "node1") -> None:
    """A hypervisor is not reached any more; its guests run on."""
    host = sim.world.hosts[name]
    sim.world.note_fault(f"{name} is not reached any more")
    host.failed = sim.kernel.now if host.up else host.failed
    host.last_seen = sim.nova.seen(host)
    host.reachable, host.out = False, True
    sim.cluster.connections.look_at(name)


def lose_storage(sim: Simulation, name: str = "node1") -> None:
    """A hypervisor loses its storage network, which a monitor reports as ONLINE and failed."""
    host = sim.world.hosts[name]
    if not host.up:
        return
    sim.world.note_fault(f"{name} loses its storage")
    host.storage, host.failed, host.out = False, sim.kernel.now, True
    report(sim, host, ONLINE)


def report(
    sim: Simulation, host: Hypervisor, payload: dict[str, str], *, age: float = 0.0
) -> None:
    """A monitor on another hypervisor reports a host; it tries again until it is answered."""
    moment = datetime.datetime.fromtimestamp(sim.kernel.now - age, datetime.timezone.utc)
    notify(sim, "COMPUTE_HOST", host.nova_name, payload, moment)


def notify(
    sim: Simulation, kind: str, host: str, payload: dict[str, str], moment: datetime.datetime
) -> None:
    """Post a notification as masakari-monitors do: again after an error, not after a 409.

    The monitors' sender (`masakari-monitor-sender`) repeats a guest's report that is refused as a
    duplicate, with the present time, for as long as the guest is dead.
    """
    body = {
        "notification": {
            "type": kind,
            "hostname": host,
            "generated_time": moment.strftime("%Y-%m-%dT%H:%M:%S"),
            "payload": payload,
        }
    }
    process = Process(sim.kernel, "monitor", _Elsewhere())

    def dead() -> bool:
        uuid = payload.get("instance_uuid")
        return uuid in sim.world.guests and not sim.world.running_on(str(uuid))

    def send() -> None:
        for _ in range(120):
            for unit in sim.world.units.values():
                try:
                    code, answer = sim.masakari.api.serve(unit, "POST", "/notifications", body)
                except OSError:
                    continue
                if code == 409 and kind == "VM" and "duplicate" in str(answer) and dead():
                    body["notification"]["generated_time"] = _now(sim)
                    break
                if code < 500:
                    sim.kernel.trace("monitor", f"{kind} of {host}: HTTP {code}")
                    return
            sim.kernel.sleep(5.0 if dead() else 10.0)

    sim.kernel.spawn(process, send)


def _now(sim: Simulation) -> str:
    moment = datetime.datetime.fromtimestamp(sim.kernel.now, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


class _Elsewhere:
    """What is no unit of ours."""

    name, skew, boots, isolated = "elsewhere", 0.0, 1, False

    def __init__(self) -> None:
        self.files: dict[str, Any] = {}
        self.processes: list[Any] = []


def crash_guest(sim: Simulation, guest: Guest) -> None:
    """A guest's QEMU dies; the instance monitor of its host reports it."""
    host = next(h for h in sim.world.hosts.values() if h.nova_name == guest.host)
    if guest.uuid not in host.qemu or guest.task_state is not None:
        return
    sim.world.note_fault(f"QEMU of {guest.uuid[:8]} dies")
    sim.nova.computes.crash_guest(guest)
    payload = {
        "event": "LIFECYCLE",
        "instance_uuid": guest.uuid,
        "vir_domain_event": "STOPPED_FAILED",
    }
    moment = datetime.datetime.fromtimestamp(sim.kernel.now, datetime.timezone.utc)
    notify(sim, "VM", guest.host, payload, moment)


def delete_guest(sim: Simulation, guest: Guest) -> None:
    """Its owner deletes a guest."""
    if guest.uuid in sim.world.guests:
        sim.world.note_fault(f"{guest.uuid[:8]} is to be deleted")
        sim.nova.requests.delete(guest)


def take_back(sim: Simulation, name: str = "node1", patience: float = 1200.0) -> None:
    """An operator takes a hypervisor back, as soon as it is there and Masakari lets them."""
    host = sim.world.hosts[name]
    process = Process(sim.kernel, "operator", _Elsewhere())
    unit = next(iter(sim.world.units.values()))
    sim.world.pending += 1

    def work() -> None:
        end, refused = sim.kernel.now + patience, 0
        while sim.kernel.now < end:
            there = sim.world.healthy(host) and sim.cluster.remotes[name].role == "Started"
            free = there and _let_go(sim, host)
            if free and _taken_back(sim, host, unit):
                break
            refused = refused + 1 if there and not free else 0
            if refused == RESTART:
                # As `return-host` says, which looks at what it does itself, too.
                refused = 0
                sim.world.note_fault(f"nova-compute is restarted on {name}")
                sim.world.start_compute(host)
            sim.kernel.sleep(15.0)
        sim.world.pending -= 1

    sim.kernel.spawn(process, work)


def _let_go(sim: Simulation, host: Hypervisor) -> bool:
    """Whether Nova would have a host be used again, and no instance run into its next start."""
    return not any(
        one.source_compute == host.nova_name
        and one.status in ("done", "accepted", "pre-migrating")
        for one in sim.nova.migrations
    )


def _taken_back(sim: Simulation, host: Hypervisor, unit: Any) -> bool:
    from novaclient import exceptions

    found = sim.masakari.hosts().get(host.nova_name)
    service = sim.nova.services[host.nova_name]
    path = f"/segments/{sim.segment.uuid}/hosts/{found[1]}"
    try:
        code, _ = sim.masakari.api.serve(unit, "PUT", path, {"host": {"on_maintenance": False}})
        if code != 200:
            return False
        if service.forced_down:
            sim.nova.set_forced_down(service, False)
        sim.nova.set_enabled(service, True)
    except (OSError, exceptions.ClientException):
        return False
    host.service, host.out = sim.kernel.now, False
    sim.world.note_fault(f"{host.name} is back in service")
    return True


def switch_off(sim: Simulation) -> None:
    """The operator disables the segment; nothing is expected of its guests any more."""
    from simulation.models.masakari import database

    sim.world.note_fault("the segment is disabled")
    sim.masakari.disabled = sim.kernel.now
    database.change_segments("enabled", False)


def scheduler(sim: Simulation, begin: float, seconds: float) -> None:
    """Nova's scheduler is away; what waits for it is done when it is back."""

    def gone(s: Simulation, away: bool) -> None:
        s.world.note_fault(f"Nova's scheduler: away={away}")
        s.nova.scheduler_gone = s.kernel.now if away else 0.0

    later(sim, begin, gone, True)
    later(sim, begin + seconds, gone, False)


def add_new(sim: Simulation, name: str = "node9") -> Hypervisor:
    """Add a hypervisor as hacluster does, before its pacemaker_remote is there, with STONITH on.

    Seen with the real charm: UNCLEAN for 46 to 70 s, until its location rule is written; and
    Pacemaker's attempts fail meanwhile, unless a device can fence it already.
    """
    host = sim.cloud.add_host(name, joined=False)
    sim.world.note_fault(f"{name} is being added")
    host.remote = False
    remote = sim.cluster.remotes[name]
    remote.role, remote.unclean, remote.new, remote.started = "Stopped", True, True, 0
    remote.known = False
    remote.failures.append((f"{name}_start_0", "unit1", int(sim.kernel.now)))
    sim.cluster.lists.discard(name)
    sim.commands.add_remote(remote)
    sim.cloud.register(host)
    sim.cluster.changed()
    sim.cluster.fencing.schedule(remote)
    known = 15 + 20 * sim.rng.random()

    def listed(sim: Simulation) -> None:
        sim.cluster.lists.add(name)
        sim.cluster.changed()

    def clean(sim: Simulation) -> None:
        remote.unclean = False
        sim.cluster.connections.plan(remote, 5.0)
        sim.cluster.changed()

    def installed(sim: Simulation) -> None:
        host.remote = True
        sim.world.note_fault(f"{name} is ready")

    later(sim, known, listed)
    later(sim, 46 + 24 * sim.rng.random(), clean)
    later(sim, 100 + 200 * sim.rng.random(), installed)
    return host


def restart_cluster(sim: Simulation) -> None:
    """Everything of the cluster is restarted: its status is lost, and with it every record."""
    sim.world.note_fault("the whole cluster is restarted")
    sim.cluster.membership.restart()


def reboot(sim: Simulation, name: str, seconds: float | None) -> None:
    """Its operator reboots a hypervisor in good order, or leaves it off (None)."""
    host = sim.world.hosts[name]
    sim.world.note_fault(f"{name} is {'rebooted' if seconds else 'switched off'} by its operator")
    sim.world.power_off(host)
    sim.expect_nothing(name)
    host.repair, host.boot_time = True, seconds
    if seconds is not None:
        sim.world.power_on(host)


def blip(sim: Simulation, name: str, seconds: float) -> None:
    """A hypervisor is not reached for some seconds."""
    cut_off(sim, name)
    host = sim.world.hosts[name]
    boots = host.boots

    def back() -> None:
        if host.boots == boot_of_cut:
            sim.world.note_fault(f"{name} is reached again")
            host.reachable, host.failed = True, None
            if not sim.cluster.remotes[name].unclean:
                host.out = False

    boot_of_cut = boots
    sim.world.later(seconds, back)


def die_other(sim: Simulation) -> None:
    """Another hypervisor loses its power."""
    die(sim, "node3")
