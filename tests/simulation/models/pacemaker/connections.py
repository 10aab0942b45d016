"""How remote nodes are connected to, lost, and connected to again."""

from __future__ import annotations

from simulation.models.pacemaker.part import Part
from simulation.models.pacemaker.records import Remote

MONITOR = (1.0, 6.0)
"""Seconds in which a loss is noticed: `remote-monitor-interval` 1 s and timeouts of 5 s."""

START_TIMEOUT = 5.0
"""Seconds of one attempt to connect."""


class Connections(Part):
    """The connections to remote nodes, and the cluster's records of them."""

    def answers(self, remote: Remote) -> bool:
        """Whether a node's pacemaker_remote would answer."""
        host = remote.host
        return host.up and host.remote and host.reachable

    def look_at(self, name: str) -> None:
        """Something has happened to a hypervisor: the monitor notices within its time."""
        # Lab: test_a_node_that_is_lost_is_fenced_and_connected_to_again
        remote = self.cluster.remotes.get(name)
        if remote is not None and remote.role == "Started":
            low, high = MONITOR
            self.kernel.after(low + (high - low) * self.rng.random(), lambda: self._lost(remote))

    def _lost(self, remote: Remote, known: bool = False) -> None:
        # Lab: test_a_node_that_is_lost_is_fenced_and_connected_to_again
        # Lab: test_a_node_that_is_taken_out_of_its_hands_is_not_fenced
        # A monitor that fails is a reason to fence (2.1.5, unpack.c: `unpack_rsc_op_failure`).
        if remote.role != "Started" or (self.answers(remote) and not known) or remote.fenced:
            # One that was fenced just now is stopped by that, and not fenced again.
            return
        if not self.cluster.membership.majority():
            # Nothing follows from it before there is a quorum; who noticed it will know it then.
            known = known or self.cluster.membership.is_there(remote.member)
            self.kernel.after(1.0, lambda: self._lost(remote, known))
            return
        if remote.fencing is not None and remote.fencing.client.startswith("stonith_admin"):
            self.kernel.after(1.0, lambda: self._lost(remote, known))
            return
        remote.role, remote.failed = "Stopped", True
        self._failed_operation(remote, "monitor_1000")
        self.kernel.trace("cluster", f"connection to {remote.name} is lost")
        if remote.managed and self.cluster.stonith:
            remote.unclean = True
            self.cluster.fencing.schedule(remote)
        self.cluster.changed()

    def _failed_operation(self, remote: Remote, operation: str) -> None:
        """A member's executor keeps the last failure of a resource (`RESOURCE_last_failure_0`)."""
        # Lab: test_a_node_that_is_lost_is_fenced_and_connected_to_again
        # Lab: test_a_node_that_was_never_connected
        key, member = f"{remote.name}_{operation}", remote.member
        remote.failures = [failure for failure in remote.failures if failure[1] != member]
        remote.failures.append((key, member, int(self.kernel.now)))

    def move(self, remote: Remote) -> None:
        """The member that held the connection is gone: another one connects."""
        # Lab: test_another_member_takes_over
        remote.role, remote.member = "Stopped", ""
        remote.reconnects += 1
        number = remote.reconnects
        self.kernel.after(1 + self.rng.random(), lambda: self._connect(remote, number))

    def plan(self, remote: Remote, seconds: float | None = None) -> None:
        """Try to connect after `reconnect_interval`."""
        # Lab: test_a_node_that_is_lost_is_fenced_and_connected_to_again
        remote.reconnects += 1
        number = remote.reconnects
        wait = self.cluster.reconnect_interval if seconds is None else seconds
        self.kernel.after(wait, lambda: self._connect(remote, number))

    def _connect(self, remote: Remote, number: int) -> None:
        # Lab: test_a_node_that_is_lost_is_fenced_and_connected_to_again
        # Lab: test_what_is_lost_when_all_members_restart
        if number != remote.reconnects or remote.role == "Started" or not remote.managed:
            return
        fencing = remote.fencing
        own = fencing is not None and fencing.client.startswith("pacemaker-controld")
        if fencing is not None and own and fencing.origin == self.cluster.dc:
            # Its transition is not over; a new controller knows of none.
            self.kernel.after(1.0, lambda: self._connect(remote, number))
            return
        if not self.cluster.membership.majority():
            self.kernel.after(10.0, lambda: self._connect(remote, number))
            return
        members = self._allowed(remote)
        if not members:
            self.plan(remote, 1.0)
            return
        remote.member = self.rng.choice(members)
        if self.answers(remote):
            self._connected(remote)
            return
        remote.role, remote.failed = "Starting", False
        self.cluster.changed()
        self.kernel.after(START_TIMEOUT, lambda: self._not_connected(remote, number))

    def _allowed(self, remote: Remote) -> list[str]:
        """Return the members that may try to connect: one that failed waits until that expires.

        By `start-failure-is-fatal`, and a failure's timeout of `reconnect_interval` (2.1.5,
        complex.c: `common_unpack`).
        """
        # Lab: test_a_node_that_was_never_connected
        latest = self.kernel.now - self.cluster.reconnect_interval
        failed = {m for key, m, at in remote.failures if key.endswith("start_0") and at > latest}
        return [
            member.name
            for member in self.cluster.membership.majority()
            if member.name not in failed
        ]

    def _connected(self, remote: Remote) -> None:
        # Lab: test_a_node_that_is_lost_is_fenced_and_connected_to_again
        # Lab: test_when_a_node_was_connected
        # `remote_node_up` clears node_fenced (2.1.5, controld_remote_ra.c).
        remote.role, remote.failed, remote.unclean = "Started", False, False
        remote.fenced, remote.known = 0, True
        remote.started = int(self.kernel.now)
        remote.attempts = 0
        remote.host.joined = True
        remote.new = False
        self.cluster.record_machine(remote)
        self.kernel.trace("cluster", f"connected to {remote.name}")
        self.cluster.changed()

    def _not_connected(self, remote: Remote, number: int) -> None:
        # Lab: test_a_node_that_was_never_connected
        # Lab: test_what_is_lost_when_all_members_restart
        if number != remote.reconnects or remote.role != "Starting":
            return
        if self.answers(remote):
            self._connected(remote)
            return
        remote.role, remote.noted = "Stopped", True
        self._failed_operation(remote, "start_0")
        remote.failed = bool(self._allowed(remote))
        if remote.failed:
            # The next member tries at once.
            self.plan(remote, 0.1 + 0.6 * self.rng.random())
        else:
            first = min(at for key, _, at in remote.failures if key.endswith("start_0"))
            rest = first + self.cluster.reconnect_interval - self.kernel.now
            self.plan(remote, max(rest, 1.0))
            if not remote.fenced and self.cluster.stonith:
                # "the connection is unrecoverable" (pcmk_sched_probes.c: `pcmk__schedule_probes`),
                # be it one that never was. It is not shown as unclean, and it is tried once.
                self.cluster.fencing.schedule(remote)
        self.cluster.changed()

    def stop_fenced(self, remote: Remote, fenced: int) -> None:
        """Stop the connection to what was fenced at that moment, unless it is another by now."""
        # Lab: test_a_fence_that_two_ask_for_is_one
        # Lab: test_a_node_that_is_switched_off_and_on
        if remote.role == "Started" and remote.fenced == fenced:
            self._failed_operation(remote, "monitor_1000")
            remote.role = "Stopped"
            self.wait_out(remote)
            self.cluster.changed()

    def wait_out(self, remote: Remote) -> None:
        """A fenced node is connected to once its failure is older than `reconnect_interval`.

        That is the failure's timeout (2.1.5, complex.c: `common_unpack`), and it ends with the
        fence where it is over by then.
        """
        # Lab: test_a_fence_that_fails_is_tried_again_and_confirmed_by_hand
        rest = self.cluster.reconnect_interval
        if remote.failed and remote.failures:
            rest += max(moment for _, _, moment in remote.failures) - self.kernel.now
        remote.failed = rest > 0
        self.plan(remote, max(rest, 1.0))

    def cleanup(self, name: str) -> None:
        """`crm_resource --cleanup`: failures are forgotten, and the connection is tried anew."""
        # Lab: test_failures_that_are_cleaned_up
        remote = self.cluster.remotes[name]
        remote.failures.clear()
        remote.failed = False
        if remote.role != "Started":
            remote.unclean = False
            self.plan(remote, 1.0)
        self.cluster.changed()

    def manage(self, name: str, managed: bool) -> None:
        """Take a connection out of Pacemaker's hands (`is-managed`), or give it back."""
        # Lab: test_a_node_that_is_taken_out_of_its_hands_is_not_fenced
        remote = self.cluster.remotes[name]
        remote.managed = managed
        if managed and remote.role != "Started":
            self.plan(remote, 1.0)
        self.cluster.changed()
