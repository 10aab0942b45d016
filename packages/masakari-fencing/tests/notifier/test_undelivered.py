"""Fencings that Masakari does not take: none is dropped, and the status can say why."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fencing_masakari import FakeMasakari
from fencing_notifier import HOST, Member, Time
from keystoneauth1 import session as ks
from keystoneauth1.token_endpoint import Token
from masakari_fencing import alert
from masakari_fencing.notifier import daemon, reporter
from masakari_fencing.records import spool
from masakari_fencing.records.spool import NO_SEGMENT, Event, Spool

STRANGER = "node9.maas"
PROXY = "<html><h1>404 Not Found</h1>The resource could not be found.</html>"
"""What a proxy says, or Masakari's own web framework for a URL with a wrong prefix."""


@pytest.fixture
def masakari() -> Iterator[FakeMasakari]:
    server = FakeMasakari([HOST, "node2.maas"])
    yield server
    server.close()


def reasons(member: Member) -> list[tuple[str, str]]:
    return [(event.node, event.reason) for event in spool.undelivered(member.directory)]


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    ("status", "text"),
    [
        (404, PROXY),
        (400, PROXY),
        (200, PROXY),
        (404, '{"message": "The resource could not be found.", "title": "Not Found"}'),
        (200, "[1]"),
        (200, "null"),
        (200, "[" * 100_000),
        (200, '{"notification": null, "segments": null}'),
        (200, '{"notification": [], "segments": [{"name": "rack1"}]}'),
        (200, '{"notification": {"notification_uuid": 7}, "segments": 3}'),
        (200, '{"segments": [{"uuid": "seg"}, 5]}'),
        (302, "moved"),
    ],
)
def test_an_answer_that_is_none_drops_nothing(
    masakari: FakeMasakari, tmp_path: Path, rank: int, status: int, text: str
) -> None:
    masakari.broken, masakari.raw = status, text
    clock = Time()
    member = Member(tmp_path / "a", masakari.url, rank=rank, rank_delay=0, now=clock)
    member.fenced()
    for _ in range(reporter.EXPLAIN_AFTER):
        assert reasons(member) == [], "trouble of a moment is not for the status"
        member.notifier.check()
        clock.now += 60
    assert member.waiting == 1
    ((node, reason),) = reasons(member)
    assert node == HOST
    assert reason != NO_SEGMENT
    masakari.broken, masakari.raw = 0, None
    member.notifier.check()
    assert (len(masakari.notifications), member.waiting, reasons(member)) == (1, 0, [])


@pytest.mark.parametrize("page", [1, 2, 5])
def test_a_host_beyond_the_first_page_is_found(
    masakari: FakeMasakari, tmp_path: Path, page: int
) -> None:
    late = FakeMasakari([f"node{number}.maas" for number in range(2, 7)] + [HOST])
    late.page = page
    member = Member(tmp_path / "a", late.url, rank=1, rank_delay=0)
    member.fenced()
    member.notifier.check()
    late.close()
    assert (len(late.notifications), member.waiting) == (1, 0)


