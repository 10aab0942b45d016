"""From the spool into the Masakari API: once, and for certain. Over real HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fencing_fakes import Cluster, FakeRunner
from fencing_masakari import FakeMasakari
from fencing_notifier import HOST, Member, Time
from keystoneauth1 import session as ks
from keystoneauth1.token_endpoint import Token
from masakari_fencing import times
from masakari_fencing.notifier import daemon, settings
from masakari_fencing.notifier.delivery import Delivery, Outcome
from masakari_fencing.notifier.ranking import Ranking
from masakari_fencing.notifier.settings import Settings
from masakari_fencing.openstack.masakari_api import MasakariApi
from masakari_fencing.openstack.rest import CATALOG, ApiError, make_session
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records.spool import Event


@pytest.fixture
def masakari() -> Iterator[FakeMasakari]:
    server = FakeMasakari([HOST, "node2.maas"])
    yield server
    server.close()


def posts(masakari: FakeMasakari) -> int:
    return sum(request.startswith("POST") for request in masakari.requests)


def test_a_fencing_becomes_a_notification(masakari: FakeMasakari, tmp_path: Path) -> None:
    member = Member(tmp_path / "a", masakari.url)
    member.fenced(when=1795233223.558)
    member.notifier.settings = Settings(expiry=1e12)
    member.notifier.check()
    (item,) = masakari.notifications
    assert item["payload"] == {
        "event": "STOPPED",
        "cluster_status": "OFFLINE",
        "host_status": "NORMAL",
    }
    assert item["type"] == "COMPUTE_HOST"
    assert item["generated_time"].startswith("2026-11-21T03:53:43")
    assert masakari.requests == ["POST /v1/notifications"], "the first in rank asks nothing"
    assert member.waiting == 0


def test_three_members_make_one_notification(masakari: FakeMasakari, tmp_path: Path) -> None:
    members = [
        Member(tmp_path / str(rank), masakari.url, rank=rank, rank_delay=0.2) for rank in range(3)
    ]
    when = time.time()
    for skew, member in enumerate(members):
        member.fenced(when=when + skew)
    threads = [threading.Thread(target=member.until_done) for member in members]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(masakari.notifications) == 1
    assert [member.waiting for member in members] == [0, 0, 0]
    assert posts(masakari) == 1, "the others look before they report"


def test_members_that_all_think_they_are_first_still_make_one(
    masakari: FakeMasakari, tmp_path: Path
) -> None:
    members = [Member(tmp_path / str(number), masakari.url) for number in range(3)]
    when = time.time()
    for member in members:
        member.fenced(when=when)
    threads = [threading.Thread(target=member.until_done) for member in members]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(masakari.notifications) == 1
    assert [member.waiting for member in members] == [0, 0, 0]


def test_the_second_reports_when_the_first_does_not(
    masakari: FakeMasakari, tmp_path: Path
) -> None:
    clock = Time()
    member = Member(tmp_path / "a", masakari.url, rank=1, rank_delay=1.0, now=clock)
    member.fenced()
    pause = member.notifier.check()
    assert masakari.notifications == []
    assert 0.9 < pause <= 1.0
    clock.now += 1.01
    member.notifier.check()
    assert len(masakari.notifications) == 1


def test_an_event_survives_an_outage_and_a_restart(masakari: FakeMasakari, tmp_path: Path) -> None:
    clock = Time()
    masakari.broken = 503
    member = Member(tmp_path / "a", masakari.url, now=clock)
    member.fenced()
    waits = []
    for _ in range(8):
        member.notifier.check()
        waits.append(member.notifier._progress["ref-1"].due - clock.now)
        clock.now += waits[-1]
    assert waits == pytest.approx([1, 2, 4, 8, 16, 30, 30, 30])
    assert member.waiting == 1
    masakari.broken = 0
    after_restart = Member(tmp_path / "a", masakari.url, now=clock)
    after_restart.notifier.check()
    assert len(masakari.notifications) == 1
    assert member.waiting == 0


def test_the_catalog_is_tried_where_the_own_api_is_down(
    masakari: FakeMasakari, tmp_path: Path
) -> None:
    member = Member(tmp_path / "a", "http://127.0.0.1:9/v1", CATALOG, catalog=masakari.url)
    member.fenced()
    member.notifier.check()
    assert len(masakari.notifications) == 1


def test_an_answer_that_was_lost_makes_no_second_notification(
    masakari: FakeMasakari, tmp_path: Path
) -> None:
    clock = Time()
    masakari.lose_answer = True
    masakari.engine = False
    member = Member(tmp_path / "a", masakari.url, now=clock)
    member.fenced()
    member.notifier.check()
    masakari.lose_answer = False
    clock.now += 60
    member.notifier.check()
    assert len(masakari.notifications) == 1
    assert member.waiting == 0


@pytest.mark.parametrize("endpoint", ["engine", "no engine"])
def test_a_report_of_the_polling_monitor_is_enough(
    masakari: FakeMasakari, tmp_path: Path, endpoint: str
) -> None:
    masakari.engine = endpoint == "engine"
    now = time.time()
    masakari.add(HOST, now + 3, "running")
    masakari.hosts[HOST]["on_maintenance"] = masakari.engine
    member = Member(tmp_path / "a", masakari.url)
    member.fenced(when=now)
    member.notifier.check()
    assert len(masakari.notifications) == 1
    assert member.waiting == 0


def test_a_second_failure_soon_after_the_first_is_not_lost(
    masakari: FakeMasakari, tmp_path: Path
) -> None:
    clock = Time()
    masakari.add(HOST, clock.now - 20, "finished")
    member = Member(tmp_path / "a", masakari.url, now=clock)
    member.fenced(when=clock.now)
    member.notifier.check()
    assert (len(masakari.notifications), member.waiting) == (1, 1)
    clock.now += 5
    member.notifier.check()
    assert (len(masakari.notifications), member.waiting) == (1, 1)
    clock.now += 6
    member.notifier.check()
    assert (len(masakari.notifications), member.waiting) == (2, 0)


def test_a_report_that_no_engine_has_taken_on_yet_is_enough(
    masakari: FakeMasakari, tmp_path: Path
) -> None:
    clock = Time()
    stuck = masakari.add(HOST, clock.now - 20, "new")
    member = Member(tmp_path / "a", masakari.url, now=clock)
    member.fenced(when=clock.now)
    for _ in range(20):
        member.notifier.check()
        clock.now += 5
    assert (len(masakari.notifications), member.waiting) == (1, 1)
    stuck["status"] = "finished"
    stuck["updated_at"] = "2999-01-01T00:00:00.000000"
    masakari.hosts[HOST]["on_maintenance"] = True
    member.notifier.check()
    assert (len(masakari.notifications), member.waiting) == (1, 0)


def test_a_cluster_member_is_dropped_without_asking(
    masakari: FakeMasakari, tmp_path: Path
) -> None:
    member = Member(tmp_path / "a", masakari.url, rank=None)
    member.fenced("juju-1-lxd-0")
    member.notifier.check()
    assert (masakari.requests, member.waiting) == ([], 0)


def test_wrong_credentials_lose_nothing(
    masakari: FakeMasakari, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    masakari.broken = 401
    member = Member(tmp_path / "a", masakari.url)
    member.fenced()
    member.notifier.check()
    assert member.waiting == 1
    assert "401" in caplog.text


class Maintenance:
    """A host that Masakari holds in maintenance, and an event for it."""

    def __init__(self, masakari: FakeMasakari, tmp_path: Path) -> None:
        self.masakari = masakari
        self.clock = Time()
        self.member = Member(tmp_path / "m", masakari.url, catalog=masakari.url, now=self.clock)
        masakari.hosts[HOST]["on_maintenance"] = True
        self.member.fenced(when=self.clock.now)

    def check(self) -> tuple[int, int]:
        self.member.notifier.check()
        return len(self.masakari.notifications), self.member.waiting


@pytest.fixture
def maintenance(masakari: FakeMasakari, tmp_path: Path) -> Maintenance:
    return Maintenance(masakari, tmp_path)


def test_the_operators_maintenance_is_respected(maintenance: Maintenance) -> None:
    assert maintenance.check() == (0, 0)
    assert maintenance.masakari.hosts[HOST]["on_maintenance"] is True


def test_a_recovery_that_waits_for_this_fence_is_left_to_finish(
    maintenance: Maintenance,
) -> None:
    item = maintenance.masakari.add(HOST, maintenance.clock.now - 60, "running")
    assert maintenance.check() == (1, 1)
    item["status"] = "finished"
    item["updated_at"] = "2999-01-01T00:00:00.000000"
    maintenance.clock.now += 3
    assert maintenance.check() == (1, 0)


@pytest.mark.parametrize("kind", ["COMPUTE_HOST", "PROCESS"])
def test_a_host_whose_recovery_was_refused_is_recovered_once_it_is_fenced(
    maintenance: Maintenance, kind: str
) -> None:
    status = "failed" if kind == "COMPUTE_HOST" else "finished"
    maintenance.masakari.add(HOST, maintenance.clock.now - 300, status, kind=kind)
    assert maintenance.check() == (2, 0)
    assert maintenance.masakari.notifications[1]["status"] == "running"


def test_however_late_its_report_says_when_it_was_fenced(maintenance: Maintenance) -> None:
    """Else a host that has come back meanwhile would be one that works."""
    fenced = maintenance.clock.now
    maintenance.masakari.add(HOST, fenced - 300, "failed")
    maintenance.clock.now += 700
    assert maintenance.check() == (2, 0)
    text = maintenance.masakari.notifications[1]["generated_time"]
    assert times.epoch(text) == int(fenced)


def test_a_refused_recovery_of_long_ago_is_not_taken_up(maintenance: Maintenance) -> None:
    maintenance.masakari.add(HOST, maintenance.clock.now - 90000, "failed")
    assert maintenance.check() == (1, 0)


def test_a_host_that_was_recovered_and_never_returned_stays_as_it_is(
    maintenance: Maintenance, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    maintenance.masakari.add(HOST, maintenance.clock.now - 300, "finished")
    maintenance.masakari.places["elsewhere"] = "node2.maas"
    assert maintenance.check() == (1, 0)
    assert "has no instances" in caplog.text


def test_one_to_which_an_instance_has_come_since_is_recovered_again(
    maintenance: Maintenance,
) -> None:
    """An evacuation of another host had waited for its nova-compute."""
    maintenance.masakari.add(HOST, maintenance.clock.now - 300, "finished")
    maintenance.masakari.places["late"] = HOST
    assert maintenance.check() == (2, 0)
    assert maintenance.masakari.notifications[1]["status"] == "running"


def test_while_nova_does_not_say_its_report_waits(maintenance: Maintenance) -> None:
    maintenance.masakari.add(HOST, maintenance.clock.now - 300, "finished")
    maintenance.masakari.nova_broken = 503
    assert maintenance.check() == (1, 1)
    maintenance.masakari.nova_broken = 0
    maintenance.clock.now += 60
    assert maintenance.check() == (1, 0)


def test_a_failed_recovery_of_this_very_fence_is_not_repeated(maintenance: Maintenance) -> None:
    maintenance.masakari.add(HOST, maintenance.clock.now + 1, "failed")
    assert maintenance.check() == (1, 0)


def test_maintenance_that_cannot_be_ended_yet_is_tried_again(maintenance: Maintenance) -> None:
    maintenance.masakari.add(HOST, maintenance.clock.now - 300, "failed")
    other = maintenance.masakari.add(HOST, maintenance.clock.now - 400, "error", kind="VM")
    assert maintenance.check() == (2, 1)
    other["status"] = "failed"
    maintenance.clock.now += 3
    assert maintenance.check() == (3, 0)


class Ranks:
    """The order in which the members of a cluster report."""

    def __init__(self, **changes: Any) -> None:
        self.cluster = Cluster(**changes)

    def of(self, name: str) -> int | None:
        self.cluster.runner.on("crm_node --name", f"{name}\n")
        return Ranking(self.cluster.runner)(HOST)


def test_the_controller_is_first_and_the_others_follow_by_name() -> None:
    ranks = Ranks()
    assert [ranks.of(f"juju-{n}-lxd-0") for n in (1, 2, 3)] == [1, 0, 2]


def test_who_has_no_notifier_comes_after_those_that_have() -> None:
    ranks = Ranks(unattended=("juju-2-lxd-0", "juju-1-lxd-0"))
    assert [ranks.of(f"juju-{n}-lxd-0") for n in (1, 2, 3)] == [2, 1, 0]


def test_a_member_that_is_not_online_comes_last() -> None:
    assert Ranks().of("juju-9-lxd-0") == 3


def test_a_member_without_a_cluster_reports_all_the_same() -> None:
    assert Ranking(FakeRunner().on("", 102))(HOST) == 3


def test_a_fenced_member_is_not_to_be_reported() -> None:
    ranks = Ranks()
    assert Ranking(ranks.cluster.runner)("juju-3-lxd-0") is None


CONFIGURATION = """
[keystone]
auth_url = http://127.0.0.1:9/v3
username = masakari
password = s%cret
project_name = services
[api]
endpoints = http://127.0.0.1:15848/v1
[notifier]
expiry = 60
auto_return = 600
retries = 60, 600
"""


def test_configuration(tmp_path: Path) -> None:
    path = tmp_path / "notifier.conf"
    path.write_text(CONFIGURATION)
    found, keystone = settings.read_configuration(path)
    assert keystone["password"] == "s%cret"
    assert (found.expiry, found.rank_delay, found.records) == (60, 4.0, True)
    assert (found.auto_return, found.auto_return_most) == (600.0, 2)
    assert str(found.retries) == "60, 600"
    assert found.endpoints == ("http://127.0.0.1:15848/v1",)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "password = s%cret\n",
        "[keystone]\ns%cret\n",
        CONFIGURATION.replace("password", "pass"),
        CONFIGURATION.replace("expiry = 60", "expiry = s%cret"),
        CONFIGURATION.replace("60, 600", "soon"),
    ],
)
def test_a_wrong_configuration_ends_with_its_name_and_without_secrets(
    tmp_path: Path, text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "notifier.conf"
    if text is not None:
        path.write_text(text)
    assert daemon.main(["--config-file", str(path)]) == 1
    assert str(path) in caplog.text
    if text is None or "expiry = s%cret" not in text:
        assert "s%cret" not in caplog.text


def test_a_poke_ends_the_wait_and_many_pokes_are_one(tmp_path: Path) -> None:
    import socket

    wake = daemon.open_socket(tmp_path / "wake")
    assert (tmp_path / "wake").stat().st_mode & 0o777 == 0o660
    with wake, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as poke:
        for _ in range(3):
            poke.sendto(b"1", str(tmp_path / "wake"))
        daemon.wait(wake, 3600)
        begin = time.monotonic()
        daemon.wait(wake, 0.05)
        assert time.monotonic() - begin > 0.04


def test_delivery_without_an_api_is_an_error_not_a_loss() -> None:
    api = MasakariApi(ks.Session(auth=Token("http://x/", "t")), [], 30)
    with pytest.raises(ApiError, match="no endpoint"):
        Delivery(api, redrive_within=1, has_instances=bool).deliver(
            Event("r", HOST, 1.0), first=True
        )
    assert Outcome.DONE is not Outcome.AGAIN


def test_a_look_that_fails_keeps_no_other_from_theirs(caplog: pytest.LogCaptureFixture) -> None:
    told: dict[Callable[[], object], str] = {}
    failures = ["no answer", "no answer", "refused", None, "refused"]

    def check() -> None:
        if (text := failures.pop(0)) is not None:
            raise PacemakerError(text)

    while failures:
        daemon.attend(check, told)
    texts = [record.getMessage().rpartition(": ")[2] for record in caplog.records]
    assert texts == ["no answer", "refused", "refused"], "once for each trouble"


def test_a_look_with_an_unexpected_error_is_taken_again(caplog: pytest.LogCaptureFixture) -> None:
    """Its thread would end, and the service go on as if nothing had happened."""
    seen: list[int] = []

    def check() -> None:
        seen.append(1)
        raise KeyError("something new")

    for _ in range(2):
        daemon.attend(check, {})
    assert len(seen) == 2
    assert "something new" in caplog.text


def test_a_login_has_a_time_limit() -> None:
    keystone = {"auth_url": "http://x/v3", "username": "u", "password": "p", "project_name": "s"}
    assert make_session(keystone, 7.5).timeout == 7.5
