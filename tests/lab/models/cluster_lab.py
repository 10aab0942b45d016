"""The lab's Pacemaker as a side of the suite."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from jujulab.machines.lab import Machine
from jujulab.trials.trial import Trial
from jujulab.waiting import poll
from masakari_fencing.pacemaker.tools import PacemakerError

DUMP = """\
#!/usr/bin/python3
import json, os
found = {name: value for name, value in os.environ.items() if name.startswith("CRM_alert")}
with open("/var/tmp/model-alerts", "a") as stream:
    stream.write(json.dumps(found) + "\\n")
"""
ALERT = (
    "<alerts><alert id='model-alert' path='/var/tmp/model-alert'>"
    "<select><select_fencing/></select></alert></alerts>"
)
REMOTE = (
    "<primitive id='{0}' class='ocf' provider='pacemaker' type='remote'>"
    "<instance_attributes id='ia-{0}'><nvpair id='s-{0}' name='server' value='10.77.2.199'/>"
    "<nvpair id='r-{0}' name='reconnect_interval' value='20'/>"
    "</instance_attributes><operations><op id='o-{0}' name='start' interval='0' timeout='4s'/>"
    "<op id='p-{0}' name='monitor' interval='1s' timeout='5s'/></operations></primitive>"
)
PLACE = "<rsc_location id='l-{0}-{1}' rsc='{0}' node='{1}' score='200'/>"
"""hacluster's, for each member: in its cluster nothing runs where no rule lets it."""


class LabRunner:
    """Runs commands on a member's machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def run(
        self,
        argv: Sequence[str],
        *,
        input: str | None = None,  # noqa: A002 - subprocess.run's name
        timeout: float = 60,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command, as root."""
        return self._machine.run(argv, input=input, timeout=timeout + 30, check=check)


class LabCluster:
    """`members.ClusterSide` by the lab.

    Args:
        trial: in a deployment that is whole.
        node: the remote node that everything happens to.
    """

    def __init__(self, trial: Trial, node: str) -> None:
        self.trial = trial
        self.node = node
        controller = trial.cluster.controller()
        # The model's first member is its controller.
        self.machines = sorted(trial.cluster.members, key=lambda m: m.id != controller.id)
        self.members = [machine.hostname for machine in self.machines]
        self.repairs = ExitStack()

    def do(self, rule: Callable[[Any], Any]) -> Any:
        """Do what a rule says."""
        return rule(self)

    def runner(self, number: int = 0) -> LabRunner:
        return LabRunner(self.machines[number])

    def dump_alerts(self) -> None:
        """Have the members write down what their alert agents are told."""
        for machine in self.machines:
            script = "cat > /var/tmp/model-alert && chmod 755 /var/tmp/model-alert"
            script += "; rm -f /var/tmp/model-alerts"
            machine.run(["sh", "-c", script], input=DUMP)
        argv = ["cibadmin", "--modify", "--allow-create", "--scope", "alerts", "--xml-pipe"]
        self.runner().run(argv, input=ALERT)
        remove = ["cibadmin", "--delete", "--xpath", "//alert[@id='model-alert']"]
        self.repairs.callback(self.runner().run, remove, check=False)

    def alerts(self, number: int = 0) -> list[dict[str, str]]:
        """Return what a member's alert agents were told."""
        argv = ["cat", "/var/tmp/model-alerts"]
        lines = self.machines[number].run(argv, check=False).stdout.splitlines()
        return [json.loads(line) for line in lines]

    def lose(self) -> None:
        self.trial.faults.power_off(self.trial.machine(self.node))

    def stop_daemon(self, stopped: bool) -> None:
        action = "stop" if stopped else "start"
        self.trial.faults.service(self.trial.machine(self.node), action, "pacemaker_remote")

    def power_controller(self, works: bool) -> None:
        self.trial.faults.maas_outage(not works)

    def stop_members(self, numbers: Sequence[int], *, corosync: bool = False) -> None:
        stop = ["systemctl", "stop", "pacemaker", *(["corosync"] if corosync else [])]
        self.together([lambda n=n: self.machines[n].run(stop, timeout=180) for n in numbers])

    def start_members(self, numbers: Sequence[int]) -> None:
        start = ["systemctl", "start", "pacemaker"]
        self.together([lambda n=n: self.machines[n].run(start, timeout=180) for n in numbers])

    def isolate(self, number: int, isolated: bool) -> None:
        if isolated:
            self.repairs.callback(self.machines[number].restore)
            self.trial.faults.cut(self.machines[number], "internal")
        else:
            self.trial.faults.restore(self.machines[number])

    def together(self, functions: Sequence[Any]) -> list[Any]:
        with ThreadPoolExecutor(len(functions)) as pool:
            return [job.result() for job in [pool.submit(function) for function in functions]]

    def add_node(self, name: str) -> None:
        argv = ["cibadmin", "--create", "--scope", "resources", "--xml-pipe"]
        self.runner().run(argv, input=REMOTE.format(name))
        self.repairs.callback(self.remove_node, name)
        argv = ["cibadmin", "--create", "--scope", "constraints", "--xml-pipe"]
        for member in self.members:
            self.runner().run(argv, input=PLACE.format(name, member))

    def remove_node(self, name: str) -> None:
        paths = [f"//rsc_location[@id='l-{name}-{member}']" for member in self.members]
        for path in (*paths, f"//primitive[@id='{name}']"):
            self.runner().run(["cibadmin", "--delete", "--xpath", path], check=False)
        self.runner().run(["crm_node", "--force", "--remove", name], check=False)

    def wait(self, reached: Callable[[], bool], seconds: float) -> bool:
        def look() -> bool:
            try:
                return reached()
            except (PacemakerError, subprocess.SubprocessError):
                return False

        return poll(look, seconds, 0.2)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def now(self) -> float:
        return time.time()
