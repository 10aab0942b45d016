"""Hosts that operators take back by Masakari's and Nova's own commands, without our action."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest
from fencing_cib import Cib
from fencing_fakes import Cluster, Remote
from fencing_masakari import FakeMasakari
from keystoneauth1 import session as ks
from keystoneauth1.token_endpoint import Token
from masakari_fencing.notifier.watchers.returned_hosts import ReturnedHosts
from masakari_fencing.openstack.masakari_api import MasakariApi
from masakari_fencing.openstack.nova_api import NovaApi, Service
from masakari_fencing.openstack.rest import CATALOG
from masakari_fencing.records.recoveries import Records, mark_returned
from masakari_fencing.records.recovery import (
    FAILED,
    NOTHING,
    RECOVERED,
    REFUSED,
    End,
    Instance,
    Proof,
    Record,
)

HOST = "Node1.maas"
FENCED = 1_795_233_223.0
RECORD = Record(
    HOST.lower(),
    "7b2b0b3e-0000-4000-8000-000000000001",
    "juju-1-lxd-0.12345678.1.2",
    proof=Proof(FENCED, "fenced", HOST),
    instances=(Instance("g1", "active", outcome="recovered"),),
    reserved=("node3.maas",),
    end=End(RECOVERED, "", FENCED + 60),
    used=FENCED,
    recovered=FENCED + 60,
)


class Bench:
    """A host that was recovered, and that its operator has taken back since."""

    def __init__(self, cloud: FakeMasakari) -> None:
        self.cloud = cloud
        self.cloud.forced_down = {HOST}
        self.cluster = Cluster([Remote(HOST)], dc="juju-1-lxd-0")
        self.cib = Cib()
        self.cib.others = lambda argv: self.cluster.runner.run(argv).stdout
        self.store = Records(self.cib)
        self.store.create(RECORD)
        session = ks.Session(auth=Token(cloud.url, "token"))
        apis = MasakariApi(session, [CATALOG], 30), NovaApi(session, 30)
        self.comeback = ReturnedHosts(self.cib, *apis)

    @property
    def record(self) -> Record:
        found = self.store.read(HOST)
        assert found is not None
        return found

    def asked(self) -> list[str]:
        return [request for request in self.cloud.requests if "auth" not in request]


@pytest.fixture
def bench() -> Iterator[Bench]:
    server = FakeMasakari([HOST, "node2.maas"])
    yield Bench(server)
    server.close()


def test_a_host_that_is_enabled_and_out_of_maintenance_is_no_longer_forced_down(
    bench: Bench,
) -> None:
    assert bench.comeback.check() == [HOST]
    assert bench.cloud.forced_down == set()
    assert bench.comeback.check() == []


def test_its_record_keeps_what_the_next_failure_must_know(bench: Bench) -> None:
    """Which fence is used up; not the instances, of which nothing is known any more."""
    bench.comeback.check()
    expected = replace(RECORD, returned=True, instances=None, reserved=(), token=2)
    assert bench.record == expected


DOWN = (Instance("g1", "active", outcome="recovered"), Instance("g2", "active", outcome="no room"))
OWING = replace(
    RECORD,
    instances=DOWN,
    end=End(FAILED, "no room", FENCED + 60),
    used=0,
    recovered=0,
    attempts=5,
    fruitless=2,
)


@pytest.mark.parametrize("outcome", [FAILED, REFUSED])
@pytest.mark.parametrize("how", ["the clouds' commands", "return-host"])
def test_the_instances_that_were_left_are_known_until_they_run(
    bench: Bench, outcome: str, how: str
) -> None:
    """Their recovery goes on, on the host itself; its failures begin to count anew.

    What it has reserved is given back at its end.
    """
    owing = replace(OWING, end=End(outcome, "", FENCED + 60))
    bench.store.write(RECORD, owing)
    if how == "return-host":
        mark_returned(bench.cib, HOST, True)
    assert bench.comeback.check() == []
    expected = replace(owing, down=FENCED, used=FENCED, attempts=0, fruitless=0)
    assert bench.record == replace(expected, token=bench.record.token)
    assert bench.comeback.check() == [], "nor is it asked for at each look"
    assert bench.record == replace(expected, token=bench.record.token)
    started = replace(bench.record, end=End(RECOVERED, "", FENCED + 900), down=0)
    bench.store.write(bench.record, started)
    assert bench.comeback.check() == [HOST]
    assert (bench.record.returned, bench.record.instances) == (True, None)


def test_who_returns_it_once_more_sees_to_them_himself(bench: Bench) -> None:
    bench.store.write(RECORD, OWING)
    assert bench.comeback.check() == []
    mark_returned(bench.cib, HOST, True)
    assert (bench.record.returned, bench.record.down) == (True, 0)
    assert bench.comeback.check() == []


def test_nothing_is_owed_of_a_host_that_is_returned_as_a_reserved_one(bench: Bench) -> None:
    """When it fails again, months later, they are as they are then."""
    bench.store.write(RECORD, OWING)
    mark_returned(bench.cib, HOST, True)
    bench.cloud.disabled = {HOST}
    assert bench.comeback.check() == []
    assert (bench.record.returned, bench.record.down, bench.record.instances) == (True, 0, None)


def test_a_return_that_fails_leaves_them_where_they_were(bench: Bench) -> None:
    record = bench.store.write(RECORD, OWING)
    mark_returned(bench.cib, HOST, True)
    bench.cloud.hosts[HOST]["on_maintenance"] = True
    assert bench.comeback.check() == [], "it is not over: nothing is begun"
    assert bench.record.returned
    mark_returned(bench.cib, HOST, False)
    assert (bench.record.returned, bench.record.down) == (False, 0)
    assert bench.record.left == record.left


@pytest.mark.parametrize("outcome", [RECOVERED, FAILED, REFUSED, NOTHING])
def test_however_its_recovery_has_ended(bench: Bench, outcome: str) -> None:
    bench.store.write(RECORD, replace(RECORD, end=End(outcome, "", FENCED)))
    assert bench.comeback.check() == [HOST]
    assert bench.record.returned


@pytest.mark.parametrize("how", ["the clouds' commands", "return-host"])
def test_a_recovery_that_never_came_to_the_instances_is_begun_again(
    bench: Bench, how: str
) -> None:
    """Nova has stopped them when their host was back, and nobody has taken note.

    Since when, the history of fences tells: the first one that no recovery has used up.
    """
    end = End(FAILED, "no reserved host", FENCED + 900)
    unlisted = replace(RECORD, end=end, instances=None, proof=None, used=FENCED - 5000)
    bench.store.write(RECORD, unlisted)
    moments = (FENCED - 5000, FENCED, FENCED + 300)
    bench.cluster.remotes[0].events = [("reboot", "success", moment) for moment in moments]
    if how == "return-host":
        mark_returned(bench.cib, HOST, True)
    assert bench.comeback.check() == []
    assert bench.cloud.forced_down == set()
    record = bench.record
    assert (record.down, record.used) == (FENCED, FENCED + 300)
    assert (record.returned, record.end, record.attempts) == (False, end, 0)


def test_a_fence_of_long_ago_is_none_of_what_was_reported(bench: Bench) -> None:
    """Such as an operator's, while its segment was disabled: all its instances run since."""
    bench.cloud.add(HOST, FENCED, "failed")
    uuid = bench.cloud.notifications[-1]["notification_uuid"]
    end = End(FAILED, "no reserved host", FENCED + 900)
    lone = Record(HOST.lower(), uuid, RECORD.engine, end=end)
    bench.store.write(RECORD, lone)
    moments = (FENCED - 90000, FENCED - 300)
    bench.cluster.remotes[0].events = [("reboot", "success", moment) for moment in moments]
    assert bench.comeback.check() == []
    assert (bench.record.down, bench.record.used) == (FENCED - 300, FENCED - 300)


