"""The simulation's Pacemaker as a side of the suite."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from masakari_fencing.pacemaker import cibadmin
from nova_model import Stage
from simulation.core import kernel
from simulation.core.kernel import Process
from simulation.models.nova.nova import Nova
from simulation.models.nova.records import Service
from simulation.models.pacemaker.cluster import Cluster
from simulation.models.pacemaker.commands.commands import Commands
from simulation.models.pacemaker.records import Member, Remote
from simulation.world import Unit


class ModelRunner:
    """Runs commands of the model in the name of one member."""

    def __init__(self, side: ModelCluster, unit: Unit) -> None:
        self._side = side
        self._unit = unit

    def run(
        self,
        argv: Sequence[str],
        *,
        input: str | None = None,  # noqa: A002 - subprocess.run's name
        timeout: float = 60,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command, as the process of a unit that calls."""
        task = kernel.current()
        assert task is not None
        before, task.process = task.process, Process(self._side.kernel, "test", self._unit)
        try:
            return self._side.commands.run(argv, input=input, timeout=timeout)
        finally:
            task.process = before


class ModelCluster:
    """`members.ClusterSide` by the model.

    Args:
        members: names of the members.
        nodes: names of the remote nodes; the last one is the one that things happen to.
    """

    def __init__(self, members: list[str], nodes: list[str]) -> None:
        self.members = members
        self.node = nodes[-1]
        self.stage = Stage()
        self.kernel, self.world = self.stage.kernel, self.stage.world
        self.spooled: list[dict[str, Any]] = []
        self.world.masakari = SimpleNamespace(spool=lambda unit, event: self.spooled.append(event))
        self.cluster = self.world.cluster = Cluster(self.world, self.kernel)
        self.cluster.reconnect_interval = 20.0
        self.nova = self.world.nova = Nova(self.world, self.kernel)
        self.commands = self.world.commands = Commands(self.cluster, self.world.masakari)
        for name in members:
            self.world.units[name] = Unit(name)
            self.cluster.members[name] = Member(name, self.world.units[name])
        self.cluster.dc = members[0]
        for name in nodes:
            self._add(name).started = int(self.kernel.now) - 1000
        self.commands.configure()

    def _add(self, name: str) -> Remote:
        host = self.stage.add_host(name)
        host.boot_time = 30.0
        self.nova.services[name] = Service(name, name)
        remote = self.cluster.remotes[name] = Remote(name, host, member=self.members[0])
        self.cluster.lists.add(name)
        return remote

    def do(self, rule: Callable[[Any], Any]) -> Any:
        """Have the model do what a rule says."""
        return self.stage.run(lambda: rule(self))

    def runner(self, number: int = 0) -> ModelRunner:
        return ModelRunner(self, self.world.units[self.members[number]])

    def lose(self) -> None:
        self.world.power_off(self.world.hosts[self.node])

    def stop_daemon(self, stopped: bool) -> None:
        self.world.hosts[self.node].remote = not stopped
        self.cluster.connections.look_at(self.node)

    def power_controller(self, works: bool) -> None:
        self.cluster.power_controller = works

    def stop_members(self, numbers: Sequence[int], *, corosync: bool = False) -> None:
        for number in numbers:
            self.cluster.membership.stop(self.world.units[self.members[number]])

    def start_members(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self.cluster.membership.start(self.world.units[self.members[number]])
        if len(numbers) == len(self.members):
            self.cluster.membership.restart()

    def isolate(self, number: int, isolated: bool) -> None:
        unit = self.world.units[self.members[number]]
        if not isolated:
            self.cluster.membership.rejoin(unit, self.commands.views.rejoined(unit))
            return
        self.cluster.membership.isolate(unit)
        self.commands.views.cut_off(unit)
        # As the lab's notifiers do.
        cibadmin.outdate_others(self.runner((number + 1) % len(self.members)))

    def together(self, functions: Sequence[Any]) -> list[Any]:
        results: dict[int, Any] = {}

        def do(number: int, function: Callable[[], Any]) -> None:
            results[number] = function()

        for number, function in enumerate(functions):
            unit = self.world.units[self.members[number]]
            self.kernel.spawn(Process(self.kernel, "test", unit), do, number, function)
        self.wait(lambda: len(results) == len(functions), 300)
        return [results[number] for number in sorted(results)]

    def add_node(self, name: str) -> None:
        remote = self._add(name)
        remote.host.remote = remote.host.joined = False
        remote.role, remote.known, remote.member, remote.new = "Stopped", False, "", True
        self.cluster.lists.discard(name)
        self.commands.add_remote(remote)
        self.cluster.connections.plan(remote, 0.5)
        self.cluster.changed()

    def remove_node(self, name: str) -> None:
        del self.cluster.remotes[name]
        self.cluster.changed()

    def wait(self, reached: Callable[[], bool], seconds: float) -> bool:
        end = self.kernel.now + seconds
        while not reached():
            if self.kernel.now > end:
                return False
            self.kernel.sleep(0.25)
        return True

    def sleep(self, seconds: float) -> None:
        self.kernel.sleep(seconds)

    def now(self) -> float:
        return self.kernel.now
