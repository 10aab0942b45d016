"""Machines, hypervisors and guests: what is true, whatever anybody's records say."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulation.core.kernel import Kernel, Process

WINDOW, LONG = 120.0, 600.0
"""Seconds for which a fenced host counts in its failure domain; the same while it is recovered."""

BACK = 60.0
"""Seconds in which one that answers again, unfenced, is looked at before that (`limit.BACK`)."""

KNOWN = 60.0
"""Seconds after which everybody must know what an operator has changed."""


JUST = 30.0
"""Seconds for which nobody who has a host fenced need know that a member is gone."""

INFINITE = float("inf")

CONTAINER = 5.0
"""Seconds from a machine's boot to that of a unit in a container on it."""


class Violation(Exception):  # noqa: N818 - what the simulation looks for
    """An invariant does not hold.

    Attributes:
        kind: which one, in a few words.
    """

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        super().__init__(f"{kind}: {text}")


RECORDED = frozenset({"host", "vm_state", "task_state", "power_state", "locked"})
"""What of a guest is in Nova's record of it."""


@dataclass
class Guest:
    """A guest, as Nova records it.

    Attributes:
        before: the state that it should have, as (vm_state, runs); None: anything but ERROR.
        untouched: what it was like before anything happened.
        launched: it has been started once.
        deleting: its owner has deleted it.
        left_alone: a rule says that it is not recovered.
        turn: how many groups of its host are recovered before it.
        disturbed: an operator or its owner has meddled; nothing is expected any more.
        updated: when Nova's record of it was changed last, in seconds since the epoch.
        clock: says what time it is, in the same.
    """

    uuid: str
    host: str
    vm_state: str = "active"
    task_state: str | None = None
    power_state: int = 1
    locked: bool = False
    before: tuple[str, bool] = ("active", True)
    was_locked: bool = False
    home: str = ""
    untouched: tuple[object, ...] = ()
    disturbed: bool = False
    launched: bool = True
    deleting: bool = False
    unplaceable: bool = False
    left_alone: bool = False
    turn: int = 0
    fault: dict[str, str] = field(default_factory=dict)
    actions: list[Any] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    updated: float = 0.0
    clock: Callable[[], float] = float

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name in RECORDED:
            super().__setattr__("updated", self.clock())


@dataclass
class Hypervisor:
    """A machine with nova-compute and pacemaker_remote.

    Attributes:
        power: it has power, and runs or boots.
        up: its operating system runs.
        remote: pacemaker_remote runs.
        compute: nova-compute runs.
        reachable: the members reach it.
        storage: its storage network works.
        qemu: the guests whose processes run.
        boot_time: seconds that it takes to boot; None: it does not come up.
        failed: when it last really failed; None: it is well.
        fenced: when its power was last cut by a fencing.
        service: the moment since which it is in service.
        last_seen: when nova-compute last reported while it was not running any more.
        joined: it has been connected to the cluster.
        out: it has failed or was fenced, and nobody has taken it back into service since.
        repair: its operator has switched it off or reboots it.
        compute_delay: seconds from its boot to nova-compute's start, at least and at most.
        remote_delay: seconds from its boot to pacemaker_remote's start.
        booted: when it has last booted.
        spared: it must not be fenced by anybody.
        kept: it is off for its recovery, which has it switched on again.
        serves_since: when nova-compute was started last.
        refuses: what its nova-compute fails at: `room` for a guest, or its `start`.
    """

    name: str
    nova_name: str = ""
    power: bool = True
    up: bool = True
    remote: bool = True
    compute: bool = True
    reachable: bool = True
    storage: bool = True
    qemu: set[str] = field(default_factory=set)
    boot_time: float | None = 60.0
    failed: float | None = None
    fenced: float = 0.0
    service: float = 0.0
    last_seen: float = 0.0
    boots: int = 0
    joined: bool = True
    reserved: bool = False
    out: bool = False
    repair: bool = False
    compute_delay: tuple[float, float] = (1.0, 5.0)
    remote_delay: float = 0.0
    booted: float = 0.0
    spared: bool = False
    kept: bool = False
    serves_since: float = 0.0
    refuses: str = ""


