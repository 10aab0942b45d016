"""Which hypervisor is lost, by what else its machine carries."""

from collections.abc import Iterator
from contextlib import contextmanager

from jujulab.bench.settling import Settling
from jujulab.cloud.cluster import Cluster
from jujulab.cloud.console import StepError
from jujulab.machines.lab import Machine
from jujulab.trials.deployment import Deployment
from jujulab.waiting import poll


class Victims:
    """The hypervisors and their roles."""

    def __init__(self, deployment: Deployment, cluster: Cluster, settling: Settling) -> None:
        self._deployment = deployment
        self._cluster = cluster
        self._settling = settling

    @contextmanager
    def of_role(self, role: str) -> Iterator[Machine]:
        """Find the hypervisor to lose; it has a role until the run is over."""
        if role == "connection":
            busy = self._carriers()
            members = self._cluster.members
            member = min(members, key=lambda m: sum(m.id == other.id for other in busy.values()))
            machine = self._parent(member)
            with self._moved(machine.fqdn, member):
                yield machine
        elif role == "member":
            yield next(m for m in self._deployment.hypervisors() if m.children)
        elif role:
            yield self._parent(self._carriers()[role])
        else:
            yield next(m for m in self._deployment.hypervisors() if not m.children)

    @contextmanager
    def _moved(self, node: str, member: Machine) -> Iterator[None]:
        """Have a member hold the connection to its own machine, as happens after a failover."""
        resource, idle = ["crm_resource", "--resource", node], self._settling.is_idle
        self._settling.member().run([*resource, "--move", "--node", member.hostname], timeout=30)
        try:
            if not poll(lambda: self._cluster.watcher(node).id == member.id and idle(), 60):
                raise StepError(f"the connection to {node} does not move to {member.hostname}")
            yield
        finally:
            self._settling.member().run([*resource, "--clear"], timeout=30)

    def _parent(self, member: Machine) -> Machine:
        return next(m for m in self._deployment.hypervisors() if member.id in m.children)

    def roles(self, machine: Machine) -> list[str]:
        """Return what a machine carries at this moment."""
        members = {"connection": self._cluster.watcher(machine.fqdn), **self._carriers()}
        return [role for role, member in members.items() if member.id in machine.children]

    def _carriers(self) -> dict[str, Machine]:
        """Return role -> the member that has it now."""
        return {
            "dc": self._cluster.controller(),
            "vip": self._cluster.address_holder(),
            "leader": self._cluster.leader(),
        }
