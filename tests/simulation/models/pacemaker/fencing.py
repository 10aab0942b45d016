"""How remote nodes are fenced, and what is recorded of it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from simulation.models.pacemaker.part import Part
from simulation.models.pacemaker.records import Event, Fencing, Remote

# Lab: test_what_is_built_in
ATTEMPTS = 10
"""`stonith-max-attempts`: after so many failures Pacemaker waits for something else to happen."""

PATIENCE = 11.0
"""Seconds after the last attempt in which the notifiers leave it at that (`unfenced_hosts`), and a
look."""

AGENT_START = 0.4
"""Seconds from a fencing's begin to the guard's first look, which is before the power is cut."""

POWER = (0.2, 2.0)
"""Seconds from a power controller's being asked to the power's being off."""

LIMIT = 108.0
"""Seconds after which the fencer gives up a fence of which it hears nothing: 1.2 times what the
device may take (`request_peer_fencing` of 2.1.5, daemons/fenced/fenced_remote.c)."""

STOPS = 1.5
"""Seconds after a fence within which the connection is stopped, by the next transition."""


def in_memory() -> Any:
    """Return `Comebacks` that needs no file: the rule is the guard's own."""
    from masakari_fencing.fence_agent.comebacks import Comebacks

    class InMemory(Comebacks):
        def __init__(self) -> None:
            self._seen: dict[str, tuple[float, float]] = {}

        def forget(self, node: str) -> None:
            self._seen.pop(node, None)

        def _read(self, node: str) -> tuple[float, float] | None:
            return self._seen.get(node)

        def _write(self, node: str, begun: float, last: float) -> None:
            self._seen[node] = (begun, last)

    return InMemory()


