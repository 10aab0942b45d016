"""What nova-compute does of an evacuation on the host that was found."""

from __future__ import annotations

from simulation.models.nova.part import Part
from simulation.models.nova.records import (
    NOSTATE,
    REAP,
    REBUILDS,
    RPC_TIMEOUT,
    RUNNING,
    SHUTDOWN,
    SPAWNING,
    Migration,
    iso,
)
from simulation.world import Guest, Hypervisor


class Rebuilds(Part):
    """An instance is started on its new host."""

    def claim(self, guest: Guest, migration: Migration, host: Hypervisor) -> None:
        """`resource_tracker.py: _claim_existing_migration`: the new host takes the request.

        It asks not whether the record is another's by now.
        """
        # Lab: test_a_rebuild_that_waits_for_its_host_ends_in_an_error_when_that_is_back
        if guest.uuid not in self.world.guests:
            return
        runs = guest.uuid in self.nova.host(guest.host).qemu
        if (guest.host != migration.source_compute or runs) and not migration.live:
            # Where it runs by now, that leaves it in an error: nobody can undo that.
            guest.disturbed = True
        migration.dest_compute, migration.boot = host.nova_name, host.boots
        migration.event = self.nova.instances.begun(guest, REBUILDS, migration.action)
        if host.refuses == "room":
            self._refused(guest, migration)
            return
        self._set(migration, "pre-migrating")
        low, high = self.nova.rebuild_time
        wait, boot = low + (high - low) * self.kernel.rng.random(), host.boots
        self.kernel.after(wait / 2, lambda: self._spawn(guest, migration, host, boot, wait / 2))

    def give_up(self, guest: Guest, migration: Migration, text: str) -> None:
        # Lab: test_no_valid_host_ends_in_an_error
        self._set(migration, "error")
        guest.vm_state, guest.task_state = "error", None
        guest.fault = {"message": text, "created": iso(self.kernel.now)}
        self.kernel.changed("guests")

    def _set(self, migration: Migration, status: str) -> None:
        migration.status, migration.updated = status, self.kernel.now
        migration.live = status == "pre-migrating"
        self.kernel.changed("guests")

    def _spawn(
        self, guest: Guest, migration: Migration, host: Hypervisor, boot: int, rest: float
    ) -> None:
        """`compute/manager.py: _do_rebuild_instance`: the process is started before the end.

        It asks not whether another host has the record by then.
        """
        # Lab: test_a_task_that_is_reset_before_the_rebuild_has_begun
        if host.boots != boot or not host.compute or guest.uuid not in self.world.guests:
            migration.live = False
            return
        if self.nova.database_away:
            migration.live = False
            return
        if guest.uuid in host.qemu:
            # `_check_instance_exists`; `reverts_task_state`.
            # Lab: test_a_process_that_is_there_already_ends_a_rebuild
            self._failed(guest, migration, f"Instance {guest.uuid} already exists.")
            guest.task_state = None
            return
        if guest.task_state != "rebuilding":
            # instance.save(expected_task_state=[REBUILDING]) fails.
            self._failed(guest, migration, _conflict(guest, "rebuilding"))
            guest.task_state, guest.power_state = "rebuilding", NOSTATE
            return
        # Lab: test_what_the_database_is_not_told_of_a_rebuild
        guest.task_state, guest.power_state = SPAWNING, NOSTATE
        self.kernel.changed("guests")
        self.kernel.after(
            rest * 0.8, lambda: self._started(guest, migration, host, boot, rest * 0.2)
        )

    def _started(
        self, guest: Guest, migration: Migration, host: Hypervisor, boot: int, rest: float
    ) -> None:
        # Lab: test_a_task_that_is_reset_while_the_process_starts
        if host.boots != boot or not host.compute:
            migration.live = False
            return
        if host.refuses == "start":
            self._failed(guest, migration, "Binding failed for port 1")
            guest.task_state = None
            return
        self.world.run_guest(host, guest.uuid)
        self.kernel.after(rest, lambda: self._rebuilt(guest, migration, host, boot))

    def _rebuilt(self, guest: Guest, migration: Migration, host: Hypervisor, boot: int) -> None:
        # Lab: test_which_states_are_evacuated_and_how_they_arrive
        # Lab: test_what_is_deleted_while_its_process_starts
        if host.boots != boot or not host.compute:
            migration.live = False
            return
        if guest.uuid not in self.world.guests:
            # "Instance was deleted while rebuilding": the process stays until it is looked for.
            self.kernel.after(
                REAP * self.kernel.rng.random(), lambda: self._reap(guest, host, boot)
            )
            self._set(migration, "failed")
            return
        if self.nova.broker_away and self.kernel.rng.random() < self.nova.held:
            # The call is lost with the broker, and fails when its time is over.
            self.kernel.after(RPC_TIMEOUT, lambda: self._unanswered(guest, migration, host, boot))
            return
        if self.nova.database_away:
            # The process stays, and nothing is written.
            # Lab: test_what_the_database_is_not_told_of_a_rebuild
            migration.live = False
            return
        if guest.task_state != SPAWNING:
            # instance.save(expected_task_state=[REBUILD_SPAWNING]) fails; the process stays.
            guest.power_state = RUNNING
            self._failed(guest, migration, _conflict(guest, SPAWNING))
            return
        guest.host = host.nova_name
        guest.vm_state, guest.power_state, guest.task_state = "active", RUNNING, None
        if migration.orig_state == "stopped":
            # "bring VM back to stopped" (`_do_rebuild_instance`).
            guest.vm_state, guest.power_state = "stopped", SHUTDOWN
            host.qemu.discard(guest.uuid)
        self._set(migration, "done")
        migration.event |= {"finish_time": iso(self.kernel.now), "result": "Success"}
        self.kernel.trace("nova", f"{guest.uuid[:8]} is rebuilt on {host.name}")

    def _unanswered(self, guest: Guest, migration: Migration, host: Hypervisor, boot: int) -> None:
        """Nobody has answered that a rebuild has ended: it has failed, and its process runs."""
        # Source only: nova/compute/manager.py: rebuild_instance
        migration.live = False
        away = self.nova.broker_away or self.nova.database_away
        if host.boots == boot and host.compute and not away and guest.uuid in self.world.guests:
            self._failed(guest, migration, "MessagingTimeout")
            guest.task_state, guest.power_state = None, RUNNING

    def _reap(self, guest: Guest, host: Hypervisor, boot: int) -> None:
        """`_cleanup_running_deleted_instances`."""
        # Lab: test_what_is_deleted_while_its_process_starts
        if host.boots == boot and host.compute:
            self.world.stop_guest(host, guest.uuid)

    def _failed(self, guest: Guest, migration: Migration, why: str) -> None:
        """`_error_out_instance_on_exception`."""
        # Lab: test_a_task_that_is_reset_before_the_rebuild_has_begun
        # Lab: test_a_task_that_is_reset_while_the_process_starts
        guest.vm_state = "error"
        self._say(guest, migration, why)

    def _refused(self, guest: Guest, migration: Migration) -> None:
        """A claim fails, which leaves the instance as it was (`InstanceFaultRollback`)."""
        # Source only: nova/compute/manager.py: delete_allocation_for_evacuated_instance
        guest.task_state = None
        text = "Insufficient compute resources: Requested instance NUMA topology does not fit"
        self._say(guest, migration, f"Build of instance {guest.uuid} aborted: {text}")

    def _say(self, guest: Guest, migration: Migration, why: str) -> None:
        """Write down why one has failed, where each of three shows it."""
        # Lab: test_why_a_rebuild_has_failed_is_kept_with_its_action
        self._set(migration, "failed")
        now = iso(self.kernel.now)
        guest.fault = {"message": why, "created": now}
        migration.event |= {"finish_time": now, "result": "Error", "details": why}
        self.kernel.changed("guests")


def _conflict(guest: Guest, expected: str) -> str:
    """`exception.py: InstanceUpdateConflict`."""
    # Lab: test_a_task_that_is_reset_before_the_rebuild_has_begun
    # Lab: test_a_task_that_is_reset_while_the_process_starts
    actual = {"task_state": guest.task_state}
    text = f"Conflict updating instance {guest.uuid}. Expected: {{'task_state': ['{expected}']}}."
    return f"{text} Actual: {actual}"
