"""Hypervisors that answer again are taken back: lost ones that have been running, fenced ones."""

from __future__ import annotations

import itertools
import threading

import pytest
from fencing_ceph import cut_off
from fencing_fakes import CONFIGURATION, Cluster, Remote
from masakari_fencing.notifier.watchers.spared_hosts import (
    PAUSE,
    PAUSE_MAX,
    UPTIME_MARGIN,
    SparedHosts,
)
from masakari_fencing.notifier.watchers.stopped_remotes import RANK_DELAY
from masakari_fencing.openstack.rest import ApiError
from masakari_fencing.pacemaker import cibadmin, crm_mon, tools

NOW, LOST = 2_000_000.0, 1_999_940.0


class Bench:
    """Three hypervisors, the first of which was lost a minute ago, and what Nova says of it."""

    def __init__(self) -> None:
        remotes = [Remote(f"node{n}") for n in (1, 2, 3)]
        remotes[0].unclean, remotes[0].online, remotes[0].start_failed = True, False, LOST
        self.cluster = Cluster(remotes)
        runner = self.cluster.runner
        runner.on(CONFIGURATION, lambda argv: self._configuration())
        self.off = self.extra = ""
        self.uptime: float | None = 86400.0
        self.answering = {"ip-node1"}
        self.rank: int | None = 0
        self.readmitted: list[list[str]] = []
        self.connects = True
        self.seen: dict[str, float] = {}
        self.now = 0.0
        self.reprieve = SparedHosts(
            runner,
            lambda: cibadmin.configuration(runner),
            lambda: crm_mon.status(runner),
            lambda node: self.rank,
            self.seen,
            self._up_for,
            reachable=lambda address, port: address in self.answering,
            readmit=self._readmit,
            clock=lambda: self.now,
            now=lambda: NOW,
        )

    def _configuration(self) -> str:
        primitives = "".join(
            f'<primitive id="node{n}" type="remote"><instance_attributes>'
            f'<nvpair name="server" value="ip-node{n}"/></instance_attributes></primitive>'
            for n in (1, 2, 3)
        )
        off = f'<nvpair name="masakari-fencing-disabled" value="{self.off}"/>'
        off = f'<cluster_property_set id="masakari-fencing-unserved">{off}</cluster_property_set>'
        return (
            f"<configuration><crm_config>{off}{self.extra}</crm_config>"
            f"<resources>{primitives}</resources></configuration>"
        )

    def _up_for(self, host: str) -> float:
        if self.uptime is None:
            raise ApiError("no endpoint")
        return self.uptime

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


@pytest.mark.parametrize("uptime", [0.0, 30.0, NOW - LOST + UPTIME_MARGIN, None])
def test_a_host_that_may_have_been_started_anew_is_left_to_pacemaker(
    bench: Bench, uptime: float | None
) -> None:
    bench.uptime = uptime
    assert bench.reprieve.check() == []
    assert not bench.readmitted
    assert bench.reprieve.spares("node1") is (uptime is None), "nothing could be recovered"


def test_where_nobody_knows_when_it_was_lost_it_is_left_to_pacemaker(bench: Bench) -> None:
    bench.cluster.remotes[0].start_failed = 0
    assert bench.reprieve.check() == []
    assert not bench.reprieve.spares("node1")


def test_an_attempt_to_connect_to_it_again_is_not_when_it_was_lost(bench: Bench) -> None:
    """It was started anew five minutes ago, and lost a minute before that."""
    bench.uptime = 300.0
    assert bench.reprieve.spares("node1"), "as far as the last failure says"
    bench.seen["node1"] = NOW - 360
    assert bench.reprieve.check() == []
    assert not bench.reprieve.spares("node1")


def test_whoever_can_choose_spares_what_is_taken_back(bench: Bench) -> None:
    assert bench.reprieve.spares("node1")
    bench.answering.clear()
    assert not bench.reprieve.spares("node1")


@pytest.mark.parametrize("entry", ["disarmed-cloud", "left-node1"])
def test_one_that_was_disarmed_is_taken_back_however_long_it_is_up(
    bench: Bench, entry: str
) -> None:
    """An entry that cannot be read counts until somebody takes it away."""
    bench.uptime = 0.0
    bench.extra = f'<nvpair name="masakari-fencing-{entry}" value="?"/>'
    assert bench.reprieve.check() == ["node1"]


