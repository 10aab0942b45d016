"""Recoveries that an engine took up and never began are handed back to Masakari."""

from __future__ import annotations

import dataclasses
import sys

import pytest
from fencing_fakes import CONFIGURATION, Cluster
from masakari_fencing import giveup
from masakari_fencing.api import Host, Notification
from masakari_fencing.pacemaker import PacemakerError
from masakari_fencing.strays import OTHERS_PATIENCE, PATIENCE, Strays

OWN = "juju-1-lxd-0"


class Bench:
    """The controller's member, Masakari's running recoveries, and the turns that were taken."""

    def __init__(self) -> None:
        self.cluster = Cluster(dc=OWN)
        self.begun: list[Notification] = []
        self.turns: dict[str, str] = {}
        self.asked = 0
        self.now = 100.0
        runner = self.cluster.runner
        runner.on(CONFIGURATION, lambda argv: self._configuration())
        runner.on(f"{sys.executable} -m masakari_fencing.giveup", "")
        self.strays = Strays(runner, self, clock=lambda: self.now)

    def running(self) -> list[Notification]:
        self.asked += 1
        return self.begun

    def hosts(self) -> list[Host]:
        return [Host(f"uuid-{n}", "segment", f"Node{n}.maas", True) for n in (1, 2)]

    def run(self, uuid: str, host: str = "uuid-1", kind: str = "COMPUTE_HOST") -> None:
        self.begun.append(Notification(kind, "STOPPED", "running", 0, 0, uuid, host))

    def _configuration(self) -> str:
        groups = ""
        for host, holder in self.turns.items():
            name = f"masakari-fencing-recovery-{host}"
            groups += (
                f'<cluster_property_set id="{name}"><nvpair id="{name}-by" value="{holder}"/>'
                f'<nvpair id="{name}-engine" value="{OWN}.b.1.2"/></cluster_property_set>'
            )
        return f"<configuration><crm_config>{groups}</crm_config></configuration>"

    def look_twice(self) -> list[str]:
        assert self.strays.look() == [], "an engine may just be about to begin it"
        self.now += PATIENCE
        return self.strays.look()

    def given_up(self) -> list[str]:
        return [call[-1] for call in self.cluster.runner.ran(f"{sys.executable} -m")]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_recovery_that_was_never_begun_is_handed_back(bench: Bench) -> None:
    bench.run("n1")
    assert bench.look_twice() == ["n1"]
    assert bench.given_up() == ["n1"]
    assert giveup.__name__ in bench.cluster.runner.calls[-1]
    assert bench.strays.look() == [], "the next engine has as much time as the first"


def test_one_that_goes_on_is_left_alone(bench: Bench) -> None:
    bench.run("n1")
    bench.turns["node1.maas"] = "n1"
    assert bench.look_twice() == []


def test_one_that_waits_for_another_of_the_same_host_is_left_alone(bench: Bench) -> None:
    bench.run("n1")
    bench.run("n2")
    bench.turns["node1.maas"] = "n1"
    assert bench.look_twice() == []


@pytest.mark.parametrize("turns", [{"node2.maas": "n1"}, {"node1.maas": "finished"}])
def test_the_turn_of_another_host_or_of_a_recovery_that_has_ended_is_no_excuse(
    bench: Bench, turns: dict[str, str]
) -> None:
    bench.run("n1", "uuid-2")
    bench.run("n2")
    bench.turns = turns
    assert "n2" in bench.look_twice()


def test_without_turns_no_recovery_of_a_host_is_taken_for_lost(bench: Bench) -> None:
    """Masakari's own workflow takes none, and waits: a second one would run beside it."""
    bench.strays.turns = False
    bench.run("n1")
    bench.run("n2", kind="VM")
    assert bench.look_twice() == []
    bench.now += OTHERS_PATIENCE
    assert bench.strays.look() == ["n2"]


@pytest.mark.parametrize("kind", ["VM", "PROCESS"])
def test_a_guests_recovery_is_handed_back_when_it_takes_longer_than_any(
    bench: Bench, kind: str
) -> None:
    bench.run("n1", kind=kind)
    assert bench.look_twice() == []
    bench.now += OTHERS_PATIENCE - PATIENCE - 1
    assert bench.strays.look() == []
    bench.now += 1
    assert bench.strays.look() == ["n1"]


def test_one_that_was_taken_up_anew_has_its_time_again(bench: Bench) -> None:
    """By another unit that has handed it back."""
    bench.run("n1")
    bench.strays.look()
    bench.begun[0] = dataclasses.replace(bench.begun[0], updated=7.0)
    bench.now += PATIENCE
    assert bench.look_twice() == ["n1"]


def test_one_that_begins_in_time_counts_anew_when_it_ends(bench: Bench) -> None:
    bench.run("n1")
    bench.strays.look()
    bench.turns["node1.maas"] = "n1"
    bench.now += PATIENCE
    assert bench.strays.look() == []
    bench.turns.clear()
    assert bench.strays.look() == []


@pytest.mark.parametrize("state", ["another member", "no quorum"])
def test_only_the_controller_of_the_whole_cluster_looks(bench: Bench, state: str) -> None:
    bench.run("n1")
    if state == "no quorum":
        bench.cluster.quorum = False
    else:
        bench.cluster.dc = "juju-2-lxd-0"
    assert bench.look_twice() == []
    assert bench.asked == 0


def test_nothing_running_costs_no_look_at_the_configuration(bench: Bench) -> None:
    bench.strays.look()
    assert not bench.cluster.runner.ran("cibadmin")


def test_one_that_cannot_be_handed_back_is_tried_again(bench: Bench) -> None:
    bench.run("n1")
    bench.strays.look()
    bench.now += PATIENCE
    bench.cluster.runner.on(f"{sys.executable} -m masakari_fencing.giveup", 1)
    for _ in range(2):
        with pytest.raises(PacemakerError):
            bench.strays.look()
    assert bench.given_up() == ["n1", "n1"]