def test_where_the_history_is_lost_they_are_down_since_the_end_of_the_attempt(
    bench: Bench,
) -> None:
    end = End(FAILED, "no reserved host", FENCED + 900)
    bench.store.write(RECORD, replace(RECORD, end=end, instances=None, proof=None, used=0))
    assert bench.comeback.check() == []
    assert (bench.record.down, bench.record.used) == (FENCED + 900, 0)


def test_one_whose_recovery_goes_on_is_not_back(bench: Bench) -> None:
    """It is enabled until its recovery has disabled it."""
    bench.store.write(RECORD, replace(RECORD, end=None))
    assert bench.comeback.check() == []
    assert bench.cloud.forced_down == {HOST}
    assert bench.asked() == []


def test_one_that_was_forced_down_by_hand_stays_so(bench: Bench) -> None:
    """Nothing was recovered: whoever forced it down wants to evacuate it himself."""
    bench.store.write(RECORD, replace(RECORD, returned=True))
    assert bench.comeback.check() == []
    assert bench.cloud.forced_down == {HOST}
    assert bench.asked() == []


def test_a_return_that_return_host_has_ended_is_written_down(bench: Bench) -> None:
    """Or a forced-down state of later would be taken for that recovery's."""
    bench.cloud.forced_down.clear()
    assert bench.comeback.check() == [HOST]
    assert bench.record.returned
    assert not [request for request in bench.asked() if request.startswith("PUT")]


def test_a_recovery_that_begins_meanwhile_is_not_called_returned(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    nova = bench.comeback.nova
    services = nova.services

    def slow() -> Iterable[Service]:
        bench.store.write(RECORD, replace(RECORD, end=None, engine="juju-2-lxd-0.b.1.2"))
        return services()

    monkeypatch.setattr(nova, "services", slow)
    bench.comeback.check()
    assert not bench.record.returned
    assert bench.record.end is None


@pytest.mark.parametrize(
    "obstacle", ["maintenance", "disabled", "not connected", "not the controller", "no quorum"]
)
def test_what_is_not_back_yet_is_left_alone(bench: Bench, obstacle: str) -> None:
    remote = bench.cluster.remotes[0]
    if obstacle == "maintenance":
        bench.cloud.hosts[HOST]["on_maintenance"] = True
    elif obstacle == "disabled":
        bench.cloud.disabled = {HOST}
    elif obstacle == "not connected":
        remote.role, remote.online = "Stopped", False
    elif obstacle == "not the controller":
        bench.cluster.dc = "juju-3-lxd-0"
    else:
        bench.cluster.quorum = False
    assert bench.comeback.check() == []
    assert bench.cloud.forced_down == {HOST}
    assert bench.record == RECORD


def test_nova_may_refuse_for_a_while(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.cloud.refuse_up = True
    for _ in range(2):
        assert bench.comeback.check() == []
    assert bench.record == RECORD
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "evacuation migration records remain" in warnings[0]
    bench.cloud.refuse_up = False
    assert bench.comeback.check() == [HOST]


def test_one_whose_next_start_would_end_what_runs_there_stays_down(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Several evacuations of one instance were asked for, as the first requests were lost."""
    bench.cloud.evacuations = [("guest", "node9.maas", "accepted")]
    bench.cloud.evacuations.append(("guest", HOST, "pre-migrating"))
    assert bench.comeback.check() == []
    assert bench.cloud.forced_down == {HOST}
    assert "no end on record of evacuations of 1 of its instances, such as guest" in caplog.text
    del bench.cloud.evacuations[1]
    assert bench.comeback.check() == [HOST]
