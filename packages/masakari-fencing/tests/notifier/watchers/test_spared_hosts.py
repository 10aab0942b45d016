"""Lost hypervisors whose fencing was objected to are taken back when they answer again."""

from __future__ import annotations

import itertools
import threading

import pytest
from fencing_fakes import CONFIGURATION, Cluster, Remote
from masakari_fencing.notifier.watchers.spared_hosts import PAUSE, PAUSE_MAX, SparedHosts
from masakari_fencing.notifier.watchers.stopped_remotes import RANK_DELAY
from masakari_fencing.pacemaker import cibadmin, tools


class Bench:
    """Three hypervisors, the first of which is lost, and what the others say."""

    def __init__(self) -> None:
        remotes = [Remote(f"node{n}") for n in (1, 2, 3)]
        remotes[0].unclean, remotes[0].online = True, False
        self.cluster = Cluster(remotes)
        runner = self.cluster.runner
        runner.on(CONFIGURATION, lambda argv: self._configuration())
        self.asks = True
        self.off = ""
        self.objection: str | None = "it still answers"
        self.answering = {"ip-node1"}
        self.rank: int | None = 0
        self.readmitted: list[list[str]] = []
        self.connects = True
        self.now = 0.0
        self.reprieve = SparedHosts(
            runner,
            lambda: cibadmin.configuration(runner),
            lambda node: self.rank,
            objection=self._objection,
            reachable=lambda address, port: address in self.answering,
            readmit=self._readmit,
            clock=lambda: self.now,
        )

    def _configuration(self) -> str:
        asks = "true" if self.asks else "false"
        guard = (
            '<primitive id="guard" type="fence_masakari_guard"><instance_attributes>'
            f'<nvpair name="matrix" value="{asks}"/></instance_attributes></primitive>'
        )
        primitives = "".join(
            f'<primitive id="node{n}" type="remote"><instance_attributes>'
            f'<nvpair name="server" value="ip-node{n}"/></instance_attributes></primitive>'
            for n in (1, 2, 3)
        )
        off = f'<nvpair name="masakari-fencing-disabled" value="{self.off}"/>'
        off = f'<cluster_property_set id="masakari-fencing-unserved">{off}</cluster_property_set>'
        return (
            f"<configuration><crm_config>{off}</crm_config>"
            f"<resources>{guard}{primitives}</resources></configuration>"
        )

    def _objection(self, addresses: list[str], host: str) -> str | None:
        assert addresses == ["ip-node2", "ip-node3"] and host == "node1"
        return self.objection

    def _readmit(self, runner: object, *, only: list[str]) -> list[str]:
        self.readmitted.append(only)
        return only if self.connects else []


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_host_that_answers_again_is_taken_back(bench: Bench) -> None:
    assert bench.reprieve.check() == ["node1"]
    assert bench.readmitted == [["node1"]]


def test_a_host_that_is_still_cut_off_waits(bench: Bench) -> None:
    bench.answering.clear()
    assert bench.reprieve.check() == []


def test_a_host_that_is_to_be_fenced_is_left_to_pacemaker(bench: Bench) -> None:
    bench.objection = None
    assert bench.reprieve.check() == []
    assert not bench.readmitted


def test_healthy_hosts_are_left_alone(bench: Bench) -> None:
    bench.cluster.remotes[0].unclean = False
    assert bench.reprieve.check() == []


def test_without_a_matrix_the_cluster_is_not_even_looked_at(bench: Bench) -> None:
    bench.asks = False
    assert bench.reprieve.check() == []
    assert not bench.cluster.runner.ran("crm_mon")


def test_the_members_take_turns(bench: Bench) -> None:
    bench.rank = 1
    assert bench.reprieve.check() == []
    bench.now = RANK_DELAY
    assert bench.reprieve.check() == ["node1"]


def test_the_turn_begins_anew_when_the_host_was_gone_meanwhile(bench: Bench) -> None:
    bench.rank = 1
    bench.reprieve.check()
    bench.answering.clear()
    bench.reprieve.check()
    bench.answering.add("ip-node1")
    bench.now = RANK_DELAY
    assert bench.reprieve.check() == []


def test_who_has_no_turn_does_nothing(bench: Bench) -> None:
    bench.rank = None
    assert bench.reprieve.check() == []


def test_a_cluster_that_does_not_answer_is_an_error(bench: Bench) -> None:
    bench.cluster.runner.on("cibadmin", 102)
    with pytest.raises(tools.PacemakerError):
        bench.reprieve.check()


def test_one_that_is_taken_back_in_vain_is_left_alone_for_longer_and_longer(bench: Bench) -> None:
    """It accepts connections and never answers: its tries must not follow each other."""
    bench.connects = False
    tries = []
    while bench.now < 4 * 3600:
        bench.readmitted.clear()
        bench.reprieve.check()
        if bench.readmitted:
            tries.append(bench.now)
        bench.now += 3
    gaps = [after - before for before, after in itertools.pairwise(tries)]
    assert gaps[0] >= PAUSE
    assert gaps == sorted(gaps)
    assert max(gaps) <= PAUSE_MAX + 3
    bench.connects, bench.now = True, bench.now + PAUSE_MAX
    assert bench.reprieve.check() == ["node1"]


def test_a_pause_ends_with_the_loss(bench: Bench) -> None:
    bench.connects = False
    bench.reprieve.check()
    bench.cluster.remotes[0].unclean = False
    bench.reprieve.check()
    bench.cluster.remotes[0].unclean, bench.connects = True, True
    assert bench.reprieve.check() == ["node1"]


def test_several_are_tried_side_by_side(bench: Bench) -> None:
    for remote in bench.cluster.remotes:
        remote.unclean = True
    together = threading.Barrier(3, timeout=30)

    def wait(*_: object) -> str:
        together.wait()
        return "it still answers"

    bench.reprieve.reachable = lambda address, port: bool(wait())
    bench.reprieve.objection = wait
    assert bench.reprieve.check() == ["node1", "node2", "node3"]


@pytest.mark.parametrize("asks", [True, False])
def test_one_that_masakari_does_not_look_after_is_taken_back(bench: Bench, asks: bool) -> None:
    """It was not fenced, and would be, healthy again, as soon as its segment is enabled."""
    bench.asks, bench.off, bench.objection = asks, "node1", None
    assert bench.reprieve.check() == ["node1"]


def test_where_no_matrix_is_in_use_the_others_are_fenced(bench: Bench) -> None:
    bench.asks, bench.off = False, "node2"
    assert bench.reprieve.check() == []
