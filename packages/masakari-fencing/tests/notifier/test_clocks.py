"""Fencings of hosts that a monitor has reported whose clock is ahead of Masakari's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fencing_masakari import FakeMasakari
from fencing_notifier import HOST, Member, Time
from masakari_fencing import times
from masakari_fencing.notifier import delivery, reporter
from masakari_fencing.records import spool

AHEAD = 3600.0


@pytest.fixture
def masakari() -> Iterator[FakeMasakari]:
    server = FakeMasakari([HOST])
    yield server
    server.close()


class Ahead:
    """A host that was fenced some time after such a monitor had reported it."""

    def __init__(self, masakari: FakeMasakari, directory: Path, status: str, age: float) -> None:
        self.masakari, self.clock = masakari, Time()
        self.member = Member(directory, masakari.url, catalog=masakari.url, now=self.clock)
        generated = self.clock.now - age + AHEAD
        self.report = masakari.add(HOST, generated, status, ahead=AHEAD)
        self.member.fenced(when=self.clock.now)

    def check(self, later: float = 0.0) -> tuple[int, int]:
        """Return how many reports there are, and how many fencings wait, some seconds later."""
        self.clock.now += later
        self.member.notifier.check()
        return len(self.masakari.notifications), self.member.waiting


def test_a_report_that_was_withdrawn_is_not_that_of_a_fence_since(
    masakari: FakeMasakari, tmp_path: Path
) -> None:
    """Masakari calls the fence's a duplicate until an hour later."""
    ahead = Ahead(masakari, tmp_path / "a", "finished", 300)
    assert ahead.check() == (2, 0)


def test_the_next_fence_gets_in_as_soon_as_without_such_a_clock(
    masakari: FakeMasakari, tmp_path: Path
) -> None:
    masakari.engine = False
    ahead = Ahead(masakari, tmp_path / "a", "finished", 20)
    assert ahead.check() == (1, 1)
    assert ahead.check(5) == (1, 1)
    assert ahead.check(6) == (2, 0)


def test_a_recovery_that_waits_for_the_fence_is_left_to_finish(
    masakari: FakeMasakari, tmp_path: Path
) -> None:
    masakari.hosts[HOST]["on_maintenance"] = True
    ahead = Ahead(masakari, tmp_path / "a", "running", 60)
    assert ahead.check() == (1, 1)
    ahead.report["status"] = "finished"
    ahead.report["updated_at"] = "2999-01-01T00:00:00.000000"
    assert ahead.check(3) == (1, 0)


def test_a_refused_recovery_is_begun_again(masakari: FakeMasakari, tmp_path: Path) -> None:
    masakari.hosts[HOST]["on_maintenance"] = True
    ahead = Ahead(masakari, tmp_path / "a", "failed", 60)
    assert ahead.check() == (2, 0)


def test_what_is_called_a_duplicate_for_long_is_said(
    masakari: FakeMasakari, tmp_path: Path
) -> None:
    masakari.duplicate_interval = 1e6
    ahead = Ahead(masakari, tmp_path / "a", "finished", 300)
    assert ahead.check() == (1, 1)
    assert ahead.check(delivery.PATIENCE / 2) == (1, 1)
    assert spool.undelivered(ahead.member.directory) == []
    for _ in range(reporter.EXPLAIN_AFTER):
        ahead.check(delivery.PATIENCE)
    (event,) = spool.undelivered(ahead.member.directory)
    assert "is duplicate" in event.reason


@pytest.mark.parametrize(
    ("age", "reports"), [(delivery.UNHEARD - 1, 1), (delivery.UNHEARD + 1, 2)]
)
def test_what_no_engine_was_told_of_is_sent_once_more(
    masakari: FakeMasakari, tmp_path: Path, age: float, reports: int
) -> None:
    """The broker lost it, and by its own word Masakari would take it up an hour later."""
    ahead = Ahead(masakari, tmp_path / "a", "new", 0)
    ahead.check(age)
    assert len(masakari.notifications) == reports


@pytest.mark.parametrize(("ahead", "found"), [(5.0, 1005.0), (60.0, 1060.0), (61.0, 1000.0)])
def test_clocks_are_never_quite_alike(ahead: float, found: float) -> None:
    generated, created = (times.moment(when) for when in (1000.0 + ahead, 1000.0))
    assert times.noticed(generated, created) == found
