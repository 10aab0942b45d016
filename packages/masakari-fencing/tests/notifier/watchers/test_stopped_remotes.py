"""Hypervisors whose daemon was stopped cleanly come back by themselves, and only they."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from fencing_fakes import CONFIGURATION, Cluster, Remote
from masakari_fencing.notifier.watchers import stopped_remotes
from masakari_fencing.notifier.watchers.stopped_remotes import StoppedRemotes
from masakari_fencing.pacemaker import cibadmin
from masakari_fencing.pacemaker.tools import PacemakerError

HOST = "node1.maas"
STOPPED: dict[str, Any] = {"online": False, "managed": False, "role": "Stopped"}


class Bench:
    def __init__(self, mark: str | None = "k3y", managed: str = "false", **changes: Any) -> None:
        self.cluster = Cluster([Remote(HOST, **{**STOPPED, **changes})])
        self.mark, self.managed = mark, managed
        self.now, self.rank, self.up = 0.0, 0, True
        self.tried: list[tuple[str, int]] = []
        runner = self.cluster.runner
        runner.on(CONFIGURATION, lambda argv: self._configuration())
        runner.on("crm_resource", "")
        self.readmission = StoppedRemotes(
            runner,
            lambda: cibadmin.configuration(runner),
            lambda node: self.rank,
            key=lambda: "k3y",
            reachable=self._reachable,
            clock=lambda: self.now,
        )

    def _reachable(self, address: str, port: int) -> bool:
        self.tried.append((address, port))
        return self.up

    def _configuration(self) -> str:
        mark = f'<nvpair name="instance-ha-guard" value="{self.mark}"/>' if self.mark else ""
        return (
            f'<configuration><resources><primitive id="{HOST}" type="remote">'
            '<instance_attributes id="a"><nvpair name="server" value="10.0.0.1"/>'
            "</instance_attributes>"
            f'<meta_attributes id="m"><nvpair name="is-managed" value="{self.managed}"/>'
            f"{mark}</meta_attributes></primitive></resources></configuration>"
        )

    def changes(self) -> list[str]:
        return [" ".join(call[3:]) for call in self.cluster.runner.ran("crm_resource")]


def test_a_daemon_that_answers_again_is_taken_back() -> None:
    bench = Bench()
    assert bench.readmission.check() == [HOST]
    assert bench.changes() == [
        "--cleanup",
        "--meta --delete-parameter is-managed",
        "--meta --delete-parameter instance-ha-guard",
    ]
    assert set(bench.tried) == {("10.0.0.1", 3121)}


def test_nothing_marked_costs_one_command() -> None:
    bench = Bench(mark=None)
    assert bench.readmission.check() == []
    assert len(bench.cluster.runner.calls) == 1


@pytest.mark.parametrize(
    "case",
    [
        {"managed": "true"},
        {"mark": "0ther"},
        {"online": True},
        {"role": "Started"},
    ],
)
def test_what_must_be_left_alone(case: dict[str, Any]) -> None:
    bench = Bench(**case)
    assert bench.readmission.check() == []
    assert bench.changes() == []
    assert bench.tried == []


def test_a_connection_that_ended_in_the_middle_of_a_monitor_is_cleaned_up_first() -> None:
    bench = Bench(role="Started", failed=True)
    assert bench.readmission.check() == []
    assert bench.changes() == ["--cleanup"], "and it stays out of Pacemaker's hands"
    vars(bench.cluster.remotes[0]).update(role="Stopped", failed=False)
    assert bench.readmission.check() == [HOST]


def test_a_daemon_that_does_not_answer_is_left_alone() -> None:
    bench = Bench()
    bench.up = False
    assert bench.readmission.check() == []
    assert bench.changes() == []


def test_a_daemon_that_goes_again_while_the_cluster_cleans_up_is_left_alone() -> None:
    bench = Bench()

    def clean_up(argv: list[str]) -> str:
        bench.up = False
        return ""

    bench.cluster.runner.on("crm_resource", clean_up)
    assert bench.readmission.check() == []
    assert bench.changes() == ["--cleanup"]


def test_an_operators_own_unmanaged_connection_is_left_alone() -> None:
    bench = Bench(mark=None)
    bench.readmission.check()
    assert bench.changes() == []


def test_the_second_member_leaves_it_to_the_first_for_a_while() -> None:
    bench = Bench()
    bench.rank = 1
    assert bench.readmission.check() == []
    bench.now = stopped_remotes.RANK_DELAY + 0.1
    assert bench.readmission.check() == [HOST]


def test_the_second_member_counts_anew_when_the_daemon_went_away_again() -> None:
    bench = Bench()
    bench.rank = 1
    bench.readmission.check()
    bench.up, bench.now = False, 5.0
    bench.readmission.check()
    bench.up, bench.now = True, 7.0
    assert bench.readmission.check() == []


def test_an_obstacle_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(mark="0ther")
    with caplog.at_level("INFO"):
        for _ in range(3):
            bench.readmission.check()
    assert caplog.text.count("another key") == 1


def test_a_cluster_that_refuses_is_an_error() -> None:
    bench = Bench()
    bench.cluster.runner.on("crm_resource", 1)
    with pytest.raises(PacemakerError):
        bench.readmission.check()


def test_the_fingerprint_of_a_key(tmp_path: Path) -> None:
    key = tmp_path / "authkey"
    key.write_bytes(b"\x00\xff")
    assert stopped_remotes.fingerprint(key) == hashlib.sha256(b"\x00\xff").hexdigest()[:16]