def test_healthy_hosts_are_left_alone(bench: Bench) -> None:
    bench.cluster.remotes[0].unclean = False
    assert bench.reprieve.check() == []


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
        remote.unclean, remote.start_failed = True, LOST
    together = threading.Barrier(3, timeout=30)
    bench.reprieve.reachable = lambda address, port: together.wait() >= 0
    assert bench.reprieve.check() == ["node1", "node2", "node3"]


def test_one_that_masakari_does_not_look_after_is_taken_back(bench: Bench) -> None:
    """It was not fenced, and would be, healthy again, as soon as its segment is enabled."""
    bench.uptime, bench.off = None, "node1"
    assert bench.reprieve.check() == ["node1"]
    bench.off = "node2"
    assert bench.reprieve.check() == []


def test_one_that_is_cut_off_from_its_storage_is_never_taken_back() -> None:
    """Its instances have lost their disks, and run elsewhere before long."""
    bench = Bench()
    assert bench.reprieve.spares("node1")
    bench.extra = cut_off("node1")
    assert not bench.reprieve.spares("node1")
    assert bench.reprieve.check() == []
    assert bench.readmitted == []


CLEANUP = "crm_resource --resource node1 --cleanup"


@pytest.fixture
def fenced(bench: Bench) -> Bench:
    """The first has booted after its fence, and Pacemaker will not try it for a while."""
    remote = bench.cluster.remotes[0]
    remote.unclean, remote.role, remote.failed = False, "Stopped", True
    remote.fenced = NOW - 30
    bench.cluster.runner.on("crm_resource", "")
    return bench


def connected(bench: Bench) -> int:
    """Return how often Pacemaker was told to connect to it by one look."""
    before = len(bench.cluster.runner.ran("crm_resource"))
    bench.reprieve.check()
    found = bench.cluster.runner.ran("crm_resource")[before:]
    assert all(argv == CLEANUP.split() for argv in found)
    return len(found)


def test_one_that_was_fenced_is_connected_to_as_soon_as_it_answers(fenced: Bench) -> None:
    fenced.answering.clear()
    assert connected(fenced) == 0
    fenced.answering.add("ip-node1")
    assert connected(fenced) == 1
    assert fenced.readmitted == [], "it is taken back by nobody, only watched"


def change(bench: Bench, **values: object) -> None:
    vars(bench.cluster.remotes[0]).update(values)


@pytest.mark.parametrize(
    "values",
    [
        {"fenced": 0},
        {"managed": False},
        {"target_role": "Stopped"},
        {"role": "Starting"},
        {"role": "Started", "online": True, "failed": False},
        {"events": [("off", "pending", None)], "requester": "stonith_admin.7@juju-2-lxd-0"},
    ],
    ids=["never fenced", "unmanaged", "stopped", "tried already", "connected", "being fenced"],
)
def test_no_other_connection_is_touched(fenced: Bench, values: dict[str, object]) -> None:
    change(fenced, **values)
    assert connected(fenced) == 0


def test_one_that_answers_and_cannot_be_connected_to_is_tried_ever_less_often(
    fenced: Bench,
) -> None:
    tries = []
    while fenced.now < 4 * PAUSE_MAX:
        tries += [fenced.now] * connected(fenced)
        fenced.now += 3
    gaps = [after - before for before, after in itertools.pairwise(tries)]
    assert gaps[0] >= PAUSE
    assert gaps == sorted(gaps)
    change(fenced, role="Started")
    connected(fenced)
    change(fenced, role="Stopped")
    assert connected(fenced) == 1, "the next fence is another one"


def test_the_members_take_turns_with_a_fenced_one_too(fenced: Bench) -> None:
    fenced.rank = 1
    assert connected(fenced) == 0
    fenced.now = RANK_DELAY
    assert connected(fenced) == 1


def test_one_that_cannot_be_told_about_is_tried_again(fenced: Bench) -> None:
    fenced.cluster.runner.on("crm_resource", 102)
    with pytest.raises(tools.PacemakerError):
        fenced.reprieve.check()
    fenced.cluster.runner.on("crm_resource", "")
    assert connected(fenced) == 1
