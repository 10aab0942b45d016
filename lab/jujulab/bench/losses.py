"""What a recovery needs, and loses while the instances are being rebuilt."""

import time
from collections.abc import Callable
from functools import partial

from jujulab.cloud.cluster import Cluster
from jujulab.cloud.console import first_machine
from jujulab.machines.lab import Machine
from jujulab.trials.deployment import Deployment
from jujulab.trials.faults import Faults

AWAY = 12.0
"""Seconds for which the database is away. Nova's and Masakari's services give up a connection
after 10 attempts, a second apart (oslo.db's `max_retries` and `retry_interval`)."""


class Losses:
    """Takes away what all recoveries share, where it really is. Each step is in the journal."""

    def __init__(self, deployment: Deployment, cluster: Cluster) -> None:
        self._deployment = deployment
        self._cluster = cluster
        self._faults = Faults(deployment.lab)

    def of(self, name: str) -> Callable[[], None] | None:
        """Return what loses something, and what it needs is asked for now, while all is well.

        Args:
            name: ``engines``, ``broker`` or ``database``; empty for nothing, which is None.
        """
        if name == "engines":
            return self._kill_engines
        faults = self._faults
        if name == "broker":
            name = first_machine(self._deployment.console.status(), "rabbitmq-server")
            machine = self._deployment.lab.machine(name)
            return lambda: faults.service(machine, "restart", "rabbitmq-server")
        if name == "database":
            return partial(self._lose, self._deployment.database(), "mariadb")
        return None

    def _lose(self, machine: Machine, service: str) -> None:
        self._faults.service(machine, "stop", service)
        time.sleep(AWAY)
        self._faults.service(machine, "start", service)

    def _kill_engines(self) -> None:
        """Kill all of them, whichever works on the recovery."""
        for member in self._cluster.members:
            self._faults.kill(member, "masakari-engine")
