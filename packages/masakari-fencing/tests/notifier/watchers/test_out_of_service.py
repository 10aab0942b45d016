"""The hypervisors that are out of service: from the APIs to the file that the charm reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fencing_masakari import FakeMasakari
from keystoneauth1 import session as ks
from keystoneauth1.token_endpoint import Token
from masakari_fencing.notifier.watchers.out_of_service import NAMES_AGE, OutOfServiceHosts
from masakari_fencing.openstack.masakari_api import MasakariApi
from masakari_fencing.openstack.nova_api import NovaApi
from masakari_fencing.openstack.rest import CATALOG, ApiError
from masakari_fencing.records import out_of_service, refusals
from masakari_fencing.records.out_of_service import DRAINED, MAX_AGE, OutOfService
from masakari_fencing.records.recovery import FAILED, End, Instance, Record

ALL = ONE, TWO, THREE = "node1.maas", "node2.maas", "node3.maas"


@pytest.fixture
def cloud() -> Iterator[FakeMasakari]:
    server = FakeMasakari([THREE, ONE, TWO])
    yield server
    server.close()


@pytest.fixture
def watch(cloud: FakeMasakari, tmp_path: Path) -> OutOfServiceHosts:
    session = ks.Session(auth=Token(cloud.url, "token"))
    masakari, nova = MasakariApi(session, [CATALOG], 30), NovaApi(session, 30)
    refused = tmp_path / "refused"
    return OutOfServiceHosts(masakari, nova, tmp_path / "record", refused, clock=lambda: 1000.0)


def with_records(
    cloud: FakeMasakari, path: Path, records: Callable[[], list[Record]]
) -> OutOfServiceHosts:
    """A watcher of refusals in the same directory, to which recoveries are known."""
    session = ks.Session(auth=Token(cloud.url, "token"))
    masakari, nova = MasakariApi(session, [CATALOG], 30), NovaApi(session, 30)
    record = path / "record"
    return OutOfServiceHosts(masakari, nova, record, path, clock=lambda: 2e9, records=records)


def test_hosts_in_maintenance_and_others_forced_down(
    watch: OutOfServiceHosts, cloud: FakeMasakari, tmp_path: Path
) -> None:
    cloud.hosts[THREE]["on_maintenance"] = True
    cloud.hosts[ONE]["on_maintenance"] = True
    cloud.forced_down = {ONE, "NODE2.maas", "in-no-segment.maas"}
    watch.check()
    record = tmp_path / "record"
    assert out_of_service.read(record, 1001) == OutOfService((ONE, THREE), (), (TWO,), ALL)
    assert record.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["record"]
    cloud.hosts[THREE]["on_maintenance"] = False
    watch.check()
    assert out_of_service.read(record, 1001).maintenance == (ONE,)


def test_hosts_that_were_to_be_emptied(
    watch: OutOfServiceHosts, cloud: FakeMasakari, tmp_path: Path
) -> None:
    """Only those: an operator's own reason is none of ours, and neither is one that is done."""
    cloud.disabled = {ONE, TWO, THREE}
    cloud.reasons = {ONE: DRAINED, TWO: DRAINED, THREE: "a new disk"}
    cloud.hosts[TWO]["on_maintenance"] = True
    watch.check()
    found = out_of_service.read(tmp_path / "record", 1001)
    assert (found.drained, found.maintenance) == ((ONE,), (TWO,))


@pytest.mark.parametrize(
    ("reports", "failed"),
    [
        ([], False),
        (["failed"], True),
        (["error"], False),
        (["failed", "finished"], False),
        (["finished", "failed"], True),
    ],
)
def test_the_last_recovery_counts(
    watch: OutOfServiceHosts, cloud: FakeMasakari, tmp_path: Path, reports: list[str], failed: bool
) -> None:
    cloud.hosts[ONE]["on_maintenance"] = True
    cloud.add(TWO, 1, "failed")
    for number, status in enumerate(reports):
        cloud.add(ONE, number, status)
    cloud.add(ONE, 100, "failed", kind="PROCESS")
    cloud.add(ONE, 101, "failed")["payload"]["event"] = "STARTED"
    watch.check()
    assert (out_of_service.read(tmp_path / "record", 1000).failed == (ONE,)) == failed


