"""What nova-compute does by itself: when it starts, and when a process has ended."""

from __future__ import annotations

import functools
from collections.abc import Callable

from simulation.models.nova.part import Part
from simulation.models.nova.records import PAUSED, RUNNING, SHUTDOWN, STARTED
from simulation.world import Guest, Hypervisor


class Computes(Part):
    """The nova-computes."""

    def started(self, host: Hypervisor) -> None:
        """`init_host`, and the first run of the periodic tasks."""
        # Lab: test_what_was_evacuated_is_cleaned_up_when_nova_compute_starts
        # Lab: test_a_rebuild_that_was_lost_stays
        # Lab: test_a_start_ends_the_last_of_several_evacuations
        # Lab: test_the_next_start_ends_what_runs_there_of_which_one_is_left
        name, boot = host.nova_name, host.boots
        if self.nova.broker_away:
            # It waits for the conductor before it does anything.
            self.nova.waiting.add(host.name)
            self.kernel.after(2.0, lambda: self._started_late(host, boot))
            return
        # `_destroy_evacuated_instances`, which asks not whether anybody works on them, nor where
        # an instance is; and of several records of one it ends the last alone.
        evacuated = {
            migration.instance_uuid: migration
            for migration in self.nova.migrations
            if migration.source_compute == name and migration.migration_type == "evacuation"
            and migration.status in ("accepted", "pre-migrating", "done")
        }  # fmt: skip
        for migration in evacuated.values():
            host.qemu.discard(migration.instance_uuid)
            migration.status, migration.updated = "completed", self.kernel.now
        for guest in list(self.world.guests.values()):
            here = guest.host == name and guest.uuid not in evacuated
            if here and guest.vm_state != "error":
                self._init_instance(guest, host)
        # nova/service.py: start: it listens once that is done.
        for arrive in self.nova.queues.pop(host.name, []):
            soon = 0.2 + 0.3 * self.kernel.rng.random()
            self.kernel.after(soon, functools.partial(self._take, host, boot, arrive))
        wait = 1 + 4 * self.kernel.rng.random()
        self.kernel.after(wait, lambda: self._sync_all(host, boot))

    def _take(self, host: Hypervisor, boot: int, arrive: Callable[[], None]) -> None:
        """Take what has waited; where it has died meanwhile, that waits on."""
        # Lab: test_what_was_to_be_started_runs_twice_once_the_host_is_back
        if host.compute and host.boots == boot:
            arrive()
        else:
            self.nova.queues.setdefault(host.name, []).append(arrive)

    def _started_late(self, host: Hypervisor, boot: int) -> None:
        # Source only: nova/conductor/api.py: wait_until_ready
        self.nova.waiting.discard(host.name)
        if host.compute and host.boots == boot:
            self.started(host)

    def _init_instance(self, guest: Guest, host: Hypervisor) -> None:
        """`_init_instance`: what was asked for is done, what is to run is started."""
        # Lab: test_what_was_being_stopped_is_stopped_when_nova_compute_starts
        # Lab: test_what_is_being_started_is_started_when_nova_compute_starts
        # Lab: test_what_ran_is_started_where_that_is_configured
        # Lab: test_a_rebuild_that_was_lost_is_an_error_once_its_host_starts_again
        task = guest.task_state or ""
        if task.startswith("rebuild") and guest.vm_state in ("active", "stopped"):
            # "Instance failed to rebuild correctly, setting to ERROR state".
            guest.vm_state, guest.task_state = "error", None
            return
        if task.startswith("image_"):
            # "transitional state at start-up clearing task state".
            guest.task_state = None
        if task == "deleting":
            self.nova.requests.deleted(guest)
        elif task == "powering-off":
            self.nova.requests.stopped(guest, host)
        elif task == "powering-on":
            self.nova.instances.begun(guest, STARTED)
            self.nova.requests.run(guest, host)
        elif (
            self.world.resume_guests and guest.power_state == RUNNING
            and guest.uuid not in host.qemu
        ):  # fmt: skip
            self.world.run_guest(host, guest.uuid)

    def _sync_all(self, host: Hypervisor, boot: int) -> None:
        """`_sync_power_states`, which runs at once and each 600 s."""
        # Lab: test_what_was_left_behind_after_the_boot
        if host.boots != boot or not host.compute:
            return
        for guest in list(self.world.guests.values()):
            if guest.host == host.nova_name:
                self._sync(guest, host)

    def _sync(self, guest: Guest, host: Hypervisor) -> None:
        """`_sync_instance_power_state`."""
        # Lab: test_what_was_left_behind_after_the_boot
        # Lab: test_what_was_stopped_and_runs_is_stopped_again
        if not host.compute or guest.host != host.nova_name or guest.task_state is not None:
            return
        if self.nova.broker_away:
            return
        runs = guest.uuid in host.qemu
        up = PAUSED if guest.vm_state == "paused" else RUNNING
        guest.power_state = up if runs else SHUTDOWN
        self.kernel.changed("guests")
        if (guest.vm_state in ("active", "paused") and not runs) or (
            guest.vm_state == "stopped" and runs
        ):
            self.nova.requests.force_stop(guest, "nova")

    def crash_guest(self, guest: Guest) -> None:
        """QEMU dies; nova-compute hears of it, and stops the guest (`handle_lifecycle_event`)."""
        # Lab: test_what_died_is_stopped_by_nova_in_nobodys_name
        self.world.stop_guest(self.nova.host(guest.host), guest.uuid)
        self.lifecycle(guest)

    def lifecycle(self, guest: Guest) -> None:
        """Tell nova-compute, as libvirt does, that a process has begun or ended."""
        # Lab: test_what_was_stopped_and_runs_is_stopped_again
        host = self.nova.host(guest.host)
        self.kernel.after(0.5 + self.kernel.rng.random(), lambda: self._sync(guest, host))
