"""What is asked for of an instance where it is: stop, start, reboot, delete."""

from __future__ import annotations

from typing import Any

from simulation.models.nova.part import Part
from simulation.models.nova.records import ADMIN, NOSTATE, RUNNING, SHUTDOWN, STARTED, Action
from simulation.world import Guest, Hypervisor


class Requests(Part):
    """Requests of the API, and what nova-compute does about them."""

    def delete(self, guest: Guest) -> None:
        """`compute/api.py: _delete`: by the nova-compute, or without it where that is down."""
        # Source only: nova/compute/api.py: _delete
        if guest.locked:
            return
        guest.deleting = guest.disturbed = True
        if self.nova.is_up(guest.host):
            guest.task_state = "deleting"
            self.nova.messages.send(guest, lambda host: self.deleted(guest))
        else:
            self.deleted(guest)
        self.kernel.changed("guests")

    def deleted(self, guest: Guest) -> None:
        """`_delete_instance`: it is shown for a moment as one that is deleted."""
        # Source only: nova/compute/manager.py: _delete_instance
        for host in self.world.hosts.values():
            if host.nova_name == guest.host:
                host.qemu.discard(guest.uuid)
        guest.vm_state, guest.task_state = "deleted", None
        self.kernel.after(0.3, lambda: self._destroyed(guest))
        self.kernel.changed("guests")

    def _destroyed(self, guest: Guest) -> None:
        # Source only: nova/objects/instance.py: destroy
        self.world.guests.pop(guest.uuid, None)
        self.kernel.changed("guests")

    def stop(self, uuid: Any, by: str = ADMIN) -> None:
        """`compute/api.py: stop`; from a dead host nobody answers, and the task stays."""
        # Lab: test_a_stop_and_a_start
        # Lab: test_what_is_stopped_on_a_dead_host_stays_being_stopped
        guest = self.nova.instances.find(uuid)
        self.nova.instances.require(guest, ("active", "error"), "stop")
        self.force_stop(guest, by)

    def force_stop(self, guest: Guest, by: str) -> None:
        # Lab: test_a_stop_and_a_start
        guest.task_state = "powering-off"
        self.nova.instances.note(guest, "stop", by)
        self.kernel.changed("guests")
        # Its own nova-compute asks itself, and has it at once.
        soon = 0.1 if by == "nova" else 1.0
        self.nova.messages.send(guest, lambda host: self.stopped(guest, host), soon)

    def stopped(self, guest: Guest, host: Hypervisor) -> None:
        """`stop_instance`, which asks not whose the instance is by now.

        Where there is no process, it is content with an instance to which nothing is done.
        """
        # Lab: test_a_stop_and_a_start
        # Lab: test_what_was_to_be_stopped_is_recorded_as_stopped
        # One that had waited for the host stops what runs elsewhere by now: nobody can undo that.
        guest.disturbed = guest.disturbed or guest.host != host.nova_name
        tasks = ("powering-off",) if guest.uuid in host.qemu else ("powering-off", None)
        self.world.stop_guest(host, guest.uuid)
        if guest.task_state in tasks:
            guest.vm_state, guest.task_state = "stopped", None
            # Where it was evacuated from, libvirt knows it no more.
            guest.power_state = SHUTDOWN if guest.host == host.nova_name else NOSTATE

    def start(self, uuid: Any) -> None:
        """`compute/api.py: start`."""
        # Lab: test_a_stop_and_a_start
        guest = self.nova.instances.find(uuid)
        self.nova.instances.require(guest, ("stopped",), "start")
        guest.task_state = "powering-on"
        action = self.nova.instances.note(guest, "start")
        self.kernel.changed("guests")
        self.nova.messages.send(guest, lambda host: self.started(guest, host, action))

    def started(self, guest: Guest, host: Hypervisor, action: Action) -> None:
        """`start_instance`, which comes by the broker."""
        # Lab: test_a_stop_and_a_start
        self.nova.instances.begun(guest, STARTED, action)
        self.run(guest, host, gated=False)

    def reboot(self, uuid: Any) -> None:
        """`compute/api.py: _hard_reboot_instance`."""
        # Lab: test_a_hard_reboot
        guest = self.nova.instances.find(uuid)
        self.nova.instances.require(
            guest, ("active", "stopped", "paused", "suspended", "error"), "reboot"
        )
        host = self.nova.host(guest.host)
        if guest.uuid in host.qemu and not host.boots:
            self.world.violate("rebooted while it runs", f"{guest.uuid[:8]} on {guest.host}")
        guest.task_state = "rebooting_hard"
        self.nova.instances.note(guest, "reboot")
        self.kernel.changed()
        self.nova.messages.send(guest, lambda host: self.run(guest, host))

    def run(self, guest: Guest, host: Hypervisor, *, gated: bool = True) -> None:
        """`start_instance`, or `reboot_instance`, which alone looks at the task before (`gated`).

        Neither asks whose the instance is by now.
        """
        # Lab: test_a_stop_and_a_start
        # Lab: test_a_hard_reboot
        # Lab: test_what_was_to_be_started_runs_twice_once_the_host_is_back
        # Lab: test_what_was_to_be_rebooted_is_left_alone
        asked = guest.task_state in ("powering-on", "rebooting_hard")
        if asked or not gated:
            self.world.run_guest(host, guest.uuid)
        if asked:
            guest.vm_state, guest.power_state, guest.task_state = "active", RUNNING, None
            self.kernel.changed("guests")
