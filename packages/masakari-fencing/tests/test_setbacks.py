"""Recoveries that failed behind the fence are started again at once, and not for ever."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from fencing_fakes import Cluster
from masakari_fencing import setbacks
from masakari_fencing.api import ApiError, Notification
from masakari_fencing.pacemaker import PacemakerError
from masakari_fencing.setbacks import EXPIRY, PAUSES, Setbacks

GIVE_UP = f"{sys.executable} -m masakari_fencing.giveup"


class Bench:
    """A unit whose engine has failed with the recovery `n1`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.now = 1_000_000.0
        self.status: str | None = "error"
        self.runner = Cluster().runner
        self.runner.on(GIVE_UP, "")
        self.setbacks = Setbacks(self.runner, self, directory, clock=lambda: self.now)
        self.fail()

    def notification(self, uuid: str) -> Notification | None:
        assert uuid == "n1"
        if self.status is None:
            return None
        if self.status == "unreachable":
            raise ApiError("503")
        return Notification("COMPUTE_HOST", "STOPPED", self.status, 0, 0, uuid)

    def fail(self) -> None:
        setbacks.record(self.directory, "n1")
        os.utime(self.directory / "n1", (self.now, self.now))

    def look_after(self, seconds: float) -> list[str]:
        self.now += seconds
        return self.setbacks.look()

    def left(self) -> list[str]:
        return [path.name for path in self.directory.iterdir()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_each_failure_is_followed_by_another_attempt_until_masakari_goes_on(bench: Bench) -> None:
    for number, pause in enumerate(PAUSES):
        assert bench.look_after(pause - 0.5) == [], number
        assert bench.look_after(0.5) == ["n1"], number
        assert bench.left() == []
        bench.fail()
    assert bench.look_after(PAUSES[-1]) == []
    assert bench.left() == [], "what Masakari does next is not looked at any more"
    assert bench.runner.ran(GIVE_UP) == [[*GIVE_UP.split(), "--failed", "n1"]] * len(PAUSES)


def test_while_the_recovery_goes_on_it_is_not_started_again(bench: Bench) -> None:
    """As with the next reserved host."""
    bench.status = "running"
    assert bench.look_after(PAUSES[0]) == []
    assert bench.left() == ["n1"]
    bench.status = "error"
    assert bench.look_after(1) == ["n1"]


@pytest.mark.parametrize("status", ["finished", "ignored", "failed", "new", None])
def test_one_that_has_ended_otherwise_is_dropped(bench: Bench, status: str | None) -> None:
    bench.status = status
    assert bench.look_after(PAUSES[0]) == []
    assert bench.left() == []


def test_a_later_failure_of_one_that_had_succeeded_counts_anew(bench: Bench) -> None:
    assert bench.look_after(PAUSES[0]) == ["n1"]
    bench.fail()
    bench.status = "finished"
    bench.look_after(1)
    bench.fail()
    bench.status = "error"
    assert bench.look_after(PAUSES[0]) == ["n1"]


def test_one_that_never_ends_is_left_to_itself(bench: Bench) -> None:
    bench.status = "running"
    assert bench.look_after(EXPIRY + 1) == []
    assert bench.left() == []


@pytest.mark.parametrize("failure", ["the API", "the process"])
def test_what_could_not_be_handed_back_is_tried_again(bench: Bench, failure: str) -> None:
    if failure == "the API":
        bench.status = "unreachable"
    else:
        bench.runner.on(GIVE_UP, 1)
    with pytest.raises((ApiError, PacemakerError)):
        bench.look_after(PAUSES[0])
    assert bench.left() == ["n1"]
    bench.status = "error"
    bench.runner.on(GIVE_UP, "")
    assert bench.look_after(0) == ["n1"]


def test_a_name_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="etc"):
        setbacks.record(tmp_path, "../etc")


def test_nothing_is_looked_for_where_the_charm_has_made_no_directory(bench: Bench) -> None:
    nowhere = Setbacks(bench.runner, bench, bench.directory / "none")
    assert nowhere.look() == []
