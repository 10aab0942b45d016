"""Engines that have died in the middle of a recovery are struck out of its record."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest
from fencing_cib import Cib
from fencing_fakes import Cluster
from lxml import etree
from masakari_fencing.notifier.watchers import dead_engines
from masakari_fencing.notifier.watchers.dead_engines import DeadEngines
from masakari_fencing.pacemaker import cibadmin, tools
from masakari_fencing.records.recoveries import Records
from masakari_fencing.records.recovery import FAILED, End, Record

HERE = "juju-1-lxd-0"
HOST = "node1.maas"
GONE = "juju-9-lxd-0"


class Bench:
    """One member's look at a cluster in which engines carry recoveries out."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cluster = Cluster(dc=HERE)
        self.cib = Cib()
        self.cib.others = lambda argv: self.cluster.runner.run(argv).stdout
        self.living: set[str] = set()
        self.now = 0.0
        monkeypatch.setattr(socket, "gethostname", lambda: HERE)
        self.store = Records(self.cib)
        self.dead = DeadEngines(
            self.cib,
            lambda: cibadmin.configuration(self.cib),
            lives=self._lives,
            clock=lambda: self.now,
        )

    def _lives(self, identity: str) -> bool | None:
        return identity in self.living if identity.startswith(f"{HERE}.") else None

    def have(self, engine: str, host: str = HOST, end: End | None = None) -> Record:
        record = Record(host, f"of-{host}", engine, end=end)
        assert self.store.create(record)
        return record

    def engine(self, host: str = HOST) -> str:
        record = self.store.read(host)
        assert record is not None
        return record.engine

    def look_at(self, now: float) -> list[str]:
        self.now = now
        return self.dead.check()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_an_engine_that_lives_is_left_alone(bench: Bench) -> None:
    bench.have(f"{HERE}.b.1.2")
    bench.living = {f"{HERE}.b.1.2"}
    for now in (0.0, 100.0):
        assert bench.look_at(now) == []
    assert bench.engine() == f"{HERE}.b.1.2"


def test_one_that_was_restarted_is_struck_out_and_nothing_else_is_changed(bench: Bench) -> None:
    record = bench.have(f"{HERE}.b.1.2")
    bench.have(f"{HERE}.b.1.9", "node2.maas")
    bench.living = {f"{HERE}.b.1.9"}
    assert bench.dead.check() == [HOST]
    assert bench.store.read(HOST) == replace(record, engine="", token=2)
    assert bench.dead.check() == []


def test_its_own_machine_need_not_be_the_controller(bench: Bench) -> None:
    bench.have(f"{HERE}.b.1.2")
    bench.cluster.dc = "juju-2-lxd-0"
    assert bench.dead.check() == [HOST]


def test_the_next_one_that_dies_is_struck_out_as_well(bench: Bench) -> None:
    record = bench.have(f"{HERE}.b.1.2")
    assert bench.dead.check() == [HOST]
    bench.store.write(replace(record, engine="", token=2), replace(record, engine=f"{HERE}.b.5.6"))
    assert bench.dead.check() == [HOST]


def test_a_recovery_that_has_ended_needs_no_engine(bench: Bench) -> None:
    bench.have(f"{HERE}.b.1.2", end=End(FAILED, "", 1.0))
    assert bench.dead.check() == []
    assert bench.engine() == f"{HERE}.b.1.2"


def test_one_that_was_taken_meanwhile_is_not_struck_out(bench: Bench) -> None:
    """By an engine that has seen the death of the other one itself."""
    record = bench.have(f"{HERE}.b.1.2")
    stale = cibadmin.configuration(bench.cib)
    bench.store.write(record, replace(record, engine=f"{HERE}.b.5.6"))
    bench.dead.configuration = lambda: stale
    assert bench.dead.check() == []
    assert bench.engine() == f"{HERE}.b.5.6"


def test_that_keeps_no_other_from_being_struck_out(bench: Bench) -> None:
    record = bench.have(f"{HERE}.b.1.2")
    bench.have(f"{HERE}.b.1.3", "node2.maas")
    stale = cibadmin.configuration(bench.cib)
    bench.store.write(record, replace(record, engine=f"{HERE}.b.5.6"))
    bench.dead.configuration = lambda: stale
    assert bench.dead.check() == ["node2.maas"]


def test_a_cluster_that_does_not_answer_is_asked_again(bench: Bench) -> None:
    bench.have(f"{HERE}.b.1.2")
    bench.cib.fail = lambda argv: 124 if "--modify" in argv else 0
    with pytest.raises(tools.PacemakerError):
        bench.dead.check()
    bench.cib.fail = lambda argv: 0
    assert bench.dead.check() == [HOST]