def test_a_refusal_ends_with_the_maintenance_wherever_the_host_was_taken_back(
    watch: OutOfServiceHosts, cloud: FakeMasakari, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unit that refused is not the one on which return-host was run."""
    directory = tmp_path / "refused"
    directory.mkdir()
    cloud.hosts[ONE]["on_maintenance"] = True
    cloud.forced_down = {TWO}
    for host, moment in ((ONE, 900), (TWO, 900), (THREE, 900), ("gone.maas", 1001)):
        monkeypatch.setattr(refusals.time, "time", lambda moment=moment: moment)
        refusals.record(directory, host, "not proven dead")
    watch.check()
    assert [refusal.host for refusal in refusals.read(directory)] == ["gone.maas", ONE, TWO]
    cloud.hosts[ONE]["on_maintenance"] = False
    watch.check()
    assert [refusal.host for refusal in refusals.read(directory)] == ["gone.maas", TWO]


def test_only_what_is_recent_counts(
    watch: OutOfServiceHosts, tmp_path: Path, cloud: FakeMasakari
) -> None:
    cloud.hosts[ONE]["on_maintenance"] = True
    watch.check()
    record = tmp_path / "record"
    assert out_of_service.read(record, 1000 + MAX_AGE - 1) == OutOfService((ONE,), hosts=ALL)
    assert out_of_service.read(record, 1000 + MAX_AGE) == OutOfService()
    assert out_of_service.read(record, 999) == OutOfService(), "the clock was put back"


def test_an_api_that_is_away_changes_nothing(
    watch: OutOfServiceHosts, cloud: FakeMasakari, tmp_path: Path
) -> None:
    watch.check()
    before = (tmp_path / "record").read_text()
    cloud.hosts[ONE]["on_maintenance"] = True
    cloud.broken = 503
    with pytest.raises(ApiError):
        watch.check()
    assert (tmp_path / "record").read_text() == before
    cloud.broken = 0
    watch.check()
    assert out_of_service.read(tmp_path / "record", 1000) == OutOfService((ONE,), hosts=ALL)


def test_a_directory_that_is_not_there(watch: OutOfServiceHosts, tmp_path: Path) -> None:
    tmp_path.rmdir()
    with pytest.raises(FileNotFoundError):
        watch.check()
    assert out_of_service.read(tmp_path / "record", 1000) == OutOfService()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"time": "now", "maintenance": ["node1.maas"], "failed": [], "forced_down": []}',
        '{"time": 1000, "maintenance": "node1.maas", "failed": [], "forced_down": []}',
        '{"time": 1000, "maintenance": ["node1.maas"], "failed": [], "forced_down": null}',
        '{"time": 1000, "maintenance": ["node1.maas"]}',
    ],
)
def test_a_damaged_file_says_nothing(tmp_path: Path, text: str) -> None:
    record = tmp_path / "record"
    record.write_text(text)
    assert out_of_service.read(record, 1000) == OutOfService()
    out_of_service.forget(record, ONE)
    assert record.read_text() == text


def test_a_host_that_was_taken_back_is_dropped(tmp_path: Path) -> None:
    record = tmp_path / "record"
    out_of_service.write(record, OutOfService((ONE, TWO), (TWO,), (THREE,)), 1000)
    out_of_service.forget(record, TWO)
    assert out_of_service.read(record, 1000) == OutOfService((ONE,), (), (THREE,))
    out_of_service.forget(record, THREE)
    assert out_of_service.read(record, 1000) == OutOfService((ONE,))
    assert json.loads(record.read_text())["time"] == 1000, "it is no newer for that"


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    record = tmp_path / "record"
    record.mkdir()
    with pytest.raises(OSError, match="directory"):
        out_of_service.write(record, OutOfService(), 1000)
    assert list(tmp_path.iterdir()) == [record]


def test_hosts_that_nova_knows_by_other_names_are_told_before_they_fail(
    watch: OutOfServiceHosts, cloud: FakeMasakari, tmp_path: Path
) -> None:
    """Masakari would call every guest of such a host evacuated before it has begun."""
    cloud.page = 1
    cloud.renamed = {TWO: "node2"}
    cloud.absent = {THREE}
    watch.check()
    found = out_of_service.read(tmp_path / "record", 1001)
    assert found.hosts == (ONE, TWO, THREE)
    assert found.misnamed == (
        f"{TWO} (Nova calls its hypervisor node2)",
        f"{THREE} (Nova has no nova-compute of that name)",
    )


def test_the_names_are_not_asked_for_each_time(cloud: FakeMasakari, tmp_path: Path) -> None:
    session = ks.Session(auth=Token(cloud.url, "token"))
    masakari, nova = MasakariApi(session, [CATALOG], 30), NovaApi(session, 30)
    now = 1000.0
    watch = OutOfServiceHosts(
        masakari, nova, tmp_path / "record", tmp_path / "refused", clock=lambda: now
    )
    for _ in range(3):
        watch.check()
    asked = [request for request in cloud.requests if "os-hypervisors" in request]
    assert len(asked) == 2, "the one page, and that there is no other"
    cloud.renamed = {ONE: "node1"}
    now += NAMES_AGE
    watch.check()
    assert len(out_of_service.read(tmp_path / "record", now).misnamed) == 1


def test_what_is_owed_of_a_host_that_is_back_is_still_named(
    cloud: FakeMasakari, tmp_path: Path
) -> None:
    """Such as an instance that may run where its evacuation broke off: an operator has to look."""
    known = [Record(ONE, "n", "e", down=900.0), Record(TWO, "m", "e", returned=True)]
    watch = with_records(cloud, tmp_path, lambda: known)
    for host in (ONE, TWO):
        refusals.record(tmp_path, host, "it may run on node3.maas")
    watch.check()
    assert [one.host for one in refusals.read(tmp_path)] == [ONE]
    known[0] = Record(ONE, "n", "e", returned=True)
    watch.check()
    assert refusals.read(tmp_path) == []


def test_what_is_owed_of_a_host_that_was_taken_out_of_its_segment_is_still_named(
    cloud: FakeMasakari, tmp_path: Path
) -> None:
    """As one that is replaced: nobody goes on with its recovery, and its instances are down."""
    left = Instance("g1", "active", outcome="no room: No valid host was found.")
    failed = End(FAILED, "Instances left behind", 900.0)
    owed = Record("gone.maas", "n", "e", instances=(left,), end=failed)
    done = replace(owed, host="over.maas", instances=(replace(left, outcome="recovered"),))
    watch = with_records(cloud, tmp_path, lambda: [owed, done])
    cloud.places = {"g1": "gone.maas", "g2": "over.maas"}
    for host in ("gone.maas", "over.maas"):
        refusals.record(tmp_path, host, "instances left behind")
    watch.check()
    assert [one.host for one in refusals.read(tmp_path)] == ["gone.maas"]
    cloud.places = {}
    watch.check()
    assert refusals.read(tmp_path) == [], "somebody has seen to it"


def test_what_was_owed_of_a_host_that_somebody_uses_again_is_not(
    cloud: FakeMasakari, tmp_path: Path
) -> None:
    """It is in no segment any more, and works: by Nova's own commands."""
    left = Instance("g1", "active", outcome="no room")
    owed = Record(ONE, "n", "e", instances=(left,), end=End(FAILED, "left behind", 900.0))
    watch = with_records(cloud, tmp_path, lambda: [owed])
    del cloud.hosts[ONE]
    cloud.places, cloud.forced_down = {"g1": ONE}, {ONE}
    refusals.record(tmp_path, ONE, "instances left behind")
    watch.check()
    assert [one.host for one in refusals.read(tmp_path)] == [ONE]
    cloud.forced_down, cloud.working = set(), {ONE}
    watch.check()
    assert refusals.read(tmp_path) == []
