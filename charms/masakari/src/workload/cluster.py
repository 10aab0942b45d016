"""The Pacemaker cluster of this unit: what the charm adds to it, and its health."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import masakari_fencing.cluster.desired
from instance_ha_common.juju.problems import Problem, blocked
from instance_ha_common.machine import awaited
from instance_ha_common.machine.awaited import AGAIN
from instance_ha_common.machine.commands import CommandError, Runner
from instance_ha_common.machine.host import Host
from masakari_fencing import witnesses
from masakari_fencing.cluster.connections import Tuning
from masakari_fencing.cluster.desired import Desired
from masakari_fencing.pacemaker import crm_mon, properties, readmission, remote_nodes
from masakari_fencing.pacemaker.fencing_limit import Guard
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records import out_of_service, refusals, spool
from masakari_fencing.records.out_of_service import OutOfService
from masakari_fencing.records.refusals import Refusal
from masakari_fencing.records.spool import NO_SEGMENT

from config import Config
from workload.fencing_package import ALERT_AGENT, REFUSALS, SPOOL

_RECORD = "/var/lib/masakari-charm/machine"
_LOOK = "/var/lib/masakari-charm/health.json"
_MAX_AGE = 60.0  # seconds
ANSWERS = awaited.succeeds(["cibadmin", "--query", "--scope", "crm_config"])
"""What succeeds once the cluster answers; see `awaited`."""
_STRANGER = (
    "no node of the cluster has this name, so it can never be fenced and recovered (relate"
    " pacemaker-remote on it, or put it into the segment by its node's name)"
)
_MISNAMED = (
    "not recovered if it fails, as Masakari's, Nova's and the hypervisor's name must be the same"
    " (remove-hosts, have its nova-compute use one name, add-hosts)"
)
_NAMED = 5
"""Hosts that a status names; it is one line of a table."""


def desired(config: Config, *, programs: bool = True) -> Desired:
    """What the cluster's configuration must contain.

    Args:
        config: the charm's options.
        programs: whether every unit has the alert agent and the guard.
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
    guard = Guard(
        max_hosts=config.fencing_limit_hosts,
        max_share=config.fencing_limit_share,
        window=config.fencing_limit_window,
        matrix=config.fence_by_matrix,
    )
    return Desired(
        alert_path=ALERT_AGENT if config.fencing_notifications else None,
        tuning=tuning,
        separate_machines=True,
        guard=guard,
        programs=programs,
    )


