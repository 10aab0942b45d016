"""The benchmark: how soon guests come back, next to what the upstream charms' settings give.

Everything runs in one lab, with the same cloud, guests and faults; only the options differ. It
can be interrupted and goes on where it was: each run is kept as soon as it is over.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from jujulab.bench.results import OURS, UPSTREAM, Results, Run
from jujulab.cloud.cluster import Cluster
from jujulab.cloud.console import Console, StepError, poll
from jujulab.errors import LabError
from jujulab.files import REPOSITORY
from jujulab.maas.power import Settings
from jujulab.machines.lab import Lab, Machine
from jujulab.trials import timeline
from jujulab.trials.deployment import DEPLOYMENT, SEGMENT, Deployment
from jujulab.trials.experiment import Experiment, Outcome

SETTINGS = REPOSITORY / "lab" / "overlays" / "upstream.yaml"

FENCING_WINDOW = 20
"""Seconds for which a fenced hypervisor counts towards the limit: here one dies after the other,
and the third within two minutes would be taken for a dead switch."""

UPSTREAM_TIMEOUT = 420.0
"""Seconds until a recovery with upstream's settings counts as failed; most need about 200."""

STAYS = 180.0
"""Seconds after which guests that lost their storage are taken to stay where they are, with
upstream's settings: those put the host into maintenance within 90."""

BOOT_DELAY = 600.0
"""Seconds that a fenced hypervisor stays in its firmware, or until the run is over. With
upstream's settings Nova refuses the evacuation from a host that is back before it, as one whose
firmware takes less than three minutes would be, and the guests stay down for good."""

HOOKS = "5m"
"""Juju's own interval of update-status; the lab's of a minute keeps a core busy now and then."""

REST = 5.0
"""Seconds that the lab is left alone before a fault."""

APART = 45.0
"""Seconds between two faults, at least: Masakari takes an equal report within 30 for a duplicate
(`duplicate-notification-interval`), and a host that dies again so soon waits for it."""

SETTLED = 300.0
"""Seconds within which the lab must be whole again after a fault."""


@dataclass(frozen=True)
class Scenario:
    """One kind of fault.

    Attributes:
        title: for people.
        guests: how many are on the hypervisor.
        role: what its machine carries besides; empty for nothing.
        modes: with which configurations it is measured.
        matrix: Consul watches the networks, and only that of the storage is cut.
    """

    title: str
    guests: int = 3
    role: str = ""
    modes: tuple[str, ...] = (OURS,)
    matrix: bool = False


SCENARIOS = {
    "power": Scenario("power cut, 3 guests", modes=(OURS, UPSTREAM)),
    "connection": Scenario("... with the member that watches it", role="connection"),
    "dc": Scenario("... with Pacemaker's controller", role="dc"),
    "vip": Scenario("... with the API's virtual addresses", role="vip"),
    "leader": Scenario("... with Juju's leader", role="leader"),
    "many": Scenario("power cut, 20 guests", guests=20),
    "qemu": Scenario("a guest's QEMU killed", modes=(OURS, UPSTREAM)),
    "storage": Scenario(
        "storage network cut, 3 guests", role="member", modes=(OURS, UPSTREAM), matrix=True
    ),
}