def test_reports_beyond_the_first_page_count(masakari: FakeMasakari, tmp_path: Path) -> None:
    masakari.page = 2
    clock = Time()
    for age in (500, 400, 300):
        masakari.add("node2.maas", clock.now - age, "finished")
        masakari.add(HOST, clock.now - age, "finished")
    masakari.add(HOST, clock.now + 1, "running")
    member = Member(tmp_path / "a", masakari.url, rank=1, rank_delay=0, now=clock)
    member.fenced(when=clock.now)
    member.notifier.check()
    assert (len(masakari.notifications), member.waiting) == (7, 0)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_host_of_no_segment_stays_and_is_recovered_if_it_gets_into_one(
    masakari: FakeMasakari, tmp_path: Path, rank: int, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Time()
    member = Member(tmp_path / "a", masakari.url, rank=rank, rank_delay=0, now=clock)
    member.fenced(STRANGER)
    for _ in range(20):
        member.notifier.check()
        clock.now += 31
    assert (masakari.notifications, member.waiting) == ([], 1)
    assert reasons(member) == [(STRANGER, NO_SEGMENT)]
    assert caplog.text.count(NO_SEGMENT) == 1, "once, not every half minute"
    masakari.hosts[STRANGER] = {"id": 9, "uuid": "late", "name": STRANGER, "on_maintenance": False}
    member.notifier.check()
    assert (len(masakari.notifications), member.waiting) == (1, 0)


def test_a_host_of_no_segment_that_works_again_is_not_reported_later(
    masakari: FakeMasakari, tmp_path: Path
) -> None:
    """Its report would have a healthy host fenced as soon as somebody puts it into a segment."""
    clock = Time()
    member = Member(tmp_path / "a", masakari.url, now=clock)
    member.fenced(STRANGER)
    member.notifier.check()
    member.back = True
    clock.now += 31
    member.notifier.check()
    assert reasons(member) == [(STRANGER, NO_SEGMENT)], "its guests were not recovered"
    masakari.hosts[STRANGER] = {"id": 9, "uuid": "late", "name": STRANGER, "on_maintenance": False}
    restarted = Member(tmp_path / "a", masakari.url, now=clock, back=True)
    restarted.notifier.check()
    assert (masakari.notifications, member.waiting) == ([], 0)


def test_one_event_that_breaks_everything_holds_up_no_other(
    masakari: FakeMasakari, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = Member(tmp_path / "a", masakari.url)
    member.fenced("node2.maas", ref="ref-0", when=time.time() - 1)
    member.fenced()
    deliver = member.notifier.delivery.deliver

    def broken(event: Event, *, first: bool) -> object:
        if event.node == "node2.maas":
            raise KeyError("something new")
        return deliver(event, first=first)

    monkeypatch.setattr(member.notifier.delivery, "deliver", broken)
    member.notifier.check()
    assert (len(masakari.notifications), member.waiting) == (1, 1)


@pytest.mark.parametrize("jump", [-7200.0, 86400.0])
def test_a_clock_that_jumps_neither_ages_an_event_nor_holds_it_up(
    masakari: FakeMasakari, tmp_path: Path, jump: float
) -> None:
    day, timer = Time(), Time()
    environment = {
        "CRM_alert_desc": f"Operation reboot of {HOST} by a for b@c: OK (ref=ref-1)",
        "CRM_alert_kind": "fencing",
        "CRM_alert_node": HOST,
        "CRM_alert_rc": "0",
        "CRM_alert_task": "st_notify_fence",
        "CRM_alert_timestamp_epoch": f"{day.now:.0f}",
        "MASAKARI_FENCING_SPOOL": str(tmp_path / "a"),
        "MASAKARI_FENCING_SOCKET": str(tmp_path / "nobody"),
    }
    masakari.broken = 503
    member = Member(tmp_path / "a", masakari.url, now=day, timer=timer)
    assert alert.main(environment) == 0
    member.notifier.check()
    day.now += jump
    timer.now += 2
    masakari.broken = 0
    member.notifier.check()
    assert (len(masakari.notifications), member.waiting) == (1, 0)
    (item,) = masakari.notifications
    assert item["generated_time"] <= time.strftime("%Y-%m-%dT%H:%M:%S.9", time.gmtime(day.now))


def test_after_a_restart_of_the_machine_the_time_of_day_counts() -> None:
    now = time.time()
    event = Event("r", HOST, now - 90, boot="another", uptime=1.0)
    assert event.age(now) == pytest.approx(90)
    assert event.age(now - 1000) == 0, "from the future"


@pytest.mark.parametrize(
    "data",
    [
        {"node": HOST, "time": "NaN"},
        {"node": HOST, "time": 1e999},
        {"node": HOST, "time": None},
        {"node": "../etc", "time": 1},
        {"node": HOST, "time": 1, "uptime": "soon"},
        [HOST],
        7,
    ],
)
def test_what_is_no_event_is_dropped_and_not_shown(tmp_path: Path, data: object) -> None:
    good = {"node": HOST, "time": 1.0, "reason": "no answer"}
    (tmp_path / "good.json").write_text(json.dumps(good))
    (tmp_path / "bad.json").write_text(json.dumps(data))
    (tmp_path / "deep.json").write_text("[" * 100_000)
    assert [event.id for event in spool.undelivered(tmp_path)] == ["good"]
    assert [event.id for event in Spool(tmp_path).events()] == ["good"]
    assert [path.name for path in tmp_path.iterdir()] == ["good.json"]


def test_keystone_is_complained_about_once(caplog: pytest.LogCaptureFixture) -> None:
    session = ks.Session(auth=Token("http://x/", "t"))
    session.get_token = lambda: 1 / 0
    told: dict[daemon.Look, str] = {}

    def token() -> None:
        daemon.keep_token(session)

    for _ in range(3):
        daemon.attend(token, told)
    assert caplog.text.count("no token from Keystone") == 1
