"""A host is not fenced on request whose member of the cluster is needed for its quorum."""

from __future__ import annotations

import dataclasses

import pytest
from fencing_cib import Cib
from fencing_proof import HOST, LISTED, NOW, Bench, dead, returned
from lxml import etree
from masakari_fencing.records.recoveries import Records
from masakari_fencing.records.recovery import Record

OTHER = "Node2.maas"
CARRIERS = {HOST: "1", "juju-1-lxd-0": "1/lxd/0", OTHER: "2", "juju-2-lxd-0": "2/lxd/0"}


class Carrying(Bench):
    """A host that is to be fenced again, whose machine carries a member."""

    others: object = None
    """Says whether another recovery keeps the other one off that carries a member."""

    def kept(self) -> str:
        if not callable(self.others) or not self.others():
            return ""
        cib = Cib()
        Records(cib).create(Record(OTHER.lower(), "n2", "unit-1.12345678.18.900", held=True))
        return "".join(etree.tostring(found, encoding="unicode") for found in cib.root[0][0])


def carrying(*gone: str, members: int = 3) -> Carrying:
    """Return such a host, in a cluster of which members are gone."""
    bench = returned(instances=LISTED)
    bench.__class__ = Carrying
    assert isinstance(bench, Carrying)
    bench.cluster.members = bench.cluster.members[:members]
    bench.cluster.gone = gone
    bench.cluster.fence = lambda node: bench.gets_fenced() or 0
    nodes = "".join(
        f'<node uname="{name}"><instance_attributes><nvpair name="juju-machine" '
        f'value="{machine}"/></instance_attributes></node>'
        for name, machine in CARRIERS.items()
    )
    cib = f"<cib><configuration><crm_config>{{}}</crm_config><nodes>{nodes}</nodes>"
    cib += "</configuration></cib>"
    bench.cluster.runner.on("cibadmin --query", lambda argv: cib.format(bench.kept()))
    bench.cluster.runner.on("cibadmin --query --xpath //node_state", bench.cluster.node_state)
    bench.cluster.runner.on("cibadmin --query --xpath //lrm_resource", bench.cluster.operations)
    return bench


def test_another_member_is_gone_already() -> None:
    bench = carrying("juju-3-lxd-0")
    assert "without juju-1-lxd-0 on its machine there is no quorum" in bench.refusal()
    assert bench.fenced_by_us == 0
    assert bench.held == [], "nothing is to be switched on"


def test_it_is_fenced_once_the_other_is_back() -> None:
    bench = carrying("juju-3-lxd-0")
    bench.clock.after(20, lambda: setattr(bench.cluster, "gone", ()))
    assert "fenced on request" in bench.how()
    assert bench.fenced_by_us == 1


@pytest.mark.parametrize(
    ("gone", "members"),
    [((), 3), (("juju-1-lxd-0",), 3), ((), 2)],
    ids=["all are there", "its own is gone", "one of two is enough"],
)
def test_where_the_others_are_enough_it_is_fenced(gone: tuple[str, ...], members: int) -> None:
    bench = carrying(*gone, members=members)
    bench.ensure()
    assert bench.fenced_by_us == 1


def test_another_is_kept_off_that_carries_the_next() -> None:
    """Corosync may not have noticed yet."""
    bench = carrying()
    bench.others = lambda: True
    assert "there is no quorum" in bench.refusal()
    assert bench.fenced_by_us == 0
    assert bench.held == []


def test_of_two_at_the_same_time_none_is_kept_off_before_the_other_was_seen() -> None:
    bench = carrying()
    bench.others = lambda: bench.held and bench.clock.now < NOW + 20
    assert "fenced on request" in bench.how()
    assert [held for held, _ in bench.held[:2]] == [True, False]
    assert bench.held[-1] == (True, 0)
    assert bench.fenced_by_us == 1


def test_time_in_which_the_engine_stood_still_is_none_that_was_waited() -> None:
    bench = Bench(**dead())
    bench.clock.after(30, lambda: setattr(bench.clock, "now", NOW + 430))
    bench.clock.after(440, bench.gets_fenced)
    assert "fenced at" in bench.how()


def test_one_that_was_to_be_kept_off_and_is_on_is_in_no_other_s_way() -> None:
    """Whoever had no quorum has switched both on; each waits for the other, and holds nothing."""
    bench = carrying()
    bench.record = dataclasses.replace(bench.record, held=True)
    bench.others = lambda: True
    assert "there is no quorum" in bench.refusal()
    assert bench.held[0] == (False, 0)
