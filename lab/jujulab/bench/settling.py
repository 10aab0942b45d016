"""A lab that is whole, and at rest, before something is measured in it."""

import subprocess
import time

from jujulab.cloud.ceph import Ceph
from jujulab.cloud.cluster import Cluster
from jujulab.cloud.connection import CloudError
from jujulab.cloud.console import Console, StepError
from jujulab.errors import LabError
from jujulab.machines.lab import Machine
from jujulab.trials.deployment import Deployment
from jujulab.waiting import poll

SETTLED = 300.0
"""Seconds within which the lab must be whole again after a fault."""


class Settling:
    """Brings a deployment's lab and cluster to rest."""

    def __init__(self, deployment: Deployment, cluster: Cluster, console: Console) -> None:
        self._deployment = deployment
        self._cluster = cluster
        self._console = console

    def settle(self) -> None:
        """Bring everything back that an earlier fault took away, and wait until it is at rest.

        Raises:
            StepError: it does not come back in time.
        """
        with self._console.step("Everything back, and at rest"):
            # A recovery that has not ended has a host fenced once more that comes back meanwhile.
            if not poll(self._ended, SETTLED, interval=1):
                raise StepError("a recovery does not end")
            self._deployment.power_on()  # as if the firmware of each had finished
            hosts = {machine.fqdn: machine for machine in self._deployment.hypervisors()}
            if not poll(lambda: self._connected(hosts), SETTLED, interval=1):
                raise StepError(f"the cluster is not whole again: {self._cluster.unsettled()}")
        lab = self._deployment.lab
        if lab.storage == "ceph" and not Ceph(lab).await_empty(SETTLED):
            raise StepError("Ceph still shuts a hypervisor out that is back")
        self._deployment.restore()
        # Not for statuses: that of a host that has just come back is renewed once in `HOOKS`.
        self._console.wait_idle("the lab", timeout=SETTLED)
        if not poll(self.is_idle, SETTLED, interval=1):
            raise StepError("Pacemaker's controller does not come to rest")

    def _ended(self) -> bool:
        """Whether Masakari has ended every recovery."""
        try:
            found = self._deployment.cloud.notifications()
        except CloudError:
            return False
        return not any(notice["status"] in ("new", "running") for notice in found)

    def await_clean(self, host: str) -> None:
        """Wait until Pacemaker has fenced a hypervisor that it could not fence.

        Raises:
            StepError: it has not in time.
        """

        def clean() -> bool:
            nodes = self._cluster.look().iterfind(f"nodes/node[@name='{host}']")
            return all(node.get("unclean") != "true" for node in nodes)

        if not poll(clean, SETTLED, interval=1):
            raise StepError(f"Pacemaker does not fence {host}")

    def _connected(self, hosts: dict[str, Machine]) -> bool:
        """Whether the cluster is whole; a host that is back is not made to wait for its turn."""
        if not self._cluster.unsettled():
            return True
        try:
            nodes = self._cluster.look().iterfind("nodes/node[@online='false'][@unclean='false']")
            for name in [str(node.get("name")) for node in nodes]:
                if name in hosts and _serves(hosts[name]):
                    self.member().run(["crm_resource", "--resource", name, "--cleanup"])
                    time.sleep(5)
        except (LabError, subprocess.SubprocessError):
            return False
        return not self._cluster.unsettled()

    def is_idle(self) -> bool:
        """Whether the cluster has nothing to do: what is under way delays a fencing."""
        try:
            controller = self._cluster.controller()
            reply = controller.run(["crmadmin", "--status", controller.hostname], timeout=20)
        except (LabError, subprocess.SubprocessError):
            return False
        return "S_IDLE" in reply.stdout

    def member(self) -> Machine:
        """Return a member of the cluster that answers.

        Raises:
            LabError: none does.
        """
        member = self._cluster.answering()
        if member is None:
            raise LabError("no member of the cluster can answer")
        return member


def _serves(machine: Machine) -> bool:
    """Whether a hypervisor's pacemaker_remote can be connected to."""
    if machine.state != "on":
        return False
    check = machine.run(["systemctl", "is-active", "pacemaker_remote"], timeout=20, check=False)
    return check.returncode == 0