def test_the_recovery_of_a_machine_that_is_gone_is_free_after_a_while(bench: Bench) -> None:
    bench.have(f"{GONE}.b.1.2")
    assert bench.look_at(0) == []
    assert bench.look_at(dead_engines.GRACE - 1) == []
    assert bench.look_at(dead_engines.GRACE) == [HOST]


def test_only_the_controller_judges_about_other_machines(bench: Bench) -> None:
    bench.have(f"{GONE}.b.1.2")
    bench.cluster.dc = "juju-2-lxd-0"
    assert bench.look_at(0) == []
    assert bench.look_at(100) == []
    bench.cluster.dc = HERE
    assert bench.look_at(101) == [HOST], "it was seen to be gone for long enough"


def test_a_machine_that_is_back_in_time_keeps_its_recovery(bench: Bench) -> None:
    bench.have("juju-3-lxd-0.maas.b.1.2")
    both = (HERE, "juju-2-lxd-0")
    bench.cluster.members = both
    assert bench.look_at(0) == []
    bench.cluster.members = (*both, "juju-3-lxd-0")
    assert bench.look_at(15) == []
    bench.cluster.members = both
    assert bench.look_at(30) == [], "the time counts anew"
    assert bench.look_at(30 + dead_engines.GRACE) == [HOST]


def test_a_member_that_is_offline_is_gone(bench: Bench) -> None:
    bench.have("juju-3-lxd-0.b.1.2")
    assert [bench.look_at(now) for now in (0, 100)] == [[], []], "it lives as far as is known"
    bench.cluster.gone = ("juju-3-lxd-0",)
    bench.look_at(200)
    assert bench.look_at(200 + dead_engines.GRACE) == [HOST]


def test_without_quorum_nobody_is_known_to_be_gone(bench: Bench) -> None:
    bench.have(f"{GONE}.b.1.2")
    bench.cluster.quorum = False
    for now in (0.0, 100.0):
        assert bench.look_at(now) == []
    bench.cluster.quorum = True
    assert bench.look_at(101) == [], "the time without it does not count"


def carried(cib: Cib, machines: dict[str, str]) -> None:
    """Record which Juju machine carries each node, as the charms do."""
    for name, machine in machines.items():
        node = etree.SubElement(cib.root.find("configuration/nodes"), "node", id=name, uname=name)
        attributes = etree.SubElement(node, "instance_attributes", id=f"{name}-a")
        etree.SubElement(attributes, "nvpair", id=f"{name}-m", name="juju-machine", value=machine)


@pytest.mark.parametrize(
    ("fenced", "machine", "struck"),
    [(1_795_233_223, "3", True), (0, "3", False), (1_795_233_223, "4", False)],
    ids=["with it", "back already", "another machine"],
)
def test_an_engine_that_was_fenced_with_its_machine_is_not_waited_for(
    bench: Bench, fenced: float, machine: str, struck: bool
) -> None:
    bench.have(f"{GONE}.maas.b.1.2")
    carried(bench.cib, {GONE: "3/lxd/0", HOST: machine})
    bench.cib.fenced(HOST, fenced)
    assert bench.look_at(0) == ([HOST] if struck else [])


def test_a_machine_of_which_nothing_is_recorded_is_waited_for(bench: Bench) -> None:
    bench.have(f"{GONE}.b.1.2")
    carried(bench.cib, {HOST: "3"})
    bench.cib.fenced(HOST, 1_795_233_223)
    assert bench.look_at(0) == []


def test_nothing_recovered_costs_one_command(bench: Bench) -> None:
    assert bench.dead.check() == []
    assert len(bench.cib.calls) == 1
    bench.have(f"{GONE}.b.1.2", end=End(FAILED, "", 1.0))
    bench.cib.calls.clear()
    bench.dead.check()
    assert len(bench.cib.calls) == 1


def test_the_engine_of_an_older_release_is_struck_out_too(bench: Bench) -> None:
    name = f"masakari-fencing-recovery-{HOST}"
    text = (
        f'<cluster_property_set id="{name}"><nvpair id="{name}-by" name="{name}" value="n1"/>'
        f'<nvpair id="{name}-engine" name="{name}-engine" value="{HERE}.b.1.2"/>'
        "</cluster_property_set>"
    )
    bench.cib.add(text)
    assert bench.dead.check() == [HOST]
    assert bench.store.read(HOST) == Record(HOST, "n1", "", token=1)
