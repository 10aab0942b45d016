"""Lost hypervisors are taken back into the cluster, unfenced."""

from __future__ import annotations

import threading

import pytest
from fencing_rack import NOW, Rack
from masakari_fencing.pacemaker import properties, readmission, remote_nodes
from masakari_fencing.pacemaker.remote_nodes import PROBES
from masakari_fencing.pacemaker.tools import PacemakerError


class Repair(Rack):
    """A rack whose network is repaired, and a cluster that connects after a cleanup."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[float] = []
        self.slowness = 0.0
        runner = self.cluster.runner
        runner.on("crm_resource --resource", self._cleanup)
        runner.on("cibadmin --modify", self._hold)

    def _hold(self, argv: list[str]) -> str | int:
        answer = self._cibadmin(argv)
        self.held.append(*set(self.properties.values()))
        return answer

    @property
    def holds(self) -> set[str]:
        return {name.removeprefix(properties.HOLD) for name in self.properties}

    def _cleanup(self, argv: list[str]) -> str:
        remote = self.cluster.remote(argv[2])
        assert remote is not None
        assert self.properties[f"{properties.HOLD}{argv[2]}"] > self.now
        assert self.check(argv[2]) == "spared: it is being readmitted"
        remote.unclean, remote.online = False, remote.name not in self.silent
        self.now += self.slowness
        return ""

    def readmit(self, only: list[str] | None = None, but: list[str] | None = None) -> list[str]:
        return readmission.readmit(
            self.cluster.runner,
            only=only,
            but=but or (),
            reachable=self.reachable,
            clock=lambda: self.now,
            sleep=lambda seconds: setattr(self, "now", self.now + seconds),
        )


def test_hosts_that_answer_again_are_readmitted_unfenced() -> None:
    rack = Repair()
    rack.lose("node1", "node2", "node3")
    rack.silent = {"node3"}
    assert rack.readmit() == ["node1", "node2"]
    assert [call[2] for call in rack.cluster.runner.ran("crm_resource")] == ["node1", "node2"]
    assert rack.held == [NOW + readmission.HOLD_TIME]
    assert rack.holds == set()


def test_a_hold_belongs_to_a_host() -> None:
    """One that is taken back in vain keeps no other from being fenced."""
    rack = Repair()
    rack.lose("node1", "node2")
    rack.silent = {"node2"}
    verdicts: list[str | None] = []

    def cleanup(argv: list[str]) -> str:
        verdicts.extend(rack.check(name) for name in ("node1", "node2"))
        return ""

    rack.cluster.runner.on("crm_resource --resource node1", cleanup)
    assert rack.readmit(["node1"]) == []
    assert verdicts == ["spared: it is being readmitted", None]


def test_the_last_of_many_that_answer_are_not_fenced_because_the_others_are_back() -> None:
    """A switch died and is back; which of the hosts had been running is known of some first."""
    rack = Repair()
    rack.lose("node1", "node2", "node3", "node4")
    rack.silent = {"node4"}
    assert "4 of" in str(rack.check("node1"))
    assert rack.readmit(["node2", "node3"]) == ["node2", "node3"]
    assert rack.check("node1") == "spared: it is being readmitted"
    assert rack.check("node4") is None, "it is dead"
    # As soon as that is known of it, too, or else when the time is over.
    assert rack.readmit(["node1"]) == ["node1"]
    assert rack.holds == set()


def test_who_is_not_taken_back_in_time_is_fenced() -> None:
    rack = Repair()
    rack.lose("node1", "node2", "node3")
    rack.silent.clear()
    assert rack.readmit(["node2", "node3"]) == ["node2", "node3"]
    rack.now += readmission.HOLD_TIME + 1
    assert rack.check("node1") is None


def test_the_operator_readmits_what_comes_back_and_holds_the_rest() -> None:
    """The network comes back for one after the other; the last are no dead hosts."""
    rack = Repair()
    rack.lose("node1", "node2")
    rack.silent = {"node2"}
    rack.cluster.runner.on("crm_resource --resource", 1)
    before = rack.properties.copy()
    rack.cluster.runner.on("cibadmin --delete", "")
    with pytest.raises(PacemakerError):
        rack.readmit()
    assert before == {}
    assert rack.holds == {"node1", "node2"}


def test_hypervisors_are_tried_side_by_side() -> None:
    rack = Rack(PROBES)
    together = threading.Barrier(PROBES, timeout=30)

    def reachable(address: str, port: int) -> bool:
        together.wait()
        return True

    names = [remote.name for remote in rack.cluster.remotes]
    assert remote_nodes.answering({}, names, reachable) == names


def test_nothing_is_fenced_before_the_last_of_many_hosts_is_back() -> None:
    rack = Repair()
    rack.lose("node1", "node2", "node3")
    rack.silent.clear()
    rack.slowness = readmission.HOLD_TIME / 2 + 5
    assert rack.readmit() == ["node1", "node2", "node3"]
    assert rack.now > NOW + readmission.HOLD_TIME
    assert rack.holds == set()


def test_a_host_that_does_not_connect_ends_the_hold_in_time() -> None:
    rack = Repair()
    rack.lose("node1", "node2", "node3")
    rack.silent.clear()
    rack.cluster.runner.on("crm_resource --resource node2", "")
    assert rack.readmit() == ["node1", "node3"]
    assert rack.now < rack.held[0]
    assert rack.holds == set()


def test_nothing_to_readmit_changes_nothing() -> None:
    rack = Repair()
    rack.lose("node1", "node2")
    assert rack.readmit() == []
    assert rack.held == []


def test_a_cleanup_that_fails_ends_the_hold() -> None:
    rack = Repair()
    rack.lose("node1")
    rack.silent.clear()
    rack.cluster.runner.on("crm_resource --resource", 1)
    with pytest.raises(PacemakerError):
        rack.readmit()
    assert rack.holds == set()


def test_only_some_are_readmitted() -> None:
    rack = Rack(3)
    rack.lose("node1", "node2")
    rack.silent.clear()
    found = readmission.readmit(
        rack.cluster.runner, only=["node3"], reachable=rack.reachable, clock=lambda: NOW
    )
    assert found == [], "a host that is not lost needs no readmission"
    assert not rack.cluster.runner.ran("crm_resource")


def test_some_have_to_be_fenced_whatever_answers() -> None:
    repair = Repair()
    repair.lose("node1", "node2")
    repair.silent.clear()
    assert repair.readmit(but=["node1"]) == ["node2"]
    remote = repair.cluster.remote("node1")
    assert remote is not None
    assert remote.unclean
