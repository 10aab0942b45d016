"""The votes that Corosync expects, next to the members of its configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from fencing_fakes import FakeRunner
from masakari_fencing.cluster.votes import Votes, count

CONF = """totem {
    version: 2
}
nodelist {
    node {
        ring0_addr: 10.0.0.1
        nodeid: 1000
    }
    node {
        ring0_addr: 10.0.0.2
        nodeid: 1001
    }
    node {
        ring0_addr: 10.0.0.3
        nodeid: 1002
    }
}
"""

TOOL = """Quorum information
------------------
Nodes:            3
Quorate:          Yes

Votequorum information
----------------------
Expected votes:   {}
Highest expected: 4
Total votes:      3
Quorum:           3
"""


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "corosync.conf"
    path.write_text(CONF)
    return path


@pytest.mark.parametrize(("expected", "outdated"), [(4, True), (3, False), (2, False)])
def test_the_votes_that_are_expected(conf: Path, expected: int, outdated: bool) -> None:
    runner = FakeRunner().on("corosync-quorumtool -s", TOOL.format(expected))
    votes = count(runner, conf)
    assert votes == Votes(expected, 3)
    assert votes.outdated is outdated


def test_without_an_answer_nothing_is_claimed(conf: Path) -> None:
    assert count(FakeRunner().on("corosync-quorumtool -s", 1), conf) is None


@pytest.mark.parametrize("text", ["", "quorum {\n    expected_votes: 3\n}\n"])
def test_without_a_list_of_members_corosync_is_not_asked(conf: Path, text: str) -> None:
    conf.write_text(text)
    assert count(FakeRunner(), conf) is None


def test_without_corosync(tmp_path: Path) -> None:
    assert count(FakeRunner(), tmp_path / "none") is None
