"""Which hypervisors failed while they were disarmed, and which of them are back."""

from __future__ import annotations

import pytest
from fencing_cib import Cib
from fencing_fakes import Cluster, Remote
from masakari_fencing.notifier.watchers.left_hosts import LOST, LeftHosts
from masakari_fencing.pacemaker import cibadmin
from masakari_fencing.records import disarmed
from masakari_fencing.records.disarmed import CLOUD, Disarmed, Left

NOW = 2_000_000.0
ONE, TWO = "node1.maas", "node2.maas"
AWAY = {"online": False, "role": "Stopped", "failed": True}


class Bench:
    """Two hypervisors, and the cluster's controller."""

    def __init__(self) -> None:
        self.one = Remote(ONE)
        self.cluster = Cluster([self.one, Remote(TWO)], dc="juju-1-lxd-0")
        self.cib = Cib()
        self.cib.others = self._others
        self.cib.fenced(ONE, 0)
        self.now, self.skew = NOW, 0.0
        self.watcher = LeftHosts(
            self.cib,
            lambda: cibadmin.configuration(self.cib),
            clock=lambda: self.now + self.skew,
            timer=lambda: self.now,
        )

    def _others(self, argv: list[str]) -> str | int:
        answer = self.cluster.runner.run(argv)
        return answer.stdout if answer.returncode == 0 else answer.returncode

    def disarm(self, *hosts: str) -> None:
        scope = "seg" if hosts else CLOUD
        disarmed.disarm(self.cib, Disarmed(scope, "", hosts, NOW, NOW + 600, "work"))

    def lose(self, **changes: object) -> None:
        vars(self.one).update({**AWAY, **changes})

    @property
    def left(self) -> list[Left]:
        return disarmed.left(disarmed.read(self.cib))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_where_nothing_is_disarmed_the_cluster_is_not_even_looked_at(bench: Bench) -> None:
    bench.lose(unclean=True)
    assert bench.watcher.check() == []
    assert not [call for call in bench.cib.calls if call[0] == "crm_mon"]


def test_a_lost_host_is_written_down_once(bench: Bench) -> None:
    bench.disarm()
    assert bench.watcher.check() == []
    bench.lose(unclean=True)
    assert bench.watcher.check() == [ONE]
    bench.now += 30
    assert bench.watcher.check() == []
    assert bench.left == [Left(ONE, NOW)]


def test_one_of_another_segment_is_not(bench: Bench) -> None:
    bench.disarm(TWO)
    bench.lose(unclean=True)
    assert bench.watcher.check() == []


def test_one_that_is_lost_when_it_is_over_is_not(bench: Bench) -> None:
    bench.disarm()
    bench.lose(unclean=True)
    bench.now += 600
    assert bench.watcher.check() == []


@pytest.mark.parametrize("skew", [0.0, -300.0])
def test_one_that_pacemaker_forgot_is_after_a_while(bench: Bench, skew: float) -> None:
    """By a clock that nobody sets."""
    bench.disarm()
    bench.lose()
    assert bench.watcher.check() == []
    bench.now += LOST
    bench.skew = skew
    assert bench.watcher.check() == [ONE]


@pytest.mark.parametrize("how", ["fenced", "stopped", "connecting"])
def test_one_that_was_off_before_or_is_on_purpose_is_not(bench: Bench, how: str) -> None:
    bench.disarm()
    bench.lose(**({"managed": False} if how == "stopped" else {}))
    if how == "fenced":
        bench.cib.fenced(ONE, NOW - 3600)
    bench.watcher.check()
    if how == "connecting":
        vars(bench.one).update(vars(Remote(ONE)))
        bench.watcher.check()
        bench.lose()
    bench.now += LOST
    assert bench.watcher.check() == []


def test_one_that_is_back_is_marked_when_it_is_over_too(bench: Bench) -> None:
    bench.disarm()
    bench.lose(unclean=True)
    bench.watcher.check()
    bench.now += 3600
    assert bench.watcher.check() == []
    vars(bench.one).update(vars(Remote(ONE)))
    assert bench.watcher.check() == [ONE]
    assert bench.left == [Left(ONE, NOW, NOW + 3600)]
    assert bench.watcher.check() == []


def test_a_connection_is_no_return_of_one_that_was_only_reported(bench: Bench) -> None:
    bench.disarm()
    disarmed.leave(bench.cib, disarmed.read(bench.cib), Left(ONE, NOW, reported=True))
    assert bench.watcher.check() == []
    bench.lose(unclean=True)
    assert bench.watcher.check() == [ONE]
    assert bench.left == [Left(ONE, NOW)]


def test_only_the_controller_writes(bench: Bench) -> None:
    bench.disarm()
    bench.lose(unclean=True)
    bench.cluster.dc = "juju-2-lxd-0"
    assert bench.watcher.check() == []
