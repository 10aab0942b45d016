"""Since when a member's part of the cluster has been as it is, with quorum."""

from __future__ import annotations

from pathlib import Path

import pytest
from fencing_cib import Cib
from fencing_fakes import FakeRunner
from masakari_fencing import quorum_since
from masakari_fencing.notifier.membership import Membership
from masakari_fencing.pacemaker.tools import PacemakerError

SHOWN = """Quorum information
------------------
Date:             Sun Nov 29 19:39:26 2026
Quorum provider:  corosync_votequorum
Nodes:            3
Node ID:          1001
Ring ID:          {ring}
Quorate:          {quorate}

Votequorum information
----------------------
Flags:            Quorate
"""
"""What corosync-quorumtool of Corosync 3.1.7 prints."""


class Member:
    """A member whose Corosync says what a test wants."""

    def __init__(self, path: Path) -> None:
        self.path = path / "quorum.json"
        self.now = 1000.0
        self.runner = FakeRunner()
        self.cib = Cib()
        self.cib.serve(self.runner)
        self.watch = Membership(self.runner, self.path, clock=lambda: self.now)

    def check(self, ring: str, quorate: str = "Yes") -> float | None:
        """Return since when it is as it is, ten seconds after the last look."""
        self.now += 10
        answer = SHOWN.format(ring=ring, quorate=quorate)
        self.runner.on("corosync-quorumtool -s", answer)
        self.watch.check()
        return quorum_since.read(self.path)


def test_as_long_as_nobody_comes_or_goes(tmp_path: Path) -> None:
    member = Member(tmp_path)
    assert member.check("3e8.d") == 1010
    assert member.check("3e8.d") == 1010
    assert member.check("3e8.16") == 1030, "whoever stood still is in another ring"


def test_what_was_without_quorum_begins_anew(tmp_path: Path) -> None:
    member = Member(tmp_path)
    member.check("3e8.d")
    assert member.check("3e8.11", "No") == 1010, "the engine sees that itself"
    assert member.check("3e8.d") == 1030


@pytest.mark.parametrize("answer", [1, "", "Ring ID: 1.4", "Quorate: Yes"])
def test_an_answer_that_is_none_changes_nothing(answer: str | int, tmp_path: Path) -> None:
    member = Member(tmp_path)
    member.check("3e8.d")
    member.runner.on("corosync-quorumtool -s", answer)
    with pytest.raises(PacemakerError):
        member.watch.check()
    assert member.check("3e8.d") == 1010


def test_who_is_not_there_is_outdated_once_for_each_ring(tmp_path: Path) -> None:
    member = Member(tmp_path)
    for ring, expected in (("3e8.d", 10), ("3e8.d", 10), ("3e8.11", 20), ("3e8.16", 30)):
        member.check(ring)
        assert member.cib.version[0] == expected


def test_without_quorum_nobody_is_outdated(tmp_path: Path) -> None:
    member = Member(tmp_path)
    member.check("3e8.d")
    member.check("3e8.11", "No")
    assert member.cib.version[0] == 10
    member.check("3e8.16")
    assert member.cib.version[0] == 20


def test_until_it_is_done_it_is_done_again_and_what_the_engine_knows_stays(tmp_path: Path) -> None:
    """Pacemaker has quorum only after Corosync."""
    member = Member(tmp_path)
    member.cib.quorum(False)
    for _ in range(2):
        with pytest.raises(PacemakerError):
            member.check("3e8.d")
        assert quorum_since.read(member.path) == 1010
    member.cib.quorum(True)
    assert member.check("3e8.d") == 1010
    assert member.cib.version[0] == 10


def test_where_nobody_says_it_nobody_knows(tmp_path: Path) -> None:
    assert quorum_since.read(tmp_path / "none") is None
    for text in ("", "{}", "[]", '{"since": "x"}'):
        (tmp_path / "half").write_text(text, encoding="utf-8")
        assert quorum_since.read(tmp_path / "half") is None