class Fences(Part):
    """The controllers, the fencers and the fence agent's guard, which is the real one."""

    def schedule(self, remote: Remote) -> None:
        """The controller has decided to fence."""
        # Lab: test_a_node_that_is_lost_is_fenced_and_connected_to_again
        # Several at once, as `desired.CONCURRENT` asks Pacemaker to.
        # Source only: lib/pacemaker/pcmk_sched_allocate.c (2.1.5): add_nondc_fencing
        if remote.fencing is None and self.cluster.dc and self.cluster.membership.majority():
            action, dc = self.cluster.action, self.cluster.dc
            self.fence(remote, action, "pacemaker-controld.455", dc, lambda done: None)

    def fence(
        self,
        remote: Remote,
        action: str,
        client: str,
        origin: str,
        done: Callable[[bool], None],
    ) -> None:
        """Fence a node; a second request for the same joins the first (2.1.5, fenced_remote.c)."""
        # Lab: test_a_fence_that_two_ask_for_is_one
        if remote.fencing is not None:
            remote.fencing.done.append(done)
            remote.fencing.joined.append((client, origin))
            return
        fencing = Fencing(action, client, origin, self.kernel.now, done=[done])
        remote.fencing = fencing
        self.kernel.trace("cluster", f"fencing of {remote.name} for {client}@{origin} begins")
        self.cluster.changed()
        low, high = self.cluster.fence_delay
        delay = low + (high - low) * self.rng.random()
        able = [m for m in self.cluster.membership.majority() if m.unit.host != remote.name]
        if able and any(member.unit.host for member in self.cluster.members.values()):
            self._hand_over(remote, fencing, self.rng.choice(able).name)
        self.kernel.after(delay, lambda: self._fenced(remote, fencing))

    def _hand_over(self, remote: Remote, fencing: Fencing, member: str) -> None:
        """Have a member carry it out which may die of another fence meanwhile."""
        # Source only: daemons/fenced/fenced_remote.c: request_peer_fencing
        from masakari_fencing.fence_agent.fencing_lock import FencingLock

        def begin() -> None:
            if self._there(fencing) and self._spared(remote, fencing):
                self._ended(remote, fencing, works=False)

        fencing.by = member
        fencing.lock = FencingLock(self.cluster.fencer(member), clock=lambda: self.kernel.now)
        self.kernel.after(AGENT_START, begin)

    def _there(self, fencing: Fencing) -> bool:
        # Source only: daemons/fenced/fenced_remote.c: request_peer_fencing
        return not fencing.by or self.cluster.members[fencing.by].up

    def _fenced(self, remote: Remote, fencing: Fencing) -> None:
        # Lab: test_a_node_that_is_lost_is_fenced_and_connected_to_again
        # Lab: test_a_fence_that_fails_is_tried_again_and_confirmed_by_hand
        if remote.fencing is not fencing:
            return
        if not self._there(fencing):
            # Nobody has a word of it.
            self.kernel.after(LIMIT, lambda: self._ended(remote, fencing, works=False))
            return
        works = (
            self.cluster.power_controller
            and remote.name in self.cluster.lists
            and not self._spared(remote, fencing)
        )
        if works and fencing.by:
            low, high = POWER
            wait = low + (high - low) * self.rng.random()
            self.kernel.after(wait, lambda: self._cut(remote, fencing))
        else:
            self._ended(remote, fencing, works=works)

    def _cut(self, remote: Remote, fencing: Fencing) -> None:
        """The power goes, whether or not the member that wanted it is still there."""
        # Source only: daemons/fenced/fenced_remote.c: request_peer_fencing
        if self._there(fencing):
            self._ended(remote, fencing, works=True)
            return
        self.world.fence(remote.host, fencing.action, fencing.client, lambda: False)
        self.kernel.after(LIMIT, lambda: self._ended(remote, fencing, works=False))

    def _ended(self, remote: Remote, fencing: Fencing, *, works: bool) -> None:
        # Lab: test_a_node_that_is_lost_is_fenced_and_connected_to_again
        # Lab: test_a_fence_that_fails_is_tried_again_and_confirmed_by_hand
        remote.fencing = None
        if fencing.lock is not None and self._there(fencing):
            if works:
                fencing.lock.keep()
            fencing.lock.give_back()
        status = "success" if works else "failed"
        moment = int(self.kernel.now)
        # Each that asked has an entry.
        for client, origin in ((fencing.client, fencing.origin), *fencing.joined):
            event = Event(remote.name, fencing.action, client, origin, status, moment)
            self.cluster.history.insert(0, event)
        self.kernel.trace("cluster", f"fencing of {remote.name}: {status}")
        if works:
            by = f"{fencing.client}@{fencing.origin}"
            there = functools.partial(self._there, fencing)
            self.world.fence(remote.host, fencing.action, by, there, begun=fencing.begun)
            self._record(remote, moment)
            self.cluster.alerts.tell(remote.name, fencing)
        else:
            remote.attempts += 1
            mine = fencing.client.startswith("pacemaker-controld")
            if remote.unclean and mine and remote.attempts < ATTEMPTS:
                self.kernel.after(2.0, lambda: self._again(remote))
            else:
                # Time alone makes the notifiers act now, which look seldom at what is quiet.
                self.kernel.after(PATIENCE, self.cluster.changed)
        self.cluster.changed()
        for done in fencing.done:
            done(works)

    def _record(self, remote: Remote, moment: int) -> None:
        """Record a fence; what was connected is stopped later, as if its monitor had failed.

        By `send_stonith_update` and `remote_ra_fail` (2.1.5, controld_fencing.c).
        """
        # Lab: test_a_fence_that_two_ask_for_is_one
        # Lab: test_a_node_that_is_switched_off_and_on
        remote.fenced, remote.known, remote.unclean, remote.attempts = moment, True, False, 0
        if remote.role == "Started":
            stop, wait = self.cluster.connections.stop_fenced, STOPS * self.rng.random()
            self.kernel.after(wait, lambda: stop(remote, moment))
            return
        remote.role = "Stopped"
        self.cluster.connections.wait_out(remote)

    def _spared(self, remote: Remote, fencing: Fencing) -> bool:
        """Whether the guard in front of the power refuses this one; it is the real one."""
        from masakari_fencing.fence_agent import limit
        from masakari_fencing.pacemaker.fencing_limit import FencingLimit

        self.cluster.comebacks = self.cluster.comebacks or in_memory()

        try:
            refusal = limit.check(
                self.cluster.fencer(fencing.by),
                remote.name,
                FencingLimit(max_hosts=0),
                begun=fencing.begun,
                lock=fencing.lock,
                probes=limit.Probes(
                    returned=lambda *_: self.cluster.connections.answers(remote),
                    comebacks=self.cluster.comebacks,
                    clock=lambda: self.kernel.now,
                ),
            )
        except limit.Spared as error:
            refusal = str(error)
        if refusal is not None:
            self.kernel.trace("cluster", f"{remote.name} is spared: {refusal}")
        return refusal is not None

    def _again(self, remote: Remote) -> None:
        # Lab: test_a_fence_that_fails_is_tried_again_and_confirmed_by_hand
        if remote.unclean and remote.fencing is None:
            self.schedule(remote)

    def confirm(self, name: str) -> None:
        """`stonith_admin --confirm`: the operator's word."""
        # Lab: test_a_fence_that_fails_is_tried_again_and_confirmed_by_hand
        remote = self.cluster.remotes[name]
        dc, moment = self.cluster.dc, int(self.kernel.now)
        event = Event(name, "off", "stonith_admin.1", dc, "success", moment)
        self.cluster.history.insert(0, event)
        self._record(remote, moment)
        self.cluster.alerts.tell(name, Fencing("off", "stonith_admin.1", dc, self.kernel.now))
        self.cluster.changed()
