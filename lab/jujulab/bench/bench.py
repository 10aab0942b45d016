"""Measures faults, run by run.

Everything runs in one lab, with the same cloud, guests and faults; only the options differ, and
who does it. Ours and the floor take turns. A run that was disturbed is not kept, and done again.
"""

import itertools
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from jujulab.bench.disturbance import MOST, Disturbance
from jujulab.bench.floor import Floor
from jujulab.bench.losses import Losses
from jujulab.bench.results import Results, Run
from jujulab.bench.scenarios import FLOOR, POWER_ONLY, SCENARIOS, UPSTREAM
from jujulab.bench.settling import SETTLED, Settling
from jujulab.bench.victims import Victims
from jujulab.cloud.cluster import Cluster
from jujulab.cloud.console import Console
from jujulab.cloud.guests import Guests
from jujulab.files import REPOSITORY
from jujulab.maas.power import Settings
from jujulab.machines.lab import Lab, Machine
from jujulab.trials import timeline
from jujulab.trials.deployment import SEGMENT, Deployment, have_fourth
from jujulab.trials.experiment import RECOVERY_TIMEOUT, Experiment, Outcome

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

SLOW = 10.0
"""Seconds that a slow power controller takes to say whether a node is on."""

HOOKS = "5m"
"""Juju's own interval of update-status; the lab's of a minute keeps a core busy now and then."""

REST = 5.0
"""Seconds that the lab is left alone before a fault."""

APART = 45.0
"""Seconds between two faults, at least: Masakari takes an equal report within 30 for a duplicate
(`duplicate-notification-interval`), and a host that dies again so soon waits for it."""


TRIES = 3
"""Runs in a row that may be disturbed until that counts as a problem of the run."""