class Cluster:
    """The cluster, as seen from one machine."""

    def __init__(self, host: Host, clock: Callable[[], float] = time.time) -> None:
        self._host = host
        self._clock = clock

    def apply(self, config: Config, *, programs: bool) -> list[str]:
        """Have the cluster's configuration contain what the options ask for. Leader only.

        Args:
            config: the charm's options.
            programs: whether every unit has the alert agent and the guard.

        Returns:
            What was changed.

        Raises:
            Postponed: a hypervisor is being fenced.
            PacemakerError: the cluster does not answer.
        """
        return masakari_fencing.cluster.desired.apply(
            self._host.runner, desired(config, programs=programs)
        )

    def remove(self) -> None:
        """Take everything of ours out of the cluster's configuration.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        masakari_fencing.cluster.desired.remove(self._host.runner)

    def record_machine(self, machine: str) -> None:
        """Tell the cluster which Juju machine this member is on, once.

        Args:
            machine: Juju's id of this unit's machine, such as `1/lxd/0`.

        Raises:
            Postponed: a hypervisor is being fenced.
            PacemakerError: the cluster does not answer.
        """
        if not machine or self._host.read(_RECORD) == machine:
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
        try:
            self._host.runner.run(command, timeout=30)
        except CommandError as error:
            raise PacemakerError(str(error)) from error

    def _member(self) -> str:
        """The name of this member.

        Raises:
            PacemakerError: no cluster runs here.
        """
        try:
            return self._host.runner.run(["crm_node", "--name"], timeout=15).stdout.strip()
        except CommandError as error:
            raise PacemakerError(str(error)) from error

    def problems(self, *, leader: bool, fresh: bool) -> list[str]:
        """Why a hypervisor could not be fenced, each with its cure.

        The leader looks at everything, with a request to MAAS; the other units only whether their
        own Pacemaker works. Between two looks at most `_MAX_AGE` seconds pass.

        Args:
            leader: whether this unit is the leader.
            fresh: look now.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        seen = self._last_look()
        if not fresh and seen is not None and seen["leader"] == leader:
            return list(seen["problems"])
        hosts = self._out_of_service().hosts
        found = _inspect(self._host.runner, hosts) if leader else _check_member(self._host.runner)
        look = {"time": self._clock(), "leader": leader, "problems": found}
        self._host.write(_LOOK, json.dumps(look), mode=0o600)
        return found

    def stranger(self, hypervisor: str) -> str | None:
        """Why the cluster could not fence a host, as it does not know it; None when it could."""
        try:
            status = crm_mon.status(self._host.runner)
        except PacemakerError as error:
            return f"Pacemaker does not answer: {error}"
        if status.named(hypervisor):
            return None
        known = [node.name for node in status.nodes if node.kind == "remote"]
        return f"{hypervisor}: {_STRANGER}; the cluster has: {', '.join(known) or 'none'}"

    def misnamed(self) -> list[Problem]:
        """Hosts of segments that Nova knows by other names, with the cure."""
        found = self._out_of_service().misnamed
        return [blocked(f"{_enumerate(found)}: {_MISNAMED}")] if found else []

    def _last_look(self) -> dict[str, Any] | None:
        """The last look, if it is recent."""
        try:
            look = json.loads(self._host.read(_LOOK) or "{}")
            recent = 0 <= self._clock() - look["time"] < _MAX_AGE
        except (ValueError, KeyError, TypeError):
            return None
        return look if recent else None

    def refusals(self) -> list[Problem]:
        """Recoveries that were refused on this unit."""
        return [
            blocked(
                f"Recovery of {refusal.host} refused: {refusal.reason} (when it works again, run"
                f" return-host host={refusal.host})",
                f"! test -e {REFUSALS}/{refusal.host.lower()}.json",
            )
            for refusal in self._refusals()
        ]

    def _refusals(self) -> list[Refusal]:
        return refusals.read(self._host.path(REFUSALS))

    def undelivered(self) -> list[Problem]:
        """Fencings that this unit could not report to Masakari, by host, each with its cure."""
        found = spool.undelivered(self._host.path(SPOOL))
        reasons = {event.node: event.reason for event in found}
        return [
            blocked(text, AGAIN)
            for node, reason in reasons.items()
            for text in [
                f"{node} was fenced and {NO_SEGMENT}: its guests are not recovered (add-hosts"
                " puts it into one)"
                if reason == NO_SEGMENT
                else f"Masakari cannot be told that {node} was fenced, and is told again: {reason}"
            ]
        ]

    def failures(self) -> list[Problem]:
        """Recoveries that Masakari has given up, other than those refused on this unit."""
        refused = {refusal.host for refusal in self._refusals()}
        return [
            blocked(
                f"Recovery of {name} failed: see `openstack notification list` (when it works"
                f" again, run return-host host={name})",
                _left([name]),
            )
            for name in self._out_of_service().failed
            if name not in refused
        ]

    def out_of_service(self) -> tuple[str, str]:
        """The hypervisors that take no guests, and the cure, in words; empty when all do.

        Returns:
            The words, and what ends them; see `awaited`.
        """
        found = self._out_of_service()
        parts = [
            f"{what}: {_enumerate(names)}"
            for what, names in (
                ("in maintenance", found.maintenance),
                ("forced down", found.forced_down),
            )
            if names
        ]
        if not parts:
            return "", ""
        text = f"{', '.join(parts)}; when it works again, run return-host"
        return text, _left([*found.maintenance, *found.forced_down])

    def _out_of_service(self) -> OutOfService:
        return out_of_service.read(self._host.path(str(out_of_service.RECORD)), self._clock())

    def returned(self, hypervisor: str) -> None:
        """The operator has taken a hypervisor back: nothing is to be said about it any more.

        Raises:
            OSError: that cannot be written down.
        """
        refusals.forget(self._host.path(REFUSALS), hypervisor)
        out_of_service.forget(self._host.path(str(out_of_service.RECORD)), hypervisor)

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
            return self._condemned(hypervisor)
        if any(node.unclean for node in status.named(hypervisor)):
            return "Pacemaker has lost it, and not fenced it yet"
        if connection.stopped_on_purpose:
            return "Pacemaker's connection to it is stopped or unmanaged"
        return "Pacemaker does not reach it"

    def _condemned(self, hypervisor: str) -> str | None:
        """Why one that is back would be fenced again: Consul needs a while to see it whole."""
        try:
            others = remote_nodes.others(self._host.runner, hypervisor)
        except PacemakerError as error:
            return f"Pacemaker does not answer: {error}"
        if witnesses.confirmed(others, hypervisor):
            return "other hypervisors still see networks of it down, and it would be fenced again"
        return None

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
        return readmission.readmit(self._host.runner, clock=self._clock)


def _inspect(runner: Runner, hosts: Sequence[str]) -> list[str]:
    # Not at the top of the module: most hooks do not look, and it is slow to load.
    from masakari_fencing.cluster import health

    found = health.inspect(runner, hosts=hosts)
    return [f"{': '.join(filter(None, (p.node, p.text)))} ({p.cure})" for p in found]


def _left(names: Sequence[str]) -> str:
    """What succeeds once one of the hypervisors is out of service no more; see `awaited`."""
    record = str(out_of_service.RECORD)
    return " || ".join(awaited.lacks(record, json.dumps(name)) for name in names)


def _enumerate(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _check_member(runner: Runner) -> list[str]:
    status = crm_mon.status(runner)
    return [] if status.quorum else ["The cluster has no quorum (bring the other units back)"]
