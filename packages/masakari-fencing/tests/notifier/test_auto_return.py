"""Recovered hosts that return to service by themselves, and those that do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fencing_cib import Cib
from fencing_fakes import Cluster, Remote
from fencing_masakari import FakeMasakari
from keystoneauth1 import session as ks
from keystoneauth1.token_endpoint import Token
from masakari_fencing import witnesses
from masakari_fencing.notifier.auto_return import AutoReturn
from masakari_fencing.notifier.watchers.returned_hosts import ReturnedHosts
from masakari_fencing.openstack.masakari_api import MasakariApi
from masakari_fencing.openstack.nova_api import NovaApi
from masakari_fencing.openstack.rest import CATALOG, ApiError
from masakari_fencing.records import awaited_returns
from masakari_fencing.records.recoveries import Records
from masakari_fencing.records.recovery import (
    FAILED,
    NOTHING,
    RECOVERED,
    REFUSED,
    End,
    Proof,
    Record,
)

HOST = "Node1.maas"
NOW = 1_795_240_000.0
RECORD = Record(
    HOST.lower(),
    "7b2b0b3e-0000-4000-8000-000000000001",
    "juju-1-lxd-0.12345678.1.2",
    proof=Proof(NOW - 600, "fenced", HOST),
    end=End(RECOVERED, "", NOW - 500),
)
MINUTES = 6


class Bench:
    """A host that was recovered ten minutes ago, and works again."""

    def __init__(self, cloud: FakeMasakari, path: Path) -> None:
        self.cloud = cloud
        self.now = NOW
        self.remote = Remote(HOST)
        cloud.hosts[HOST]["on_maintenance"] = True
        cloud.forced_down = {HOST}
        cloud.disabled = {HOST}
        cloud.add(HOST, NOW - 600, "finished")
        self.cluster = Cluster([self.remote], dc="juju-1-lxd-0")
        self.cib = Cib()
        self.cib.others = lambda argv: self.cluster.runner.run(argv).stdout
        self.store = Records(self.cib)
        self.store.create(RECORD)
        self.path = path
        self.missed: list[str] = []
        self.reporting = True
        session = ks.Session(auth=Token(cloud.url, "token"))
        apis = MasakariApi(session, [CATALOG], 30), NovaApi(session, 30)
        self.comeback = ReturnedHosts(self.cib, *apis)
        self.watch = AutoReturn(
            self.cib,
            *apis,
            MINUTES * 60,
            2,
            path,
            missed=lambda others, host: self.missed,
            clock=lambda: self.now,
        )

    def step(self) -> list[str]:
        """Half a minute passes, and it is looked once."""
        self.now += 30
        if self.reporting:
            self.cloud.reports[HOST] = f"{self.now}"
        return self.watch.check()

    def wait(self, minutes: float) -> list[str]:
        """Return those that are back after so long."""
        return [name for _ in range(int(minutes * 2)) for name in self.step()]

    @property
    def said(self) -> str:
        return awaited_returns.read(self.path, self.now).get(HOST, "")

    @property
    def in_service(self) -> bool:
        held = self.cloud.hosts[HOST]["on_maintenance"]
        return HOST not in self.cloud.disabled and not held


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    server = FakeMasakari([HOST, "node2.maas"])
    yield Bench(server, tmp_path / "said")
    server.close()


def test_one_that_stays_well_returns(bench: Bench) -> None:
    assert bench.wait(MINUTES / 2) == []
    assert bench.said == "it is returned by itself when it stays well, 2 of 6 min so far"
    assert not bench.in_service
    assert bench.wait(MINUTES / 2 + 1) == [HOST]
    assert bench.in_service
    assert bench.said == ""
    assert bench.comeback.check() == [HOST], "and the rest follows"
    assert bench.cloud.forced_down == set()
    found = bench.store.read(HOST)
    assert found is not None and found.returned
    assert bench.wait(MINUTES * 2) == []


def lost(bench: Bench) -> None:
    bench.remote.role = "Stopped"


def unclean(bench: Bench) -> None:
    bench.remote.unclean = True


def silent(bench: Bench) -> None:
    bench.reporting = False


def missed(bench: Bench) -> None:
    bench.missed = ["storage", "tenant"]


def unended(bench: Bench) -> None:
    bench.cloud.evacuations.append(("guest", HOST, "accepted"))


@pytest.mark.parametrize(
    ("ill", "why"),
    [
        (lost, "Pacemaker does not reach it"),
        (unclean, "Pacemaker does not reach it"),
        (silent, "its nova-compute does not report"),
        (unended, "Nova has no end on record of evacuations from it: restart its nova-compute"),
        (missed, "other hypervisors do not reach it in: storage, tenant"),
    ],
)
def test_one_that_is_ill_in_between_begins_anew(
    bench: Bench, ill: Callable[[Bench], None], why: str
) -> None:
    bench.wait(MINUTES - 1)
    ill(bench)
    assert bench.wait(3) == []
    assert bench.said == why
    bench.remote.role, bench.remote.unclean = "Started", False
    bench.reporting, bench.missed, bench.cloud.evacuations = True, [], []
    assert bench.wait(MINUTES - 1) == []
    assert bench.wait(2) == [HOST]


def test_one_of_which_another_monitor_has_told_as_well_returns(bench: Bench) -> None:
    """That report was worked on when its recovery had ended: nothing was left to recover."""
    again = replace(RECORD, end=End(NOTHING, "", NOW - 480), used=NOW - 600, recovered=NOW - 500)
    found = bench.store.write(RECORD, again)
    bench.cloud.add(HOST, NOW - 590, "finished")
    assert bench.wait(MINUTES + 1) == [HOST]
    bench.cloud.hosts[HOST]["on_maintenance"] = True
    bench.store.write(found, replace(found, recovered=NOW - 90000))
    assert bench.wait(MINUTES + 1) == []
    assert bench.said == "its recovery has ended as nothing to recover"


@pytest.mark.parametrize("outcome", [FAILED, REFUSED])
def test_one_whose_instances_are_not_all_recovered_does_not(bench: Bench, outcome: str) -> None:
    bench.store.write(RECORD, replace(RECORD, end=End(outcome, "", NOW)))
    assert bench.wait(MINUTES * 2) == []
    assert bench.said == f"its recovery has ended as {outcome}"


def test_one_that_fails_again_and_again_does_not(bench: Bench) -> None:
    for hours in (2, 25):
        bench.cloud.add(HOST, NOW - hours * 3600, "finished")
    bench.cloud.add("node2.maas", NOW - 60, "running")
    assert bench.wait(MINUTES + 1) == [HOST], "2 are borne with"
    bench.cloud.hosts[HOST]["on_maintenance"] = True
    bench.cloud.disabled = {HOST}
    bench.cloud.add(HOST, NOW - 60, "finished")
    assert bench.wait(MINUTES * 2) == []
    assert bench.said == "it has failed 3 times within a day"
    bench.now += 86400
    assert bench.wait(MINUTES + 2) == [HOST], "a day later it does"


@pytest.mark.parametrize("status", ["new", "running", "error"])
def test_one_that_masakari_still_works_on_does_not(bench: Bench, status: str) -> None:
    bench.cloud.notifications[0]["status"] = status
    assert bench.wait(MINUTES * 2) == []
    assert bench.said == "Masakari still works on a notification of it"


def test_one_that_an_operator_has_closed_does_not(bench: Bench) -> None:
    bench.cloud.reasons[HOST] = "a new disk"
    assert bench.wait(MINUTES * 2) == []
    assert bench.said == "its nova-compute was disabled by hand: a new disk"


def test_one_that_masakari_has_closed_returns(bench: Bench) -> None:
    """As it does with each host that fails."""
    bench.cloud.reasons[HOST] = "Masakari detected host failed."
    assert bench.wait(MINUTES + 1) == [HOST]


def test_one_that_was_put_into_maintenance_without_a_failure_does_not(bench: Bench) -> None:
    bench.store.write(RECORD, replace(RECORD, returned=True))
    assert bench.wait(MINUTES * 2) == []
    assert bench.said == ""


def test_a_recovery_that_goes_on_is_waited_for(bench: Bench) -> None:
    bench.store.write(RECORD, replace(RECORD, end=None))
    assert bench.wait(MINUTES * 2) == []
    assert not bench.in_service


def test_only_the_controller_acts_and_the_others_say_so(bench: Bench) -> None:
    bench.cluster.dc = "juju-2-lxd-0"
    assert bench.wait(MINUTES * 2) == []
    assert bench.said == "it is being returned by itself"
    assert not bench.in_service


def test_without_an_answer_it_is_not_known_to_be_well(bench: Bench) -> None:
    bench.wait(MINUTES - 1)
    bench.cloud.broken = 503
    with pytest.raises(ApiError):
        bench.step()
    bench.cloud.broken = 0
    assert bench.wait(2) == []


def test_off_by_default(bench: Bench) -> None:
    bench.watch.patience = 0
    assert bench.wait(MINUTES * 2) == []
    assert not bench.path.exists()


def test_what_is_cut_short_is_done_again(bench: Bench) -> None:
    """It is enabled, and Masakari does not end its maintenance yet."""
    bench.wait(MINUTES - 1)
    bench.cloud.disabled.clear()
    assert bench.wait(2) == [HOST]
    assert bench.in_service


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([{"storage": "up"}], []),
        ([{"storage": "down", "tenant": "up"}], ["storage"]),
        ([{"storage": "down"}, {"storage": "up"}], []),
        ([{"storage": "unknown"}], []),
        ([], []),
    ],
)
def test_networks_in_which_nobody_reaches_it(
    said: list[dict[str, str]], expected: list[str]
) -> None:
    known = {f"10.0.0.{n}": witnesses.Testimony(health, None) for n, health in enumerate(said)}
    found = witnesses.missed(known, "node1", ask=lambda address, host: known[address])
    assert found == expected