class Bench:
    """Measures, in a lab that it makes or finds."""

    def __init__(self, lab: Lab, console: Console, results: Results) -> None:
        self._lab = lab
        self._console = console
        self._results = results
        self._deployment = Deployment(lab, console)
        self._cluster = Cluster(lab, console)
        self._settling = Settling(self._deployment, self._cluster, console)
        self._victims = Victims(self._deployment, self._cluster, self._settling)

    @cached_property
    def _experiment(self) -> Experiment:
        return Experiment(self._deployment)

    @cached_property
    def _floor(self) -> Floor:
        guests = Guests(self._lab, self._deployment.cloud)
        return Floor(self._deployment, self._cluster, guests)

    def close(self) -> None:
        """Close the connection into the lab."""
        self._deployment.close()

    def prepare(self) -> None:
        """Have the cloud with this project, and a hypervisor whose machine carries nothing else.

        Raises:
            StepError: it does not come up.
        """
        self._deployment.deploy_cloud()
        have_fourth(self._deployment)
        if "masakari" not in self._console.status()["applications"]:
            self._deployment.deploy_overlay()
        hosts = ",".join(machine.fqdn for machine in self._deployment.hypervisors())
        self._action("create-segment", f"name={SEGMENT}", f"hosts={hosts}")

    def _action(self, name: str, *parameters: str) -> None:
        self._console.run_action("masakari/leader", name, *parameters)

    def measure(self, scenarios: Iterable[str], modes: Iterable[str], runs: int) -> None:
        """Measure scenarios in modes until there are so many runs of each, with earlier ones.

        Raises:
            StepError, LabError, CloudError: the lab is not what it should be.
        """
        names = list(scenarios)
        apart = [UPSTREAM, POWER_ONLY]  # each has a configuration of its own
        ways = [[mode for mode in modes if mode not in apart]]
        ways += [[mode] for mode in modes if mode in apart]
        # Consul last: it takes its share of the machine's time.
        for matrix, way in itertools.product((False, True), ways):
            wanted = [
                (name, mode)
                for name in names
                for mode in way
                if SCENARIOS[name].matrix == matrix
                and SCENARIOS[name].applies(mode, self._lab.storage)
            ]
            if all(len(self._results.of(*one)) >= runs for one in wanted):
                continue
            with self._configured(way[0], matrix), self._slow_firmware():
                for number, (name, mode) in itertools.product(range(1, runs + 1), wanted):
                    # Anew each time: the run of another role may have counted for this one.
                    if len(self._results.of(name, mode)) < number:
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
        self._configure(mode, matrix=matrix)
        try:
            yield
        finally:
            if mode in (UPSTREAM, POWER_ONLY):
                self._configure("", matrix=matrix)
            # The lab is left as it was: whoever waits for a status would wait long.
            self._console.juju("model-config", "--reset", "update-status-hook-interval")
            self._console.juju("config", "masakari", "--reset", "fencing-limit-window")

    def _configure(self, mode: str, *, matrix: bool) -> None:
        # The last run may have left a hypervisor off, whose units take no option.
        self._settling.settle()
        own = mode if mode in (UPSTREAM, POWER_ONLY) else "default"
        with self._console.step(f"The configuration: {own}"):
            for application, options in settings().items():
                self._console.juju("config", application, "--reset", ",".join(options))
            if matrix:
                self._deployment.deploy_consul()  # whose overlay has options, too
            for application, options in settings().items() if mode == UPSTREAM else ():
                pairs = [f"{name}={_text(value)}" for name, value in options.items()]
                self._console.juju("config", application, *pairs)
            if self._lab.storage == "ceph":
                second = "off" if mode in (UPSTREAM, POWER_ONLY) else "parallel"
                self._console.juju("config", "masakari", f"storage-fencing={second}")
            window = f"fencing-limit-window={FENCING_WINDOW}"
            self._console.juju("config", "masakari", window)
            self._console.wait_active("the configuration", timeout=SETTLED)
            # Not sooner: a status that only time changes is waited for, too.
            self._console.juju("model-config", f"update-status-hook-interval={HOOKS}")

    def _run(self, name: str, mode: str) -> None:
        """Measure one fault, and keep what came of it, once nothing has disturbed it."""
        number = len(self._results.of(name, mode)) + 1
        for tries in range(1, TRIES + 1):
            self._console.say(f"=== {SCENARIOS[name].title}: run {number}, {mode}")
            run, others = self._measured(name, mode)
            if others <= MOST:
                break
            text = f"disturbed: what is not the lab used {others:.1f} processors"
            if tries == TRIES:
                run.problems.append(f"{text}, {TRIES} times in a row")
            else:
                self._console.say(f"{text}; it is done again")
        self._results.add(run)

    def _measured(self, name: str, mode: str) -> tuple[Run, float]:
        """Measure one fault; return it, and how many processors others used meanwhile."""
        scenario = SCENARIOS[name]
        self._settling.settle()
        with self._victims.of_role(scenario.role) as machine:
            host = self._deployment.boot_guests(scenario.guests, machine.fqdn)
            last = max((run.started for run in self._results.runs), default=0.0)
            time.sleep(max(REST, last + APART - time.time()))
            # Only among power cuts does a machine with a role count for that role, too.
            roles = [] if scenario.matrix else self._victims.roles(machine)
            asleep = self._floor.asleep(host) if mode == FLOOR else nullcontext()
            with asleep:
                load, started = os.getloadavg()[0], time.time()
                disturbance = Disturbance(self._lab.cgroup_mounts.get("unified"), self._lab.name)
                outcome = self._fault(name, mode, host, machine)
                others = disturbance.seen()
        seconds = figures(outcome.recovery)
        problems = outcome.problems
        if mode == FLOOR:
            # MAAS had switched it off, which Pacemaker was not told.
            problems = [problem for problem in problems if "fenced" not in problem]
        return Run(name, mode, started, load, seconds, problems, roles), others

    def _fault(self, name: str, mode: str, host: str, machine: Machine) -> Outcome:
        if mode == FLOOR and name == "qemu":
            return self._experiment.measure_guest(self._floor.start)
        if mode == FLOOR:
            what = f"power cut: {machine.hostname}, recovered by hand"
            return self._experiment.measure(host, lambda: self._floor.cut(machine), what)
        if name == "qemu":
            return self._experiment.measure_guest()
        if SCENARIOS[name].matrix:
            limit = STAYS if mode == UPSTREAM else RECOVERY_TIMEOUT
            try:
                what = f"storage network cut: {machine.hostname}"
                return self._experiment.measure(host, lambda: _cut_storage(machine), what, limit)
            finally:
                machine.restore()
        dead = ", ".join([machine.hostname, *machine.children])
        limit = UPSTREAM_TIMEOUT if mode == UPSTREAM else RECOVERY_TIMEOUT
        # The storage is what proves it dead first.
        powerless = SCENARIOS[name].controller != "quick" and mode != POWER_ONLY
        losses = Losses(self._deployment, self._cluster).of(SCENARIOS[name].loses)
        what = f"power cut: {dead}"
        with self._controller(SCENARIOS[name].controller, machine):
            return self._experiment.measure(
                host, machine.power_off, what, limit, powerless=powerless, meanwhile=losses
            )

    @contextmanager
    def _controller(self, kind: str, machine: Machine) -> Iterator[None]:
        """Have a machine's power controller be slow, or mute.

        It is fenced once its controller answers as others do, before it is switched on.
        """
        power = Settings(self._lab.run_dir)
        power.answer_delay = SLOW if kind == "slow" else 0.0
        power.mute = {machine.hostname} if kind == "mute" else set()
        try:
            yield
        finally:
            power.answer_delay, power.mute = 0.0, ()
            if kind != "quick":
                self._settling.await_clean(machine.fqdn)


def _cut_storage(machine: Machine) -> None:
    """Cut a hypervisor off its guests' disks; the member on its machine needs none."""
    machine.cut("storage", containers=False)


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
