"""Fencings that were too old to be reported when Masakari answered again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fencing_masakari import FakeMasakari
from fencing_notifier import HOST, Member, Time
from masakari_fencing.records import spool
from masakari_fencing.records.spool import EXPIRED

EXPIRY = 600.0


@pytest.fixture
def masakari() -> Iterator[FakeMasakari]:
    server = FakeMasakari([HOST])
    server.places["g1"] = HOST
    yield server
    server.close()


class Late:
    """A member's notifier, whose event has just become too old."""

    def __init__(self, masakari: FakeMasakari, directory: Path) -> None:
        self.masakari, self.clock = masakari, Time()
        self.fenced = self.clock.now - EXPIRY - 1
        url = masakari.url
        self.member = Member(directory, url, catalog=url, now=self.clock, expiry=EXPIRY)
        self.member.fenced(when=self.fenced)

    def reasons(self) -> list[str]:
        """Return what the status says a while later."""
        self.clock.now += self.member.settings.retry_max
        self.member.notifier.check()
        return [event.reason for event in spool.undelivered(self.member.directory)]


@pytest.fixture
def late(masakari: FakeMasakari, tmp_path: Path) -> Late:
    return Late(masakari, tmp_path / "a")


def test_an_old_event_is_not_reported_and_stays_for_the_status(
    late: Late, caplog: pytest.LogCaptureFixture
) -> None:
    assert [late.reasons() for _ in range(5)] == [[EXPIRED]] * 5
    assert late.masakari.notifications == []
    assert caplog.text.count(f"{HOST} is not reported yet: {EXPIRED}") == 1, "once"


def test_while_no_api_answers_that_is_what_has_to_be_mended(late: Late) -> None:
    late.masakari.broken = 503
    for _ in range(5):
        (reason,) = late.reasons() or [""]
    assert "503" in reason
    late.masakari.broken = 0
    assert late.reasons() == [EXPIRED]


def test_it_goes_once_its_host_was_fenced_again_and_reported(late: Late) -> None:
    assert late.reasons() == [EXPIRED]
    late.member.fenced(when=late.clock.now, ref="ref-2")
    late.reasons()
    assert len(late.masakari.notifications) == 1
    assert late.reasons() == []
    assert late.member.waiting == 0


def test_it_goes_once_its_host_has_no_instances(late: Late) -> None:
    assert late.reasons() == [EXPIRED]
    late.masakari.nova_broken = 503
    assert late.reasons() != []
    late.masakari.nova_broken = 0
    late.masakari.places["g1"] = "node2.maas"
    assert (late.reasons(), late.member.waiting) == ([], 0)


@pytest.mark.parametrize("back", [False, True])
def test_it_goes_with_a_host_that_is_in_no_segment(
    late: Late, back: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """One that was taken out of the cloud would be named for ever."""
    late.masakari.hosts.clear()
    late.member.back = back
    spool.Spool(late.member.directory).explain(
        spool.Event("ref-1", HOST, late.fenced), spool.NO_SEGMENT
    )
    assert (late.reasons(), late.member.waiting) == ([], 0)
    assert f"NOT REPORTED: the fencing of {HOST}" in caplog.text


def test_nothing_is_said_of_one_that_another_member_has_reported(late: Late) -> None:
    """As by a unit that was paused."""
    late.masakari.add(HOST, late.fenced, "failed")
    assert (late.reasons(), late.member.waiting) == ([], 0)


def test_nothing_is_said_of_one_that_an_earlier_report_has_recovered(late: Late) -> None:
    late.masakari.add(HOST, late.fenced - 60, "finished")
    assert late.reasons() == [EXPIRED]
    late.masakari.notifications[0]["updated_at"] = "2999-01-01T00:00:00.000000"
    assert (late.reasons(), late.member.waiting) == ([], 0)


def test_an_operator_who_has_taken_its_host_back_ends_it(late: Late) -> None:
    assert late.reasons() == [EXPIRED]
    late.member.fenced("node2.maas", when=time.time(), ref="other")
    spool.forget(late.member.directory, "node2.maas")
    assert late.member.waiting == 2, "what is yet to be reported stays"
    spool.forget(late.member.directory, HOST.upper())
    assert [path.stem for path in late.member.directory.glob("*.json")] == ["other"]


def test_what_an_operator_has_seen_to_does_not_come_back(tmp_path: Path) -> None:
    """An API fails as return-host has just dropped it."""
    event = spool.Event(id="e-1", node=HOST, time=1.0)
    spool.Spool(tmp_path).explain(event, "the API is away")
    assert list(tmp_path.iterdir()) == []
