"""Situations about single guests: they die, are deleted, or fit nowhere."""

from __future__ import annotations

from simulation.models.nova.records import Migration
from simulation.scenarios import events
from simulation.simulation import Simulation


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


def arrives_late(sim: Simulation) -> None:
    """A host dies at the end of a live migration to it, of which Nova learns a minute later."""
    # Source only: nova/compute/manager.py: _post_live_migration_update_host
    guest = next(iter(sim.world.guests.values()))
    guest.host, guest.task_state = "node2", "migrating"
    now = sim.kernel.now
    record = Migration(guest.uuid, "node2", "node1", "running", now, now, number=1)
    record.migration_type = "live-migration"
    sim.nova.migrations.append(record)
    events.die(sim)

    def arrive(s: Simulation) -> None:
        guest.host, guest.task_state = "node1", None
        record.status, record.updated = "completed", s.kernel.now
        s.world.note_fault(f"{guest.uuid[:8]} is on node1 now, by Nova's word")

    events.later(sim, 30 + 35 * sim.rng.random(), arrive)


def unplaceable(sim: Simulation) -> None:
    """One guest fits nowhere."""
    next(iter(sim.world.guests.values())).unplaceable = True
    events.die(sim)


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
