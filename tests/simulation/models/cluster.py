"""A small model of Pacemaker with remote nodes: connections, fencing, its records and history.

Each rule says where it was seen: in the lab's real Pacemaker 2.1.5 (fixtures of masakari-fencing),
or in the source of that release.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from simulation.core.kernel import Kernel, Process
from simulation.world import Hypervisor, Unit, World

# Lab: test_what_is_built_in
ATTEMPTS = 10
"""`stonith-max-attempts`: after so many failures Pacemaker waits for something else to happen."""

PATIENCE = 11.0
"""Seconds after the last attempt in which the notifiers leave it at that (`unfenced_hosts`), and a
look."""

MONITOR = (1.0, 6.0)
"""Seconds in which a loss is noticed: `remote-monitor-interval` 1 s and timeouts of 5 s."""

AGENT_START = 0.4
"""Seconds from a fencing's begin to the guard's first look, which is before the power is cut."""

POWER = (0.2, 2.0)
"""Seconds from a power controller's being asked to the power's being off."""

LIMIT = 108.0
"""Seconds after which the fencer gives up a fence of which it hears nothing: 1.2 times what the
device may take (`request_peer_fencing` of 2.1.5, daemons/fenced/fenced_remote.c)."""

START_TIMEOUT = 5.0
"""Seconds of one attempt to connect."""

STOPS = 1.5
"""Seconds after a fence within which the connection is stopped, by the next transition."""


@dataclass
class Member:
    """A full member of the cluster; `up`: its Pacemaker runs, or not, `since` then.

    One that `stands` still has forgotten nothing.
    """

    name: str
    unit: Unit
    up: bool = True
    stands: bool = False
    since: float = 0.0


@dataclass
class Remote:
    """The connection to a remote node and the cluster's record of it.

    `known`: the status section has its state and whether it was fenced, which comes with the first
    connection or fence, and goes when all members are restarted (`remote_node_up` of
    pacemaker-controld 2.1.5). `noted`: it has its state alone, which comes with a connection that
    is stopped, be it one that failed (`remote_node_down`).
    """

    name: str
    host: Hypervisor
    role: str = "Started"
    failed: bool = False
    managed: bool = True
    target_role: str = ""
    member: str = ""
    fenced: int = 0
    unclean: bool = False
    started: int = 0
    failures: list[tuple[str, str, int]] = field(default_factory=list)
    fencing: Fencing | None = None
    attempts: int = 0
    reconnects: int = 0
    new: bool = False
    known: bool = True
    noted: bool = False


@dataclass
class Fencing:
    """A fencing that is under way; whoever asks for the same joins it.

    `by`: the member that carries it out, whose `turn` it may be; empty where no member can be
    switched off by it.
    """

    action: str
    client: str
    origin: str
    begun: float
    by: str = ""
    turn: Any = None
    done: list[Callable[[bool], None]] = field(default_factory=list)
    joined: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Event:
    """An entry of the fencing history."""

    target: str
    action: str
    client: str
    origin: str
    status: str
    completed: int


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


class Cluster:
    """The cluster, as its majority sees it."""

    def __init__(self, world: World, kernel: Kernel) -> None:
        self.world = world
        self.kernel = kernel
        self.rng = kernel.rng
        self.members: dict[str, Member] = {}
        self.remotes: dict[str, Remote] = {}
        self.history: list[Event] = []
        self.version = 0
        self.edition = 0
        self.ring = 1
        """Of the membership, which is another one for each."""
        self.reconnect_interval = 60.0
        self.controller_away_until = 0.0
        self.fence_delay = (1.0, 4.0)
        self.power_controller = True
        self.lists: set[str] = set()
        self.action = "reboot"
        self.stonith = True
        self.dc = ""
        self.cib: Any = None
        self.fencer: Any = None
        """Makes what runs commands for the fence agent on a member."""
        self.comebacks: Any = None
        """Since when lost nodes answer, as far as the fence agent was asked."""

    # -- membership -------------------------------------------------------------------------
    def changed(self) -> None:
        """Something that crm_mon and the CIB's status section show is different."""
        self.version += 1
        self.kernel.changed("status")

    def configured(self) -> None:
        """The CIB's configuration is different."""
        self.edition += 1
        self.kernel.changed("configuration")

    def elect(self) -> None:
        """Choose the designated controller: Pacemaker's is the longest-lived; here the first."""
        # Lab: test_another_member_takes_over
        able = [m.name for m in self.majority()]
        if self.dc not in able:
            self.dc = able[0] if able else ""
            self.changed()
            for remote in self.remotes.values():
                if remote.role == "Started" and remote.member not in able:
                    self._move(remote)
        for remote in self.remotes.values():
            if remote.unclean:
                self.schedule_fencing(remote)

    def majority(self) -> list[Member]:
        """Return the members of the part that has quorum."""
        # Lab: test_a_member_that_is_cut_off
        found = [m for m in self.members.values() if m.up and not m.unit.isolated]
        return found if 2 * len(found) > len(self.members) else []

    def has_quorum(self, unit: Unit) -> bool:
        """Whether a unit is in that part."""
        # Lab: test_a_member_knows_its_name_and_its_quorum
        # Lab: test_a_member_that_is_cut_off
        return any(member.unit is unit for member in self.majority())

    def stop_member(self, unit: Unit, *, stands: bool = False) -> None:
        """End a member's Pacemaker, or have it stand still."""
        # Lab: test_a_member_whose_pacemaker_is_stopped
        member = self.members[unit.name]
        member.stands = stands
        if member.up:
            self.ring += 1
            member.up, member.since = False, self.kernel.now
            self.kernel.after(1 + 3 * self.rng.random(), self.elect)
            self.changed()

    def start_member(self, unit: Unit) -> None:
        """Start it again."""
        # Lab: test_a_member_whose_pacemaker_is_stopped
        # Lab: test_a_member_that_starts_alone_has_no_quorum
        member = self.members[unit.name]
        if not any(one.up or one.stands for one in self.members.values()):
            self.restart()
            self.world.leave_to_operator()
        self.ring += 1
        member.up, member.stands, member.since = True, False, self.kernel.now
        self.kernel.after(1.0, self.elect)
        self.changed()

    def restart(self) -> None:
        """All members have been restarted: the status section and the history are lost."""
        # Lab: test_what_is_lost_when_all_members_restart
        for remote in self.remotes.values():
            remote.fenced, remote.unclean, remote.failed = 0, False, False
            remote.started, remote.known, remote.noted = 0, False, False
            remote.failures.clear()
            remote.role = "Stopped"
            self.plan_reconnect(remote, 5.0 + 5 * self.rng.random())
        self.history.clear()
        self.changed()

    def isolate(self, unit: Unit, isolated: bool) -> None:
        """Cut a member off, or let it back in."""
        # Lab: test_a_member_that_is_cut_off
        unit.isolated, unit.isolated_since, unit.ring = isolated, self.kernel.now, self.ring
        self.ring += 1
        self.kernel.after(1 + 2 * self.rng.random(), self.elect)
        self.changed()

    # -- connections ------------------------------------------------------------------------
    def _answers(self, remote: Remote) -> bool:
        host = remote.host
        return host.up and host.remote and host.reachable

    def look_at(self, name: str) -> None:
        """Something has happened to a hypervisor: the monitor notices within its time."""
        # Lab: test_a_node_that_is_lost_is_fenced_and_connected_to_again
        remote = self.remotes.get(name)
        if remote is not None and remote.role == "Started":
            low, high = MONITOR
            self.kernel.after(low + (high - low) * self.rng.random(), lambda: self._lost(remote))

    def _lost(self, remote: Remote, known: bool = False) -> None:
        # Lab: test_a_node_that_is_lost_is_fenced_and_connected_to_again
        # Lab: test_a_node_that_is_taken_out_of_its_hands_is_not_fenced
        # A monitor that fails is a reason to fence (2.1.5, unpack.c: `unpack_rsc_op_failure`).
        if remote.role != "Started" or (self._answers(remote) and not known) or remote.fenced:
            # One that was fenced just now is stopped by that, and not fenced again.
            return
        if not self.majority():
            # Nothing follows from it before there is a quorum; who noticed it will know it then.
            known = known or self._is_there(remote.member)
            self.kernel.after(1.0, lambda: self._lost(remote, known))
            return
        if remote.fencing is not None and remote.fencing.client.startswith("stonith_admin"):
            self.kernel.after(1.0, lambda: self._lost(remote, known))
            return
        remote.role, remote.failed = "Stopped", True
        self._failed_operation(remote, "monitor_1000")
        self.kernel.trace("cluster", f"connection to {remote.name} is lost")
        if remote.managed and self.stonith:
            remote.unclean = True
            self.schedule_fencing(remote)
        self.changed()

    def _is_there(self, name: str) -> bool:
        """Whether a member's Pacemaker runs, and the others would hear of it."""
        # Source only: lib/pengine/unpack.c: unpack_rsc_op_failure
        member = self.members.get(name)
        return member is not None and member.up and not member.unit.isolated

    def _failed_operation(self, remote: Remote, operation: str) -> None:
        """A member's executor keeps the last failure of a resource (`RESOURCE_last_failure_0`)."""
        # Lab: test_a_node_that_is_lost_is_fenced_and_connected_to_again
        # Lab: test_a_node_that_was_never_connected
        key, member = f"{remote.name}_{operation}", remote.member
        remote.failures = [failure for failure in remote.failures if failure[1] != member]
        remote.failures.append((key, member, int(self.kernel.now)))

    def _move(self, remote: Remote) -> None:
        """The member that held the connection is gone: another one connects."""
        # Lab: test_another_member_takes_over
        remote.role, remote.member = "Stopped", ""
        remote.reconnects += 1
        number = remote.reconnects
        self.kernel.after(1 + self.rng.random(), lambda: self._connect(remote, number))

    def plan_reconnect(self, remote: Remote, seconds: float | None = None) -> None:
        """Try to connect after `reconnect_interval`."""
        # Lab: test_a_node_that_is_lost_is_fenced_and_connected_to_again
        remote.reconnects += 1
        number = remote.reconnects
        wait = self.reconnect_interval if seconds is None else seconds
        self.kernel.after(wait, lambda: self._connect(remote, number))

    def _connect(self, remote: Remote, number: int) -> None:
        # Lab: test_a_node_that_is_lost_is_fenced_and_connected_to_again
        # Lab: test_what_is_lost_when_all_members_restart
        if number != remote.reconnects or remote.role == "Started" or not remote.managed:
            return
        fencing = remote.fencing
        own = fencing is not None and fencing.client.startswith("pacemaker-controld")
        if fencing is not None and own and fencing.origin == self.dc:
            # Its transition is not over; a new controller knows of none.
            self.kernel.after(1.0, lambda: self._connect(remote, number))
            return
        if not self.majority():
            self.kernel.after(10.0, lambda: self._connect(remote, number))
            return
        members = self._allowed(remote)
        if not members:
            self.plan_reconnect(remote, 1.0)
            return
        remote.member = self.rng.choice(members)
        if self._answers(remote):
            self._connected(remote)
            return
        remote.role, remote.failed = "Starting", False
        self.changed()
        self.kernel.after(START_TIMEOUT, lambda: self._not_connected(remote, number))

    def _allowed(self, remote: Remote) -> list[str]:
        """Return the members that may try to connect: one that failed waits until that expires.

        By `start-failure-is-fatal`, and a failure's timeout of `reconnect_interval` (2.1.5,
        complex.c: `common_unpack`).
        """
        # Lab: test_a_node_that_was_never_connected
        latest = self.kernel.now - self.reconnect_interval
        failed = {m for key, m, at in remote.failures if key.endswith("start_0") and at > latest}
        return [member.name for member in self.majority() if member.name not in failed]

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
        self.record_machine(remote)
        self.kernel.trace("cluster", f"connected to {remote.name}")
        self.changed()

    def _not_connected(self, remote: Remote, number: int) -> None:
        # Lab: test_a_node_that_was_never_connected
        # Lab: test_what_is_lost_when_all_members_restart
        if number != remote.reconnects or remote.role != "Starting":
            return
        if self._answers(remote):
            self._connected(remote)
            return
        remote.role, remote.noted = "Stopped", True
        self._failed_operation(remote, "start_0")
        remote.failed = bool(self._allowed(remote))
        if remote.failed:
            # The next member tries at once.
            self.plan_reconnect(remote, 0.1 + 0.6 * self.rng.random())
        else:
            first = min(at for key, _, at in remote.failures if key.endswith("start_0"))
            rest = first + self.reconnect_interval - self.kernel.now
            self.plan_reconnect(remote, max(rest, 1.0))
            if not remote.fenced and self.stonith:
                # "the connection is unrecoverable" (pcmk_sched_probes.c: `pcmk__schedule_probes`),
                # be it one that never was. It is not shown as unclean, and it is tried once.
                self.schedule_fencing(remote)
        self.changed()

    def cleanup(self, name: str) -> None:
        """`crm_resource --cleanup`: failures are forgotten, and the connection is tried anew."""
        # Lab: test_failures_that_are_cleaned_up
        remote = self.remotes[name]
        remote.failures.clear()
        remote.failed = False
        if remote.role != "Started":
            remote.unclean = False
            self.plan_reconnect(remote, 1.0)
        self.changed()

    def manage(self, name: str, managed: bool) -> None:
        """Take a connection out of Pacemaker's hands (`is-managed`), or give it back."""
        # Lab: test_a_node_that_is_taken_out_of_its_hands_is_not_fenced
        remote = self.remotes[name]
        remote.managed = managed
        if managed and remote.role != "Started":
            self.plan_reconnect(remote, 1.0)
        self.changed()

    # -- fencing ----------------------------------------------------------------------------
    def schedule_fencing(self, remote: Remote) -> None:
        """The controller has decided to fence."""
        # Lab: test_a_node_that_is_lost_is_fenced_and_connected_to_again
        if remote.fencing is None and self.dc and self.majority():
            self.fence(remote, self.action, "pacemaker-controld.455", self.dc, lambda done: None)

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
        self.changed()
        low, high = self.fence_delay
        delay = low + (high - low) * self.rng.random()
        able = [m for m in self.majority() if m.unit.host != remote.name]
        if able and any(member.unit.host for member in self.members.values()):
            self._hand_over(remote, fencing, self.rng.choice(able).name)
        self.kernel.after(delay, lambda: self._fenced(remote, fencing))

    def _hand_over(self, remote: Remote, fencing: Fencing, member: str) -> None:
        """Have a member carry it out which may die of another fence meanwhile."""
        # Source only: daemons/fenced/fenced_remote.c: request_peer_fencing
        from masakari_fencing.fence_agent.turns import Turn

        def begin() -> None:
            if self._there(fencing) and self._spared(remote, fencing):
                self._ended(remote, fencing, works=False)

        fencing.by = member
        fencing.turn = Turn(self.fencer(member), clock=lambda: self.kernel.now)
        self.kernel.after(AGENT_START, begin)

    def _there(self, fencing: Fencing) -> bool:
        # Source only: daemons/fenced/fenced_remote.c: request_peer_fencing
        return not fencing.by or self.members[fencing.by].up

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
            self.power_controller
            and remote.name in self.lists
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
        if fencing.turn is not None and self._there(fencing):
            fencing.turn.give_back()
        status = "success" if works else "failed"
        moment = int(self.kernel.now)
        # Each that asked has an entry.
        for client, origin in ((fencing.client, fencing.origin), *fencing.joined):
            event = Event(remote.name, fencing.action, client, origin, status, moment)
            self.history.insert(0, event)
        self.kernel.trace("cluster", f"fencing of {remote.name}: {status}")
        if works:
            by = f"{fencing.client}@{fencing.origin}"
            there = functools.partial(self._there, fencing)
            self.world.fence(remote.host, fencing.action, by, there, begun=fencing.begun)
            self._record(remote, moment)
            self._alert(remote.name, fencing)
        else:
            remote.attempts += 1
            mine = fencing.client.startswith("pacemaker-controld")
            if remote.unclean and mine and remote.attempts < ATTEMPTS:
                self.kernel.after(2.0, lambda: self._again(remote))
            else:
                # Time alone makes the notifiers act now, which look seldom at what is quiet.
                self.kernel.after(PATIENCE, self.changed)
        self.changed()
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
            self.kernel.after(STOPS * self.rng.random(), lambda: self._stop(remote, moment))
            return
        remote.role = "Stopped"
        self._wait_out(remote)

    def _stop(self, remote: Remote, fenced: int) -> None:
        # Lab: test_a_fence_that_two_ask_for_is_one
        # Lab: test_a_node_that_is_switched_off_and_on
        if remote.role == "Started" and remote.fenced == fenced:
            self._failed_operation(remote, "monitor_1000")
            remote.role = "Stopped"
            self._wait_out(remote)
            self.changed()

    def _spared(self, remote: Remote, fencing: Fencing) -> bool:
        """Whether the guard in front of the power refuses this one; it is the real one."""
        from masakari_fencing.fence_agent import limit
        from masakari_fencing.pacemaker.fencing_limit import FencingLimit

        self.comebacks = self.comebacks or in_memory()

        try:
            refusal = limit.check(
                self.fencer(fencing.by),
                remote.name,
                FencingLimit(max_hosts=0),
                begun=fencing.begun,
                turn=fencing.turn,
                probes=limit.Probes(
                    returned=lambda *_: self._answers(remote),
                    comebacks=self.comebacks,
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
            self.schedule_fencing(remote)

    def _wait_out(self, remote: Remote) -> None:
        """A fenced node is connected to once its failure is older than `reconnect_interval`.

        That is the failure's timeout (2.1.5, complex.c: `common_unpack`), and it ends with the
        fence where it is over by then.
        """
        # Lab: test_a_fence_that_fails_is_tried_again_and_confirmed_by_hand
        rest = self.reconnect_interval
        if remote.failed and remote.failures:
            rest += max(moment for _, _, moment in remote.failures) - self.kernel.now
        remote.failed = rest > 0
        self.plan_reconnect(remote, max(rest, 1.0))

    def confirm(self, name: str) -> None:
        """`stonith_admin --confirm`: the operator's word."""
        # Lab: test_a_fence_that_fails_is_tried_again_and_confirmed_by_hand
        remote = self.remotes[name]
        moment = int(self.kernel.now)
        self.history.insert(0, Event(name, "off", "stonith_admin.1", self.dc, "success", moment))
        self._record(remote, moment)
        self._alert(name, Fencing("off", "stonith_admin.1", self.dc, self.kernel.now))
        self.changed()

    def _alert(self, name: str, fencing: Fencing, alone: str = "") -> None:
        """Each member runs the alert agent; one whose Pacemaker is away never hears of it.

        `alone`: the member is cut off that has fenced it, so nobody else hears of it.
        """
        # Lab: test_a_node_that_is_lost_is_fenced_and_connected_to_again
        reference = f"{self.kernel.ids.getrandbits(48):012x}"
        now = self.kernel.now
        description = (
            f"Operation {fencing.action} of {name} by {self.dc} for "
            f"{fencing.client}@{fencing.origin}: OK (ref={reference})"
        )
        # Source only: daemons/controld/controld_fencing.c: handle_fence_notification
        # It asks nobody for quorum: a fence that began with it may end without.
        for member in self.members.values():
            if not member.up or (member.unit.isolated and member.name not in (fencing.by, alone)):
                continue
            if alone and member.name != alone:
                continue
            environ = {
                "CRM_alert_kind": "fencing",
                "CRM_alert_task": "st_notify_fence",
                "CRM_alert_rc": "0",
                "CRM_alert_node": name,
                "CRM_alert_desc": description,
                "CRM_alert_timestamp_epoch": str(int(now + member.unit.skew)),
                "CRM_alert_timestamp_usec": str(int(now % 1 * 1e6)),
            }
            wait = 0.05 + 0.3 * self.rng.random()
            self.kernel.after(wait, lambda m=member, e=environ: self._spool(m, e))  # type: ignore[misc]

    def _spool(self, member: Member, environ: dict[str, str]) -> None:
        # Lab: test_a_node_that_is_lost_is_fenced_and_connected_to_again
        if not member.up:
            return
        from masakari_fencing import alert  # its path is known only once the seams are installed

        found = alert.event(environ, self.kernel.now)
        if found is not None:
            self.world.masakari.spool(member.unit, found)

    def record_machine(self, remote: Remote) -> None:
        """The pacemaker-remote charm writes the node's machine once it is connected."""
        if self.cib.find(f"configuration/nodes/node[@id='{remote.name}']") is not None:
            return
        nodes = self.cib.find("configuration/nodes")
        node = etree.SubElement(nodes, "node", id=remote.name, uname=remote.name, type="remote")
        block = etree.SubElement(node, "instance_attributes", id=f"nodes-{remote.name}")
        pair = {"id": f"m-{remote.name}", "name": "juju-machine"}
        etree.SubElement(block, "nvpair", pair, value=machine_of(remote.name))
        self.configured()

    def operator_process(self) -> Process:
        """Return a process in whose name operators act."""
        return Process(self.kernel, "operator")


def machine_of(host: str) -> str:
    """Return the Juju machine that is a hypervisor."""
    return host[-1]


def zulu(moment: float) -> str:
    """Return a time as crm_mon prints it."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(moment))
