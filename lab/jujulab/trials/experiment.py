"""One fault of a deployment, followed until its instances run again."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jujulab.cloud.cluster import Cluster
from jujulab.cloud.console import StepError
from jujulab.cloud.database import DatabaseError, DatabaseView
from jujulab.cloud.guests import Guests
from jujulab.machines.lab import Machine
from jujulab.trials import timeline
from jujulab.trials.deployment import PREFIX, Deployment
from jujulab.trials.judges import Judges
from jujulab.trials.observe import Event, Observer
from jujulab.trials.picture import live
from jujulab.waiting import poll

RECOVERY_TIMEOUT = 240.0
"""Seconds until a recovery counts as failed; the upstream defaults needed up to 286."""


@dataclass(frozen=True)
class Outcome:
    """What came of a fault.

    Attributes:
        recovery: its phases.
        problems: guests that did not come up, ran twice, or were evacuated too early, each in a
            sentence.
    """

    recovery: timeline.Recovery
    problems: list[str]


class Experiment:
    """Breaks something in a deployment with the demo's guests, shows and judges what happens."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._lab = deployment.lab
        self._console = deployment.console
        self._guests = Guests(deployment.lab, deployment.cloud)
        self._cluster = Cluster(deployment.lab, deployment.console)

    def lose_hypervisor(self, host: str) -> list[str]:
        """Cut the power of a hypervisor and follow its guests; return what went wrong."""
        machine = self._lab.find(host)
        dead = ", ".join([machine.hostname, *machine.children])
        return self.measure(host, machine.power_off, f"power cut: {dead}").problems

    def isolate_hypervisor(self, host: str) -> list[str]:
        """Cut all networks of a hypervisor, which runs on; return what went wrong."""
        machine = self._lab.find(host)
        return self.measure(host, machine.cut, f"all networks cut: {machine.hostname}").problems

    def kill_guest(self) -> list[str]:
        """Kill the QEMU of the guest tagged HA_Enabled; return what went wrong."""
        return self.measure_guest().problems

    def measure(
        self,
        host: str,
        fault: Callable[[], object],
        what: str,
        timeout: float = RECOVERY_TIMEOUT,
        *,
        powerless: bool = False,
        meanwhile: Callable[[], object] | None = None,
    ) -> Outcome:
        """Make a fault and follow the guests of a hypervisor until they beat elsewhere.

        Args:
            host: Nova's and Pacemaker's name of the hypervisor.
            fault: what to do to it.
            what: the same in words.
            timeout: seconds until the recovery counts as failed.
            powerless: nothing can switch the hypervisor off; see `Judges.unsafe`.
            meanwhile: what else breaks, once the first of its guests is being evacuated.
        """
        found = self._guests.find(PREFIX)
        victims = [n for n, s in found.items() if s["OS-EXT-SRV-ATTR:host"] == host]
        with self._console.step(f"{what}, with {len(victims)} guests on {host}"):
            hosts = [hypervisor.fqdn for hypervisor in self._deployment.hypervisors()]
            return self._follow(fault, what, victims, hosts, host, timeout, powerless, meanwhile)

    def measure_guest(self, then: Callable[[str], object] = lambda server: None) -> Outcome:
        """Kill the QEMU of the guest tagged HA_Enabled, and follow it until it beats again.

        `then` is done with the guest's identifier once its QEMU is killed.
        """
        name = f"{PREFIX}1"
        server = self._guests.find(PREFIX)[name]
        host = server["OS-EXT-SRV-ATTR:host"]
        with self._console.step(f"Death of {name}'s QEMU on {host} (HA_Enabled=True)"):
            machine = self._lab.find(host)
            pid = _qemu(machine, server["OS-EXT-SRV-ATTR:instance_name"])
            what = f"kill -9 {pid} (qemu of {name})"

            def fault() -> None:
                machine.run(["kill", "-9", pid])
                then(server["id"])

            return self._follow(fault, what, [name], [host])

    def _follow(
        self,
        fault: Callable[[], object],
        what: str,
        victims: Sequence[str],
        hosts: Sequence[str],
        lost: str = "",
        timeout: float = RECOVERY_TIMEOUT,
        powerless: bool = False,
        meanwhile: Callable[[], object] | None = None,
    ) -> Outcome:
        """Make a fault, and follow some guests until they beat; `lost` is no place for them."""
        names = {s["id"]: name for name, s in self._guests.find(PREFIX).items()}
        observer = Observer(
            self._deployment.database_view(),
            self._cluster.answering,
            self._lab.run_dir / "maas.jsonl",
            self._guests.pulses(PREFIX),
            self._show,
            in_place=not lost,
        )
        observer.start()
        since = time.time()
        fault()
        observer.add("fault", "fault", lost, what, at=since)

        def evacuating() -> bool:
            return any(event.kind == "evacuating" for event in list(observer.events))

        def recovered() -> bool:
            beating = {e.subject for e in observer.events if e.kind == "beats"}
            return set(victims) <= beating and _run(observer.database, victims, not_on=lost)

        with live(observer, since=since, hosts=hosts, guests=victims, lost=lost):
            if meanwhile and poll(evacuating, timeout, 0.05):
                meanwhile()
            complete = poll(recovered, timeout, 0.1)
        observer.stop()
        recovery = timeline.summarise(observer.events, since=since, guests=victims, host=lost)
        print("\n" + timeline.render(f"{what}: timeline", observer.events, since=since))
        print("\n  " + timeline.render_phases(recovery))
        judges = Judges(self._deployment, self._cluster, self._guests, PREFIX)
        problems = judges.unsafe(names, since, [lost] if lost else [], powerless=powerless)
        if not complete:
            left = [f"{n}: {s['status']}" for n, s in self._guests.find(PREFIX).items()]
            problems.append(f"not recovered within {timeout:g} s: {', '.join(left)}")
        return Outcome(recovery, problems)

    def _show(self, event: Event) -> None:
        if event.source == "fault" or not sys.stdout.isatty():  # else the picture shows it
            self._console.say(event.text)


def _qemu(machine: Machine, domain: str) -> str:
    """Return the number of a guest's process inside its hypervisor."""
    reply = machine.run(["pgrep", "-f", f"guest={domain},"], check=False)
    pids = reply.stdout.split()
    if len(pids) != 1:
        raise StepError(f"{machine.hostname} has {len(pids)} QEMU processes of {domain}")
    return pids[0]


def _run(database: DatabaseView, names: Sequence[str], *, not_on: str) -> bool:
    """Whether all of these guests run, and none on a hypervisor."""
    try:
        found = database.servers()
    except DatabaseError:
        return False  # asked again
    return all(found[name].runs and found[name].host != not_on for name in names)
