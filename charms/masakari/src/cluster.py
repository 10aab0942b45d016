"""The Pacemaker cluster of this unit: what the charm adds to it, and its health."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import masakari_fencing.cluster
import masakari_fencing.refusals
from instance_ha_common.commands import CommandError, Runner
from instance_ha_common.host import Host
from masakari_fencing import pacemaker
from masakari_fencing.pacemaker import PacemakerError

from config import Config
from fencing import ALERT_AGENT, REFUSALS

_RECORD = "/var/lib/masakari-charm/machine"
_LOOK = "/var/lib/masakari-charm/health.json"
_MAX_AGE = 60.0  # seconds


def desired(config: Config) -> masakari_fencing.cluster.Desired:
    """What the cluster's configuration must contain, by the charm's options."""
    tuning = None
    if config.remote_monitor_interval:
        tuning = masakari_fencing.cluster.Tuning(
            monitor_interval=config.remote_monitor_interval,
            monitor_timeout=config.remote_monitor_timeout,
            start_timeout=config.remote_start_timeout,
            reconnect_interval=config.remote_reconnect_interval,
        )
    guard = None
    if config.fencing_limit_hosts or config.fencing_limit_share:
        guard = masakari_fencing.cluster.Guard(
            max_hosts=config.fencing_limit_hosts,
            max_share=config.fencing_limit_share,
            window=config.fencing_limit_window,
        )
    return masakari_fencing.cluster.Desired(
        alert_path=ALERT_AGENT if config.fencing_notifications else None,
        tuning=tuning,
        separate_machines=True,
        guard=guard,
    )


class Cluster:
    """The cluster, as seen from one machine."""

    def __init__(self, host: Host, clock: Callable[[], float] = time.time) -> None:
        self._host = host
        self._clock = clock

    def apply(self, config: Config) -> list[str]:
        """Have the cluster's configuration contain what the options ask for. Leader only.

        Returns:
            What was changed.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        return masakari_fencing.cluster.apply(self._host.runner, desired(config))

    def remove(self) -> None:
        """Take everything of ours out of the cluster's configuration.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        masakari_fencing.cluster.remove(self._host.runner)

    def record_machine(self, machine: str) -> None:
        """Tell the cluster which Juju machine this member is on, once.

        Args:
            machine: Juju's id of this unit's machine, such as `1/lxd/0`.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        if not machine or self._host.read(_RECORD) == machine:
            return
        masakari_fencing.cluster.record_machine(self._host.runner, self._member(), machine)
        self._host.write(_RECORD, machine)

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
        found = _inspect(self._host.runner) if leader else _check_member(self._host.runner)
        look = {"time": self._clock(), "leader": leader, "problems": found}
        self._host.write(_LOOK, json.dumps(look), mode=0o600)
        return found

    def _last_look(self) -> dict[str, Any] | None:
        """The last look, if it is recent."""
        try:
            look = json.loads(self._host.read(_LOOK) or "{}")
            recent = 0 <= self._clock() - look["time"] < _MAX_AGE
        except (ValueError, KeyError, TypeError):
            return None
        return look if recent else None

    def refusals(self) -> list[str]:
        """Recoveries that were refused on this unit."""
        found = masakari_fencing.refusals.read(self._host.path(REFUSALS))
        return [
            f"Recovery of {refusal.host} refused: {refusal.reason} (when it works again, run"
            f" return-host host={refusal.host})"
            for refusal in found
        ]

    def forget_refusal(self, hypervisor: str) -> None:
        """The operator has dealt with a refused recovery."""
        masakari_fencing.refusals.forget(self._host.path(REFUSALS), hypervisor)

    def allow_fencing(self, seconds: float) -> float:
        """Lift the limit of hypervisors that may be fenced, on all members.

        Returns:
            Until when, in seconds since the epoch.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        from masakari_fencing import guard

        return guard.allow(self._host.runner, seconds, clock=self._clock)

    def readmit(self) -> list[str]:
        """Take back, unfenced, the hypervisors that answer again.

        Returns:
            Those that are connected again.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        from masakari_fencing import guard

        return guard.readmit(self._host.runner, clock=self._clock)


def _inspect(runner: Runner) -> list[str]:
    # Not at the top of the module: most hooks do not look, and it is slow to load.
    from masakari_fencing import health

    found = health.inspect(runner)
    return [f"{': '.join(filter(None, (p.node, p.text)))} ({p.cure})" for p in found]


def _check_member(runner: Runner) -> list[str]:
    status = pacemaker.status(runner)
    return [] if status.quorum else ["The cluster has no quorum (bring the other units back)"]