class Unit:
    """A masakari unit: a member of the cluster, an engine, an API, a notifier.

    Attributes:
        skew: seconds by which its clock is off.
        files: its small files: path to content and time.
        ring: the membership's before it was cut off, and whether that `had_quorum`.
        known: the sets of the cluster's properties as they were then.
        host: the hypervisor whose machine carries it, or empty.
        alive: its machine runs.
        paused: by the charm's action; its services do not run.
        stalled: until when its machine stands still.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.skew = 0.0
        self.boots = 1
        self.files: dict[str, tuple[str, float]] = {}
        self.processes: list[Process] = []
        self.engine: Process | None = None
        self.notifier: Process | None = None
        self.api: Process | None = None
        self.isolated = False
        self.isolated_since = 0.0
        self.ring = 0
        self.had_quorum = False
        self.known: frozenset[str] = frozenset()
        self.host = ""
        self.alive = True
        self.paused = False
        self.stalled = 0.0


class World:
    """Everything that there is.

    Args:
        kernel: the scheduler.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.rng = kernel.rng
        self.units: dict[str, Unit] = {}
        self.hosts: dict[str, Hypervisor] = {}
        self.guests: dict[str, Guest] = {}
        self.deleted: set[str] = set()
        self.resume_guests = False
        self.domain: frozenset[str] = frozenset()
        self.violations: list[Violation] = []
        self.last_fault = kernel.now
        self.fault_count = 0
        self.pending = 0
        self.cluster: Any = None
        self.nova: Any = None
        self.masakari: Any = None
        self.commands: Any = None
        self.faults: Any = None

    def note_fault(self, text: str) -> None:
        """Something goes wrong, or changes from outside: what is owed, is owed from now on."""
        self.last_fault = self.kernel.now
        self.fault_count += 1
        self.kernel.trace("FAULT", text)
        self.kernel.changed()

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """Have something happen later; nothing is over before it has."""
        self.pending += 1

        def happen() -> None:
            self.pending -= 1
            what()

        self.kernel.after(seconds, happen)

    def violate(self, kind: str, text: str) -> None:
        """Record that an invariant does not hold."""
        self.kernel.trace("VIOLATION", f"{kind}: {text}")
        self.violations.append(Violation(kind, text))

    # -- guests' processes ------------------------------------------------------------------
    def run_guest(self, host: Hypervisor, uuid: str) -> None:
        """Start a guest's process on a host; it must not run anywhere else."""
        for other in self.hosts.values():
            if uuid in other.qemu and other is not host:
                self.violate("runs twice", f"guest {uuid[:8]} on {other.name} and {host.name}")
        host.qemu.add(uuid)
        self.kernel.trace(host.name, f"QEMU of {uuid[:8]} starts")
        self.kernel.changed("guests")

    def stop_guest(self, host: Hypervisor, uuid: str) -> None:
        """End a guest's process."""
        host.qemu.discard(uuid)
        self.kernel.changed("guests")

    # -- power ------------------------------------------------------------------------------
    def power_off(self, host: Hypervisor) -> None:
        """Take a machine's power away."""
        host.last_seen = self.nova.seen(host)
        host.power = host.up = host.remote = host.compute = False
        host.qemu.clear()
        host.boots += 1
        self.kernel.trace(host.name, "power off")
        self.cluster.connections.look_at(host.name)
        for unit in self._carried(host):
            self.faults.lose_unit(unit)
        self.kernel.changed()

    def power_on(self, host: Hypervisor) -> None:
        """Give a machine power; it boots."""
        if host.power:
            return
        host.power, host.kept = True, False
        host.boots += 1
        self.kernel.trace(host.name, "power on")
        if host.boot_time is not None:
            boot = host.boots
            self.kernel.after(host.boot_time, lambda: self._booted(host, boot))

    def _booted(self, host: Hypervisor, boot: int) -> None:
        if host.boots != boot or not host.power:
            return
        host.up = host.reachable = host.storage = True
        host.failed, host.repair, host.booted = None, False, self.kernel.now
        self.kernel.trace(host.name, "has booted")
        self.last_fault = max(self.last_fault, self.kernel.now)
        self.cluster.connections.look_at(host.name)
        for unit in self._carried(host):
            self.kernel.after(CONTAINER, functools.partial(self.faults.boot_unit, unit))
        low, high = host.compute_delay
        delay = low + (high - low) * self.rng.random()
        self.kernel.after(delay, lambda: self._compute_up(host, boot))
        if host.remote_delay:
            self.kernel.after(host.remote_delay, lambda: self._remote_up(host, boot))
        else:
            self._remote_up(host, boot)
        self.kernel.changed()

    def _lost_just_now(self) -> bool:
        """Whether a member is gone since a moment ago that no host has taken along on purpose."""
        kept = {host.name for host in self.hosts.values() if host.kept}
        gone = [
            member.unit.isolated_since if member.unit.isolated else member.since
            for member in self.cluster.members.values()
            if (member.unit.isolated or not member.up) and member.unit.host not in kept
        ]
        return any(self.kernel.now - since < JUST for since in gone)

    def _carried(self, host: Hypervisor) -> list[Unit]:
        return [unit for unit in self.units.values() if unit.host == host.name]

    def _remote_up(self, host: Hypervisor, boot: int) -> None:
        if host.boots == boot and host.up:
            host.remote = True
            self.kernel.changed()

    def _compute_up(self, host: Hypervisor, boot: int) -> None:
        if host.boots == boot and host.up:
            self.start_compute(host)

    def start_compute(self, host: Hypervisor) -> None:
        """Start nova-compute."""
        host.compute, host.serves_since = True, self.kernel.now
        self.nova.computes.started(host)
        self.kernel.changed()

    def fence(
        self,
        host: Hypervisor,
        action: str,
        by: str,
        asks: Callable[[], bool] = lambda: True,
        *,
        begun: float = INFINITE,
    ) -> None:
        """The power controller has cut the power, and gives it again for `reboot`.

        Args:
            host: whose.
            action: `off` or `reboot`.
            by: who wanted it.
            asks: whether anybody is there to ask for it again.
            begun: when it was asked for; nobody stops it for an operator who takes the host back.
        """
        if not by.startswith("operator"):
            self._judge_fence(host, by, begun)
            self._judge_domain(host)
        majority = self.cluster.membership.majority
        quorate = bool(majority())
        self.power_off(host)
        # Nobody but a recovery keeps a host off.
        host.kept = action == "off" and by.startswith("stonith_admin")
        if host.kept and quorate and not majority() and not self._lost_just_now():
            self.violate("kept off, and with it the quorum", f"{host.name} by {by}")
        host.fenced, host.out = self.kernel.now, True
        if action == "reboot":
            self.kernel.after(2.0, lambda: self.power_on(host) if asks() else None)

    # -- what is judged ---------------------------------------------------------------------
    def healthy(self, host: Hypervisor) -> bool:
        """Whether nothing at all is wrong with a hypervisor."""
        return (
            host.power and host.up and host.remote and host.compute and host.reachable
            and host.storage
        )  # fmt: skip

    def _judge_fence(self, host: Hypervisor, by: str, begun: float) -> None:
        text, asked = f"{host.name} by {by}", by.startswith("stonith_admin")
        if not host.joined:
            self.violate("fenced, never connected", text)
        elif self.masakari.off_for(host.nova_name) > KNOWN:
            self.violate("fenced, switched off", text)
        elif host.spared:
            self.violate("fenced, lost for a moment", text)
        elif host.repair:
            self.violate("fenced, in its operator's hands", text)
        elif host.service > begun:
            return  # Its operator has taken it back since.
        elif self.healthy(host) and (not host.out or (asked and self._works(host))):
            # What Pacemaker has lost for a moment it fences by itself.
            self.violate("fenced in service", text)

    def _judge_domain(self, host: Hypervisor) -> None:
        """No second host of a failure domain in the window, or while one is recovered."""
        for name in self.domain - {host.name} if not host.fenced else ():
            since = self.kernel.now - (self.hosts[name].fenced or -LONG)
            guests = [g for g in self.guests.values() if g.home == name]
            under_way = any((g.task_state or "").startswith("rebuild") for g in guests)
            attempt = ("COMPUTE_HOST", "running", self.hosts[name].nova_name)
            busy = under_way and attempt in self.masakari.notifications()
            if since < WINDOW or (busy and since < LONG):
                self.violate("fenced beyond a domain's limit", f"{host.name} after {name}")

    def _works(self, host: Hypervisor) -> bool:
        """Whether nobody needs a fence of one that serves, such as Pacemaker.

        That connects to what it has lost no sooner; where it has given up, somebody asks for it.
        """
        return self._serves(host) and not self.cluster.remotes[host.name].unclean

    def _serves(self, host: Hypervisor) -> bool:
        """Whether Nova has placed guests on a host for a while, whoever let it."""
        service = self.nova.services[host.nova_name]
        known = KNOWN if host.fenced else KNOWN + BACK
        long = self.kernel.now - max(host.serves_since, service.since) > known
        return bool(service.enabled and not service.forced_down and long)

    def leave_to_operator(self) -> None:
        """What was lost by now nobody knows any more but the operator, who sees to it."""
        for guest in self.guests.values():
            guest.disturbed = guest.disturbed or not self.is_well(guest)

    def known_to_nobody(self, host: Hypervisor) -> None:
        """A member that is cut off has fenced a host: the others may find it whole again."""
        for guest in self.guests.values():
            guest.disturbed = guest.disturbed or guest.host == host.nova_name

    def running_on(self, uuid: str) -> list[str]:
        """Return the hosts on which a guest's process runs."""
        return [host.nova_name for host in self.hosts.values() if uuid in host.qemu]

    def is_well(self, guest: Guest) -> bool:
        """Whether a guest is as it was before anything failed."""
        state, runs = guest.before
        there = self.running_on(guest.uuid)
        if (guest.host, guest.vm_state, guest.task_state, guest.locked, there) == guest.untouched:
            return True
        if guest.locked != guest.was_locked or guest.task_state is not None:
            return False
        if runs:
            return there == [guest.host] and guest.vm_state == state
        return guest.vm_state == state or (state == "any" and guest.vm_state != "error")
