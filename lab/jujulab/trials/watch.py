"""What every trial does: boots guests, watches what happens to them, and undoes what it did."""

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping

from jujulab.cloud.cluster import Cluster
from jujulab.cloud.guests import Guests
from jujulab.cloud.heartbeat import Pulse
from jujulab.machines.lab import Machine
from jujulab.trials import timeline
from jujulab.trials.deployment import Deployment
from jujulab.trials.faults import Faults
from jujulab.trials.judges import Judges
from jujulab.trials.observe import Observer
from jujulab.waiting import poll

PREFIX = "trial-"

RECOVERY_TIMEOUT = 300.0
"""Seconds until a recovery counts as failed, on a machine that does much else besides."""

CONFIGURATION_TIMEOUT = 180.0
"""Seconds until a changed option counts as one that the units do not settle with."""


class TrialError(AssertionError):
    """What had to happen did not, or what must never happen did."""


def insist(reached: bool, problem: object) -> None:
    """Raise TrialError with the problem unless a thing was reached."""
    if not reached:
        raise TrialError(problem)


class Watch:
    """Guests of a deployment, all hypervisors on duty, and an observer of what happens to them."""

    def __init__(self, demo: Deployment) -> None:
        self.demo = demo
        self.lab = demo.lab
        self.cloud = demo.cloud
        self.say = demo.console.say
        self.cluster = Cluster(demo.lab, demo.console)
        self.faults = Faults(demo.lab)
        self.guests = Guests(demo.lab, demo.cloud)
        self._judges = Judges(demo, self.cluster, self.guests, PREFIX)
        self.repairs = contextlib.ExitStack()
        """What has to be undone at the end, whatever comes of the trial."""
        self._homes: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._pulses: dict[str, Pulse] = {}
        self._observer: Observer | None = None
        self._since = time.time()

    def machine(self, host: str) -> Machine:
        """Return the machine of a hypervisor."""
        return self.lab.find(host)

    def hypervisors(self) -> list[str]:
        """Return Nova's and Pacemaker's names of all hypervisors."""
        return sorted(machine.fqdn for machine in self.demo.hypervisors())

    def populate(self, *hosts: str, count: int = 2) -> None:
        """Boot guests on some hypervisors, and one on another one that nothing may happen to."""
        wanted = dict.fromkeys(hosts, count)
        others = [host for host in self.hypervisors() if host not in hosts]
        wanted |= dict.fromkeys(others[-1:], 1)
        self.boot(
            {
                f"{PREFIX}{host.split('.')[0]}-{n}": host
                for host, number in wanted.items()
                for n in range(1, number + 1)
            }
        )

    def boot(self, homes: Mapping[str, str], ha_enabled: Collection[str] = ()) -> None:
        """Boot guests, and follow them from now on; those of earlier trials go.

        Args:
            homes: name, beginning with `PREFIX` -> hypervisor.
            ha_enabled: the guests that get the property HA_Enabled=True.
        """
        self.guests.prepare()
        self.guests.delete(PREFIX)
        # Nova boots them beside each other.
        there: dict[str, list[str]] = {}
        for name, host in homes.items():
            there.setdefault(host, []).append(name)
        for host, names in there.items():
            self.guests.ask(names, host, ha_enabled=ha_enabled)
        for host, names in there.items():
            self.guests.wait(names, host)
        self._homes = {}
        self.follow(homes)

    def follow(self, homes: Mapping[str, str]) -> None:
        """Follow guests, name -> hypervisor, from now on that were booted in whatever way, too."""
        self._homes |= homes
        self._names = {s["id"]: name for name, s in self.guests.find(PREFIX).items()}
        self._pulses = self.guests.pulses(PREFIX)
        self.say(f"guests: {self._homes}")

    @contextlib.contextmanager
    def watched(self, what: str) -> Iterator[None]:
        """Watch while something happens, and show the timeline; the first fault is now."""
        with self.demo.console.step(what):
            observer = Observer(
                self.demo.database_view(),
                self.cluster.answering,
                self.lab.run_dir / "maas.jsonl",
                dict(self._pulses),
                lambda event: self.say(event.text),
            )
            observer.start()
            self._observer, self._since = observer, time.time()
            observer.add("fault", "fault", "", what, at=self._since)
            try:
                yield
            finally:
                observer.stop()
                print("\n" + timeline.render(what, observer.events, since=self._since))

    def await_event(self, kind: str) -> None:
        """Wait until something of this kind was seen (see `observe`)."""
        seen = poll(lambda: bool(self._seen(kind)), RECOVERY_TIMEOUT, 0.05)
        insist(seen, f"no {kind} within {RECOVERY_TIMEOUT:g} s")

    def _seen(self, kind: str) -> set[str]:
        """Return the subjects of the events of a kind so far."""
        events = self._observer.events if self._observer else []
        return {event.subject for event in list(events) if event.kind == kind}

    def victims(self, lost: Collection[str]) -> set[str]:
        """Return the guests that were booted on some hypervisors."""
        return {name for name, host in self._homes.items() if host in lost}

    def set_options(self, application: str, **options: object) -> None:
        """Set options, with `_` for `-`, until the end of the trial."""
        values = {name.replace("_", "-"): value for name, value in options.items()}
        self.repair(self._config, application, "--reset", ",".join(values))
        self._config(application, *(f"{name}={value}" for name, value in values.items()))

    def _config(self, application: str, *arguments: str) -> None:
        self.demo.console.juju("config", application, *arguments)
        self.demo.console.wait_active("the changed configuration", timeout=CONFIGURATION_TIMEOUT)

    def repair(self, function: Callable[..., object], *arguments: object) -> None:
        """Have something called at the end of the trial, whatever comes of it."""
        self.repairs.callback(function, *arguments)
