"""Hosts that were switched off for their recovery."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fencing_cib import Cib
from fencing_fakes import Cluster, Remote
from lxml import etree
from masakari_fencing.notifier.watchers.held_hosts import ALONE, OUTDATED, PAUSE, HeldHosts
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records import disarmed
from masakari_fencing.records.disarmed import CLOUD, Disarmed
from masakari_fencing.records.recoveries import Records
from masakari_fencing.records.recovery import (
    FAILED,
    FRUITLESS,
    NOTHING,
    RECOVERED,
    REFUSED,
    End,
    Proof,
    Record,
)

NODES = ("node1.maas", "Node2.maas")
MACHINES = {"node1.maas": "1", "juju-1-lxd-0": "1/lxd/0", "Node2.maas": "2"}


class Bench:
    """Two hosts that are off, each for a recovery."""

    def __init__(self) -> None:
        self.cluster = Cluster([Remote(node) for node in NODES], dc="juju-1-lxd-0")
        self.cluster.runner.on("stonith_admin --unfence", self._switch_on)
        self.cib = Cib()
        self.cib.others = lambda argv: self.answer(argv)
        self.store = Records(self.cib)
        self.broken: set[str] = set()
        self.now = 1000.0
        self.held = HeldHosts(self.cib, clock=lambda: self.now)

    def add(self, node: str, outcome: str | None, **changes: object) -> None:
        end = End(outcome, "", 60.0) if outcome else None
        record = Record(node.lower(), "n1", "", proof=Proof(1.0, "", node), held=True, end=end)
        assert self.store.create(replace(record, **changes))  # type: ignore[arg-type]

    def answer(self, argv: list[str]) -> str | int:
        found = self.cluster.runner.run(argv, check=False)
        return found.returncode or found.stdout

    def _switch_on(self, argv: list[str]) -> str | int:
        return 1 if argv[2] in self.broken else ""

    def switched_on(self) -> list[str]:
        return [argv[2] for argv in self.cluster.runner.ran("stonith_admin --unfence")]


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    ("outcome", "changes", "ends"),
    [
        (None, {}, False),
        (RECOVERED, {}, True),
        (NOTHING, {}, True),
        (REFUSED, {}, True),
        (FAILED, {}, False),
        (FAILED, {"returned": True}, True),
        (FAILED, {"fruitless": FRUITLESS}, True),
        (RECOVERED, {"held": False}, False),
    ],
)
def test_which_are_switched_on(
    bench: Bench, outcome: str | None, changes: dict[str, object], ends: bool
) -> None:
    bench.add("node1.maas", outcome, **changes)
    assert bench.held.check() == (["node1.maas"] if ends else [])
    assert bench.switched_on() == (["node1.maas"] if ends else [])
    bench.held.check()
    assert len(bench.switched_on()) == ends, "once"


def test_one_that_cannot_be_switched_on_keeps_no_other_off_and_is_tried_again(
    bench: Bench,
) -> None:
    for node in NODES:
        bench.add(node, RECOVERED)
    bench.broken = {"node1.maas"}
    with pytest.raises(PacemakerError):
        bench.held.check()
    assert bench.held.check() == [], "not at once"
    bench.now += PAUSE
    bench.broken = set()
    assert bench.held.check() == ["node1.maas"]
    assert bench.switched_on() == ["node1.maas", "Node2.maas", "node1.maas"]


def test_only_the_controller_does_it(bench: Bench) -> None:
    bench.add("node1.maas", RECOVERED)
    bench.cluster.dc = "juju-2-lxd-0"
    assert bench.held.check() == []
    bench.cluster.dc, bench.cluster.quorum = "juju-1-lxd-0", False
    assert bench.held.check() == []
    assert bench.switched_on() == []


def without_quorum(bench: Bench) -> None:
    """One of the two hosts that are off carries a member of the cluster."""
    for node in NODES:
        bench.add(node, None)
    nodes = bench.cib.root.find("configuration/nodes")
    for name, machine in MACHINES.items():
        pair = f'<nvpair id="m" name="juju-machine" value="{machine}"/>'
        text = f"<instance_attributes>{pair}</instance_attributes>"
        nodes.append(etree.fromstring(f'<node uname="{name}">{text}</node>'))
    bench.cluster.quorum, bench.cluster.dc = False, "juju-3-lxd-0"
    assert bench.held.check() == [], "the cluster may be about to have it again"


def test_without_quorum_one_that_carries_a_member_is_switched_on_by_whoever_is_left(
    bench: Bench,
) -> None:
    without_quorum(bench)
    bench.now += ALONE
    assert bench.held.check() == ["node1.maas"]
    assert bench.held.check() == [], "once"
    assert bench.switched_on() == ["node1.maas"]
    record = bench.store.read("node1.maas")
    assert record is not None
    assert record.held, "who is without quorum changes nothing"


def test_without_quorum_it_is_tried_until_it_is_done(bench: Bench) -> None:
    without_quorum(bench)
    bench.now += ALONE
    bench.broken = {"node1.maas"}
    with pytest.raises(PacemakerError):
        bench.held.check()
    bench.now += PAUSE
    bench.broken = set()
    assert bench.held.check() == ["node1.maas"]


def test_the_time_without_quorum_begins_anew(bench: Bench) -> None:
    without_quorum(bench)
    bench.now += ALONE - 1
    bench.cluster.quorum = True
    assert bench.held.check() == []
    bench.cluster.quorum = False
    bench.now += 2
    assert bench.held.check() == []
    assert bench.switched_on() == []


def test_what_was_so_in_an_earlier_loss_of_the_quorum_is_forgotten(bench: Bench) -> None:
    """Its end is told by the others' records, too, which may all be gone by the next look."""
    without_quorum(bench)
    bench.now += ALONE
    assert bench.held.check() == ["node1.maas"]
    sets = bench.cib.root.findall("configuration/crm_config/cluster_property_set")
    for found in sets:
        found.getparent().remove(found)
    bench.cluster.quorum = True
    assert bench.held.check() == []
    bench.now += 86400
    for found in sets:
        bench.cib.root.find("configuration/crm_config").append(found)
    bench.cluster.quorum = False
    assert bench.held.check() == [], "the time begins anew"
    bench.now += ALONE
    assert bench.held.check() == ["node1.maas"], "and it may be needed again"


def test_after_long_nobody_acts_on_what_is_of_another_time(bench: Bench) -> None:
    without_quorum(bench)
    bench.now += OUTDATED
    assert bench.held.check() == []


def test_one_that_its_operator_works_on_stays_off(bench: Bench) -> None:
    without_quorum(bench)
    disarmed.disarm(bench.cib, Disarmed(CLOUD, "", (), 0.0, 4e9, "work"))
    bench.now += ALONE
    assert bench.held.check() == []


def test_it_is_asked_for_by_the_name_that_the_cluster_has() -> None:
    """A record that has no proof any more says the host in lower case, which is another node."""
    bench = Bench()
    bench.cluster.remotes = [Remote("Node1.maas")]
    bench.add("Node1.maas", RECOVERED, proof=None)
    assert bench.held.check() == ["node1.maas"]
    assert bench.switched_on() == ["Node1.maas"]
