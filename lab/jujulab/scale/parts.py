"""What of ours asks the APIs: each part is made once, and what it takes is printed as JSON.

`python -m jujulab.scale.parts SIZE URL MANNERS ONLY`, with the packages and the charm `masakari`
on the path; `served` is at the URL, and is told its manners. Each part is in a process of its own.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import resource
import sys
import tempfile
import time
import traceback
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import novaclient.client
import novaclient.exceptions
from masakari_fencing.cluster import health
from masakari_fencing.cluster.power import Controllers
from masakari_fencing.exporter import exposition
from masakari_fencing.exporter.collector import Collector
from masakari_fencing.fence_agent.agent import Agent
from masakari_fencing.notifier.auto_return import AutoReturn
from masakari_fencing.notifier.delivery import Delivery
from masakari_fencing.notifier.domain_lists import DomainLists
from masakari_fencing.notifier.watchers.out_of_service import OutOfServiceHosts
from masakari_fencing.notifier.watchers.returned_hosts import ReturnedHosts
from masakari_fencing.notifier.watchers.spared_hosts import SparedHosts
from masakari_fencing.notifier.watchers.unattended_recoveries import UnattendedRecoveries
from masakari_fencing.notifier.watchers.unserved_hosts import UnservedHosts
from masakari_fencing.openstack import failure_domains, instances, rest, restart_order
from masakari_fencing.openstack.compute_service import ComputeError, ComputeService
from masakari_fencing.openstack.masakari_api import MasakariApi
from masakari_fencing.openstack.nova_api import NovaApi
from masakari_fencing.pacemaker import cibadmin, crm_mon, properties
from masakari_fencing.records import out_of_service
from masakari_fencing.records.spool import Event
from masakari_fencing.workflow.instances.reading import Reading
from planned.draining import Drain
from preflight import actions as preflight
from preflight import capacity, rehearsal, survey
from preflight.rehearsal import Rules
from recoveries.telling import list_recoveries
from relations.keystone import Identity
from segments.actions import run as segment_action
from segments.cloud import Cloud
from segments.lookup import ActionError
from segments.segments import Segments

from jujulab.scale.cloud import INSTANCES, OUT, name, out
from jujulab.scale.recorded import Recorded

TIMEOUT = 60.0
"""Seconds for one request."""
ATTEMPTS = 5
"""How often a part is tried that fails because requests do."""


@dataclass(frozen=True)
class Place:
    """Where a part works: a cloud, a cluster, and a directory of its own.

    Attributes:
        size: how many hypervisors.
        url: of the cloud.
        runner: Pacemaker's commands.
        losing: the same, where one of a hundred hypervisors is lost.
        directory: for files.
        session: with Keystone.
    """

    size: int
    url: str
    runner: Recorded
    losing: Recorded
    directory: Path
    session: Any

    @property
    def masakari(self) -> MasakariApi:
        """The notifier's client."""
        return MasakariApi(self.session, [f"{self.url}/v1"], TIMEOUT)

    @property
    def nova(self) -> NovaApi:
        """The notifier's client."""
        return NovaApi(self.session, TIMEOUT, {"interface": "internal"})

    @property
    def cloud(self) -> Cloud:
        """The charm's clients."""
        identity = Identity(self.url, self.url, "u", "p", "services", "d")
        return Cloud(
            identity, region="r", internal=True, ca_bundle=None, masakari_url=f"{self.url}/v1"
        )

    @property
    def host(self) -> str:
        """A hypervisor that works, in the middle of all."""
        return name(self.size // 2 + 1)


class UnexpectedError(Exception):
    """A part did not do what is measured of it."""


def expect(so: object, what: str) -> None:
    """See that something is so.

    Raises:
        UnexpectedError: it is not.
    """
    if not so:
        raise UnexpectedError(f"it is not so that {what}")


def first(node: str) -> int:
    """Say that this member is the first."""
    return 0


def watch(at: Place) -> None:
    """The notifier's look every 20 s: who is out of service, and in which segment and domain."""

    def asked() -> Any:
        return cibadmin.configuration(at.runner)

    limits = failure_domains.parse_limits("zone=5, aggregate:rack=50%")
    domains = DomainLists(at.runner, asked, first, limits, at.nova.aggregates)
    OutOfServiceHosts(
        at.masakari,
        at.nova,
        path=at.directory / "out.json",
        refused=at.directory,
        tell=(UnservedHosts(at.runner, asked, first).update, domains.update),
    ).check()


def returns(at: Place) -> None:
    """Who was taken back by hand."""
    ReturnedHosts(at.runner, at.masakari, at.nova).check()


def by_itself(at: Place) -> None:
    """Who may come back by itself: one of 200 awaits it."""
    own = AutoReturn(
        at.runner, at.masakari, at.nova, 600, 3, path=at.directory / "awaited.json",
        missed=lambda others, host: [],
    )  # fmt: skip
    own.check()


def unattended(at: Place) -> None:
    """Recoveries that nobody works on: one of 200 hosts has one that has failed, and is due."""
    passed = 0.0
    watcher = UnattendedRecoveries(
        at.runner, at.masakari, at.nova.stays_down, clock=lambda: passed
    )
    watcher.check()
    passed = 1000.0
    expect(watcher.check() or at.size < 2 * OUT, "a failed recovery is due")


def lost(at: Place) -> None:
    """Who was lost and answers again: one of 100."""
    watcher = SparedHosts(
        at.losing,
        lambda: cibadmin.configuration(at.losing),
        lambda: crm_mon.status(at.losing),
        first,
        {},
        at.nova.up_for,
        reachable=lambda address, port: True,
        readmit=lambda runner, only: list(only),
    )
    expect(watcher.check(), "a lost one is back")


def report(at: Place) -> None:
    """A fence is reported by a member that is not the first."""
    delivery = Delivery(at.masakari, redrive_within=60, has_instances=at.nova.has_instances)
    delivery.deliver(Event("f1", at.host, time.time()), first=False)


def engine(at: Place) -> None:
    """The engine, of one host: is it down, what does it have, in which order."""
    client = novaclient.client.Client("2.53", session=at.session, timeout=TIMEOUT)
    ComputeService(lambda: client, at.host).state()
    found = instances.of_host(client, at.host, every=False)
    expect(len(found) == INSTANCES, "its instances are listed")
    Reading(client).places(found, restart_order.SOURCES)


def scrape(at: Place) -> None:
    """One scrape of the exporter, Pacemaker's own commands left out."""
    hosts = tuple(name(n) for n in range(1, at.size + 1))
    path = at.directory / out_of_service.RECORD.relative_to("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    gone = tuple(name(n) for n in out(at.size))
    now = time.time()
    out_of_service.write(path, out_of_service.OutOfService(maintenance=gone, hosts=hosts), now)
    exposition.render(Collector(at.runner, root=at.directory).collect())


def power(at: Place) -> None:
    """The fence agent asks MAAS for one machine's power."""
    values = {"nodename": at.host, "device": "st-power"}
    expect(Agent(at.runner, values).run("status") == 0, "its power is on")


def can_fence(at: Place) -> None:
    """The status hook's look whether each can be fenced: a twelfth of the controllers is asked."""
    found = health.inspect(
        at.runner,
        refused=lambda: None,
        ring=lambda runner: None,
        controllers=Controllers(),
        hosts=[name(n) for n in range(1, at.size + 1)],
    )
    expect(not [one for one in found if "answer" in one.text], "MAAS and the machines answer")


def foresee(at: Place) -> None:
    """The status hook's look at the room for recoveries."""
    there = survey.take(at.cloud)
    capacity.survivals(there, Rules(), 1)
    rehearsal.left_alone(there, Rules())


def check(at: Place, rules: Rules = Rules()) -> None:  # noqa: B008 - it is frozen
    """The action `check`, the cluster's part left out."""
    found = str(preflight.check(at.cloud, None, rules, 1)["table"])
    if "does not answer" in found:
        raise rest.ApiError(found)


def check_within(at: Place) -> None:
    """The same, where instances may go to their own segment and zone only."""
    check(at, Rules(within=failure_domains.parse_kinds("segment, zone")))


def plan(at: Place) -> None:
    """The action `plan-recovery`."""
    preflight.plan_recovery(at.cloud, None, Rules(), at.host)


def drain(at: Place) -> None:
    """The action `drain-host dry-run=true`."""
    Drain(at.cloud).plan(at.host)


def segments(at: Place) -> Segments:
    """What the charm makes for its actions on segments."""
    from workload.cluster import Cluster

    cluster = Cluster(_Machine(at.runner), None)
    return Segments(
        at.cloud,
        sleep=lambda seconds: None,
        absence=lambda host: None,
        stranger=cluster.stranger,
        tell=lambda enabled: properties.unserved_by(cibadmin.cib(at.runner), enabled),
    )


@dataclass(frozen=True)
class _Machine:
    """As much of a machine as its cluster needs."""

    runner: Recorded


def act(action: str, **params: Any) -> Callable[[Place], None]:
    """Return an action on segments; a callable parameter is given the place."""

    def run(at: Place) -> None:
        given = {key: value(at) if callable(value) else value for key, value in params.items()}
        segment_action(action, segments(at), given)

    return run


def hundred(at: Place) -> str:
    """Return one of ten hypervisors that are in the large segment."""
    return ",".join(name(n) for n in range(1, at.size // 2, 10) if n % 20)


def listed(at: Place) -> None:
    """The action `list-recoveries`."""
    list_recoveries(None, lambda: at.cloud, {"limit": 100})


PARTS: Mapping[str, Callable[[Place], None]] = {
    "notifier: out of service, segments, domains": watch,
    "notifier: taken back by hand": returns,
    "notifier: returns by itself": by_itself,
    "notifier: recoveries that nobody works on": unattended,
    "notifier: lost ones that answer again": lost,
    "notifier: a report": report,
    "engine: one host's instances": engine,
    "exporter: one scrape": scrape,
    "fence agent: one machine's power": power,
    "status: can each be fenced (MAAS)": can_fence,
    "status: room for recoveries": foresee,
    "check": check,
    "check, recovery-destination=segment,zone": check_within,
    "plan-recovery": plan,
    "drain-host dry-run=true": drain,
    "list-segments": act("list_segments"),
    "show-segment": act("show_segment", name="segment1"),
    "update-segment": act("update_segment", name="segment1", description="new"),
    "add-hosts, of one of twenty": act(
        "add_hosts", segment="segment1", hosts=hundred, disable_reserved=True
    ),
    "return-host": act(
        "return_host", host=lambda at: name(out(at.size)[-1]), reserved=False, timeout=10
    ),
    "list-recoveries": listed,
}
"""What is measured, by name."""


def ask(url: str) -> dict[str, Any]:
    """Ask the server itself, which does not count."""
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310 - our own
        return dict(json.load(answer))


def measure(at: Place, part: Callable[[Place], None]) -> dict[str, float]:
    """Do a part until it succeeds, and return what the last attempt takes."""
    for attempt in range(1, ATTEMPTS + 1):
        before = ask(f"{at.url}/counted")
        begun, spent = time.monotonic(), _processor()
        try:
            part(at)
        except (rest.ApiError, ActionError, ComputeError, novaclient.exceptions.ClientException):
            if attempt == ATTEMPTS:
                raise
            continue
        clock, processor = time.monotonic() - begun, _processor() - spent
        break
    after = ask(f"{at.url}/counted")
    return {
        "clock": clock,
        "processor": processor,
        "requests": after["requests"] - before["requests"],
        "MB received": (after["bytes"] - before["bytes"]) / 1e6,
        "MB of memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        "attempts": attempt,
    }


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def apart(work: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Do something in a process of its own; without figures where it fails, which is told."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        try:
            text = json.dumps(work())
        except BaseException:
            traceback.print_exc()
            text = "{}"
        with open(writing, "w", encoding="utf-8") as pipe:  # noqa: PTH123 - a descriptor
            pipe.write(text)
        os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:  # noqa: PTH123 - a descriptor
        found = pipe.read()
    os.waitpid(child, 0)
    return dict(json.loads(found or "{}"))


def main(size: int, url: str, manners: str, only: str) -> None:
    """Measure each part, and print what it takes."""
    logging.getLogger("keystoneauth").setLevel(logging.ERROR)  # it tells of each repetition
    ask(f"{url}/set?{manners}")
    runner, losing = Recorded(size, url), Recorded(size, url, lost=max(1, size // OUT))
    login = {"auth_url": f"{url}/v3", "username": "u", "password": "p", "project_name": "s"}
    found = {}
    for title, part in PARTS.items():
        if only not in title:
            continue
        with tempfile.TemporaryDirectory() as scratch:

            def work(part: Callable[[Place], None] = part, path: str = scratch) -> Any:
                session = rest.make_session(login, TIMEOUT)
                session.get_token()  # as whoever asks every few seconds has
                place = Place(size, url, runner, losing, Path(path), session)
                with contextlib.redirect_stdout(io.StringIO()):
                    return measure(place, part)

            found[title] = apart(work)
        said = ", ".join(f"{key} {value:.3g}" for key, value in found[title].items())
        print(f"scale: {size}: {title}: {said or 'FAILED'}", file=sys.stderr, flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:5])
