"""The Pacemaker cluster of this unit: what the charm adds to it, and asks it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import masakari_fencing.cluster.desired
from instance_ha_common.machine import awaited
from instance_ha_common.machine.commands import Runner
from instance_ha_common.machine.host import Host
from instance_ha_common.machine.memory import Memory
from masakari_fencing import witnesses
from masakari_fencing.cluster.connections import Tuning
from masakari_fencing.cluster.desired import Desired
from masakari_fencing.maas import access
from masakari_fencing.pacemaker import (
    cibadmin,
    crm_mon,
    crm_node,
    properties,
    readmission,
    remote_nodes,
    tools,
)
from masakari_fencing.pacemaker.fencing_limit import FencingLimit
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records import storage_fences

from workload.fencing_package import ALERT_AGENT

if TYPE_CHECKING:
    from masakari_fencing.cluster.health import Problem
    from masakari_fencing.cluster.power import Answer

    from config import Config

_RECORD = "/var/lib/masakari-charm/machine"
_HEALTH = "health"
_POWER = "power"
_MAX_AGE = 60.0  # seconds
ANSWERS = awaited.succeeds(["cibadmin", "--query", "--scope", "crm_config"])
"""What succeeds once the cluster answers; see `awaited`."""
_STRANGER = (
    "no node of the cluster has this name, so it can never be fenced and recovered (relate"
    " pacemaker-remote on it, or put it into the segment by its node's name)"
)


def desired(config: Config, *, programs: bool = True, keyed: bool = True) -> Desired:
    """What the cluster's configuration must contain.

    Args:
        config: the charm's options.
        programs: whether every unit has the alert agent and the guard.
        keyed: whether every unit has the file with the MAAS key, where the options ask for one.
    """
    tuning = None
    if config.remote_monitor_interval:
        tuning = Tuning(
            monitor_interval=config.remote_monitor_interval,
            monitor_timeout=config.remote_monitor_timeout,
            start_timeout=config.remote_start_timeout,
            reconnect_interval=config.remote_reconnect_interval,
        )
    # Without a limit, too: it also keeps hosts from being fenced that are still being added, or
    # that stand in a segment that is switched off.
    limit = FencingLimit(
        max_hosts=config.fencing_limit_hosts,
        max_share=config.fencing_limit_share,
        window=config.fencing_limit_window,
        matrix=config.fence_by_matrix,
    )
    return Desired(
        alert_path=ALERT_AGENT if config.fencing_notifications else None,
        tuning=tuning,
        separate_machines=True,
        limit=limit,
        programs=programs,
        storage=config.storage_fencing,
        kdump=config.kdump_fencing_timeout,
        access_file=str(access.FILE) if config.power else "",
        access_everywhere=keyed,
    )


class Cluster:
    """The cluster, as seen from one machine."""

    def __init__(self, host: Host, memory: Memory, clock: Callable[[], float] = time.time) -> None:
        self._host = host
        self._memory = memory
        self._clock = clock

    def apply(self, config: Config, *, programs: bool, keyed: bool = True) -> list[str]:
        """Have the cluster's configuration contain what the options ask for. Leader only.

        Args:
            config: the charm's options.
            programs: whether every unit has the alert agent and the guard.
            keyed: whether every unit has the file with the MAAS key.

        Returns:
            What was changed.

        Raises:
            Postponed: a hypervisor is being fenced.
            PacemakerError: the cluster does not answer.
        """
        return masakari_fencing.cluster.desired.apply(
            self._host.runner, desired(config, programs=programs, keyed=keyed)
        )

    def remove(self) -> None:
        """Take everything of ours out of the cluster's configuration.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        masakari_fencing.cluster.desired.remove(self._host.runner)

    def record_machine(self, machine: str, *, check: bool = False) -> None:
        """Tell the cluster which Juju machine this member is on.

        What a member is told before the cluster is whole may be gone afterwards: of members that
        come together, the configuration of one counts.

        Args:
            machine: Juju's id of this unit's machine, such as `1/lxd/0`.
            check: look whether the cluster knows it still.

        Raises:
            Postponed: a hypervisor is being fenced.
            PacemakerError: the cluster does not answer.
        """
        if not machine or (self._host.read(_RECORD) == machine and not check):
            return
        masakari_fencing.cluster.desired.record_machine(self._host.runner, self._member(), machine)
        self._host.write(_RECORD, machine)

    @property
    def joined(self) -> bool:
        """Whether the cluster was told of this member."""
        return self._host.path(_RECORD).exists()

    def forget_machine(self) -> None:
        """There is no cluster any more; the next one has to be told."""
        self._host.remove(_RECORD)

    def recheck(self, resource: str) -> None:
        """Have Pacemaker look anew whether a resource runs on this member.

        It can hold one for running that is not: where a failure expires while the cluster is
        busy, it is forgotten, and a check that goes on failing is not reported a second time.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        command = ["crm_resource", "--refresh", "--resource", resource, "--node", self._member()]
        tools.run(self._host.runner, command, timeout=30)

    def _member(self) -> str:
        """The name of this member.

        Raises:
            PacemakerError: no cluster runs here.
        """
        return crm_node.local_name(self._host.runner)

    def problems(
        self, hosts: Sequence[str], *, leader: bool, fresh: bool, units: int = 0
    ) -> list[str]:
        """Why a hypervisor could not be fenced, each with its cure.

        The leader looks at everything, with a request to MAAS; the other units only whether their
        own Pacemaker works. Between two checks at most `_MAX_AGE` seconds pass.

        Args:
            hosts: the hosts of all segments.
            leader: whether this unit is the leader.
            fresh: check now.
            units: how many units this application has; 0 where that is not known.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        seen = self._last_check()
        if not fresh and seen is not None and seen["leader"] == leader:
            return list(seen["problems"])
        if leader:
            found = [described(problem) for problem in self.inspect(hosts, units=units)]
            found += _storage_problems(self._host.runner)
        else:
            found = _check_member(self._host.runner)
        checked = {"time": self._clock(), "leader": leader, "problems": found}
        self._memory.write(_HEALTH, checked)
        return found

    def inspect(
        self, hosts: Sequence[str], *, every: bool = False, units: int = 0
    ) -> list[Problem]:
        """What stands in the way of fencing a hypervisor; asks the power controllers that are due.

        Args:
            hosts: the hosts of all segments.
            every: ask all controllers, for up to two minutes, as somebody waits for it.
            units: how many units this application has; 0 where that is not known.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        # Not at the top of the module: most hooks do not check, and it is slow to load.
        from masakari_fencing.cluster import health
        from masakari_fencing.cluster.power import Controllers

        controllers = Controllers(self._memory.read(_POWER, dict), every=every, clock=self._clock)
        found = health.inspect(
            self._host.runner, hosts=hosts, controllers=controllers, units=units
        )
        self._memory.write(_POWER, controllers.dump())
        return found

    def checked(self) -> tuple[float, list[str]]:
        """When the leader has checked last, in seconds since the epoch, and what it found."""
        seen = self._memory.read(_HEALTH, dict)
        return (seen["time"], seen["problems"]) if seen.get("leader") else (0.0, [])

    def power_answers(self) -> dict[str, Answer]:
        """What the power controllers have answered last, by hypervisor."""
        from masakari_fencing.cluster.power import Controllers

        return Controllers(self._memory.read(_POWER, dict)).answers

    def devices(self, hypervisor: str) -> list[str]:
        """The fencing devices that can fence a hypervisor, by their own word.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        from masakari_fencing.cluster import health

        return health.able(self._host.runner, hypervisor)

    def stranger(self, hypervisors: Sequence[str]) -> str | None:
        """Why the cluster could not fence one of some hosts; None when it could fence all."""
        try:
            status = crm_mon.status(self._host.runner)
        except PacemakerError as error:
            return f"Pacemaker does not answer: {error}"
        name = next((one for one in hypervisors if not status.named(one)), None)
        if name is None:
            return None
        known = [node.name for node in status.nodes if node.kind == "remote"]
        return f"{name}: {_STRANGER}; the cluster has: {', '.join(known) or 'none'}"

    def _last_check(self) -> dict[str, Any] | None:
        """What the last check has found, if it is recent."""
        checked = self._memory.read(_HEALTH, dict)
        try:
            recent = 0 <= self._clock() - checked["time"] < _MAX_AGE
        except (KeyError, TypeError):
            return None
        return checked if recent else None

    def mark_returned(self, hypervisor: str, returned: bool) -> None:
        """Write into its record that a hypervisor is being taken back, or is not after all.

        A recovery that goes on ends by itself: then nothing is written.

        Raises:
            PacemakerError: the cluster does not answer, or a recovery has just begun.
        """
        from masakari_fencing.records import recoveries

        recoveries.mark_returned(self._host.runner, hypervisor, returned)

    def absence(self, hypervisor: str) -> str | None:
        """Why the cluster does not have a hypervisor back; None when it has.

        None, too, for one that the cluster does not know: it never will.
        """
        try:
            status = crm_mon.status(self._host.runner)
        except PacemakerError as error:
            return f"Pacemaker does not answer: {error}"
        connection = status.connection(hypervisor)
        if connection is None:
            return None
        if connection.live:
            return _condemned(self._host.runner, hypervisor)
        if any(node.unclean for node in status.named(hypervisor)):
            return "Pacemaker has lost it, and not fenced it yet"
        if connection.stopped_on_purpose:
            return "Pacemaker's connection to it is stopped or unmanaged"
        return "Pacemaker does not reach it"

    def confirm_dead(self, hypervisor: str) -> float:
        """Have one count as fenced that an operator has seen to be off.

        Returns:
            Since when it does, in seconds since the epoch.

        Raises:
            Refused: it may live.
            PacemakerError: the cluster does not answer.
        """
        from masakari_fencing.cluster import confirmation

        return confirmation.confirm(self._host.runner, hypervisor)

    def allow_fencing(self, seconds: float) -> float:
        """Lift the limit of hypervisors that may be fenced, on all members.

        Returns:
            Until when, in seconds since the epoch.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        return properties.allow(self._host.runner, seconds, clock=self._clock)

    def readmit(self) -> list[str]:
        """Take back, unfenced, the hypervisors that answer again.

        Returns:
            Those that are connected again.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        runner = self._host.runner
        return readmission.readmit(runner, but=_cut_off(runner), clock=self._clock)


def _condemned(runner: Runner, hypervisor: str) -> str | None:
    """Why one that is back would be fenced again: Consul needs a while to see it whole."""
    try:
        others = remote_nodes.others(runner, hypervisor)
    except PacemakerError as error:
        return f"Pacemaker does not answer: {error}"
    if witnesses.confirmed(others, hypervisor):
        return "other hypervisors still see networks of it down, and it would be fenced again"
    return None


def _cut_off(runner: Runner) -> list[str]:
    """Those that are cut off from their storage: what runs there can never go on."""
    fences = storage_fences.all_of(cibadmin.cib(runner)).values()
    return [fence.node for fence in fences if fence.holds]


def described(problem: Problem) -> str:
    """A problem of the cluster, in words for the status."""
    return f"{': '.join(filter(None, (problem.node, problem.text)))} ({problem.cure})"


def _storage_problems(runner: Runner) -> list[str]:
    # Not at the top of the module, as above.
    from masakari_fencing.cluster import storage_health

    return [described(problem) for problem in storage_health.inspect(runner)]


def _check_member(runner: Runner) -> list[str]:
    status = crm_mon.status(runner)
    return [] if status.quorum else ["The cluster has no quorum (bring the other units back)"]