class Bench:
    """Measures, in a lab that it makes or finds.

    Args:
        lab: where the machines are.
        console: where it shows what it does.
        results: where the runs go.
    """

    def __init__(self, lab: Lab, console: Console, results: Results) -> None:
        self._lab = lab
        self._console = console
        self._results = results
        self._deployment = Deployment(lab, console)
        self._cluster = Cluster(lab, console)

    @cached_property
    def _experiment(self) -> Experiment:
        return Experiment(self._deployment)

    def close(self) -> None:
        """Close the connection into the lab."""
        self._deployment.close()

    def prepare(self) -> None:
        """Have the cloud with this project, and a hypervisor whose machine carries nothing else.

        Raises:
            StepError: it does not come up.
        """
        self._deployment.deploy_cloud()
        if len(self._deployment.hypervisors()) < 4:
            with self._console.step("A fourth hypervisor, on a machine of its own"):
                self._console.juju("add-unit", "nova-compute")
                self._console.wait_active("the fourth hypervisor", timeout=DEPLOYMENT)
        if "masakari" not in self._console.status()["applications"]:
            self._deployment.deploy_overlay()
        hosts = ",".join(machine.fqdn for machine in self._deployment.hypervisors())
        self._action("create-segment", f"name={SEGMENT}", f"hosts={hosts}")

    def _action(self, name: str, *parameters: str) -> None:
        self._console.run_action("masakari/leader", name, *parameters)

    def measure(self, scenarios: Iterable[str], modes: Iterable[str], runs: int) -> None:
        """Measure until there are so many runs of each.

        Args:
            scenarios: names of `SCENARIOS`.
            modes: with which configurations.
            runs: how many of each there shall be; those of earlier times count.

        Raises:
            StepError, LabError, CloudError: the lab is not what it should be.
        """
        names = list(scenarios)
        # Consul last: it takes its share of the machine's time.
        for matrix, mode in itertools.product((False, True), modes):
            wanted = [
                name
                for name in names
                if SCENARIOS[name].matrix == matrix and mode in SCENARIOS[name].modes
            ]
            if all(len(self._results.of(name, mode)) >= runs for name in wanted):
                continue
            with self._configured(mode, matrix), self._slow_firmware():
                for name in wanted:
                    # Anew each time: the run of another role may have counted for this one.
                    while len(self._results.of(name, mode)) < runs:
                        self._run(name, mode)

    @contextmanager
    def _slow_firmware(self) -> Iterator[None]:
        power = Settings(self._lab.run_dir)
        before, power.boot_delay = power.boot_delay, BOOT_DELAY
        try:
            yield
        finally:
            power.boot_delay = before

    @contextmanager
    def _configured(self, mode: str, matrix: bool) -> Iterator[None]:
        """Have the options of a mode; ours are the defaults, but for the window of the limit."""
        self._configure(upstream=mode == UPSTREAM, matrix=matrix)
        try:
            yield
        finally:
            if mode == UPSTREAM:
                self._configure(upstream=False, matrix=matrix)
            # The lab is left as it was: whoever waits for a status would wait long.
            self._console.juju("model-config", "--reset", "update-status-hook-interval")
            self._console.juju("config", "masakari", "--reset", "fencing-limit-window")

    def _configure(self, *, upstream: bool, matrix: bool) -> None:
        with self._console.step(f"The {UPSTREAM if upstream else 'default'} configuration"):
            for application, options in settings().items():
                self._console.juju("config", application, "--reset", ",".join(options))
            if matrix:
                self._deployment.deploy_consul()  # whose overlay has options, too
            for application, options in settings().items() if upstream else ():
                pairs = [f"{name}={_text(value)}" for name, value in options.items()]
                self._console.juju("config", application, *pairs)
            window = f"fencing-limit-window={FENCING_WINDOW}"
            self._console.juju("config", "masakari", window)
            self._console.wait_active("the configuration", timeout=SETTLED)
            # Not sooner: a status that only time changes is waited for, too.
            self._console.juju("model-config", f"update-status-hook-interval={HOOKS}")

    def _run(self, name: str, mode: str) -> None:
        """Measure one fault, and keep what came of it."""
        scenario = SCENARIOS[name]
        number = len(self._results.of(name, mode)) + 1
        self._console.say(f"=== {scenario.title}: run {number}, {mode}")
        self.settle()
        with self._victim(scenario) as machine:
            host = self._deployment.boot_guests(scenario.guests, machine.fqdn)
            last = max((run.started for run in self._results.runs), default=0.0)
            time.sleep(max(REST, last + APART - time.time()))
            # Only among power cuts does a machine with a role count for that role, too.
            roles = [] if scenario.matrix else self._roles(machine)
            load, started = os.getloadavg()[0], time.time()
            outcome = self._fault(name, mode, host, machine)
        seconds = figures(outcome.recovery)
        self._results.add(Run(name, mode, started, load, seconds, outcome.problems, roles))

    def _fault(self, name: str, mode: str, host: str, machine: Machine) -> Outcome:
        if name == "qemu":
            return self._experiment.measure_guest()
        if SCENARIOS[name].matrix:
            limit = {"timeout": STAYS} if mode == UPSTREAM else {}
            try:
                what = f"storage network cut: {machine.hostname}"
                return self._experiment.measure(host, lambda: _cut_storage(machine), what, **limit)
            finally:
                machine.restore()
        dead = ", ".join([machine.hostname, *machine.children])
        limit = {"timeout": UPSTREAM_TIMEOUT} if mode == UPSTREAM else {}
        return self._experiment.measure(host, machine.power_off, f"power cut: {dead}", **limit)

    def settle(self) -> None:
        """Bring everything back that an earlier fault took away, and wait until it is at rest.

        Raises:
            StepError: it does not come back in time.
        """
        with self._console.step("Everything back, and at rest"):
            self._deployment.power_on()  # as if the firmware of each had finished
            hosts = {machine.fqdn: machine for machine in self._deployment.hypervisors()}
            if not poll(lambda: self._connected(hosts), SETTLED, interval=1):
                raise StepError(f"the cluster is not whole again: {self._cluster.unsettled()}")
        self._deployment.restore()
        # Not for statuses: that of a host that has just come back is renewed once in `HOOKS`.
        self._console.wait_idle("the lab", timeout=SETTLED)
        if not poll(self._idle, SETTLED, interval=1):
            raise StepError("Pacemaker's controller does not come to rest")

    def _connected(self, hosts: dict[str, Machine]) -> bool:
        """Whether the cluster is whole; a host that is back is not made to wait for its turn."""
        if not self._cluster.unsettled():
            return True
        try:
            nodes = self._cluster.look().iterfind("nodes/node[@online='false'][@unclean='false']")
            for name in [str(node.get("name")) for node in nodes]:
                if name in hosts and _serves(hosts[name]):
                    self._member().run(["crm_resource", "--resource", name, "--cleanup"])
                    time.sleep(5)
        except (LabError, subprocess.SubprocessError):
            return False
        return not self._cluster.unsettled()

    def _idle(self) -> bool:
        """Whether the cluster has nothing to do: what is under way delays a fencing."""
        try:
            controller = self._cluster.controller()
            reply = controller.run(["crmadmin", "--status", controller.hostname], timeout=20)
        except (LabError, subprocess.SubprocessError):
            return False
        return "S_IDLE" in reply.stdout

    def _member(self) -> Machine:
        member = self._cluster.answering()
        if member is None:
            raise LabError("no member of the cluster can answer")
        return member

    @contextmanager
    def _victim(self, scenario: Scenario) -> Iterator[Machine]:
        """Find the hypervisor to lose; it has the scenario's role until the run is over."""
        if scenario.role == "connection":
            busy = self._carriers()
            members = self._cluster.members
            member = min(members, key=lambda m: sum(m.id == other.id for other in busy.values()))
            machine = self._parent(member)
            with self._moved(machine.fqdn, member):
                yield machine
        elif scenario.role == "member":
            yield next(m for m in self._deployment.hypervisors() if m.children)
        elif scenario.role:
            yield self._parent(self._carriers()[scenario.role])
        else:
            yield next(m for m in self._deployment.hypervisors() if not m.children)

    @contextmanager
    def _moved(self, node: str, member: Machine) -> Iterator[None]:
        """Have a member hold the connection to its own machine, as happens after a failover."""
        resource = ["crm_resource", "--resource", node]
        self._member().run([*resource, "--move", "--node", member.hostname], timeout=30)
        try:
            if not poll(lambda: self._cluster.watcher(node).id == member.id and self._idle(), 60):
                raise StepError(f"the connection to {node} does not move to {member.hostname}")
            yield
        finally:
            self._member().run([*resource, "--clear"], timeout=30)

    def _parent(self, member: Machine) -> Machine:
        return next(m for m in self._deployment.hypervisors() if member.id in m.children)

    def _roles(self, machine: Machine) -> list[str]:
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


def _cut_storage(machine: Machine) -> None:
    """Cut a hypervisor off its guests' disks; the member on its machine needs none."""
    machine.cut("storage", containers=False)


def _serves(machine: Machine) -> bool:
    """Whether a hypervisor's pacemaker_remote can be connected to."""
    if machine.state != "on":
        return False
    check = machine.run(["systemctl", "is-active", "pacemaker_remote"], timeout=20, check=False)
    return check.returncode == 0


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def settings(path: Path = SETTINGS) -> dict[str, dict[str, Any]]:
    """Return upstream's settings: application -> option -> value."""
    applications = yaml.safe_load(path.read_text())["applications"]
    return {name: dict(entry["options"]) for name, entry in applications.items()}


def figures(recovery: timeline.Recovery) -> dict[str, float]:
    """Return a recovery's seconds by the names of `benchresults.COLUMNS`."""
    found = {**recovery.phases, "active": recovery.all_active}
    found["outage"] = max(recovery.outage.values(), default=None)
    return {name: value for name, value in found.items() if value is not None}
