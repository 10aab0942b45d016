"""The limit of each failure domain, beside that of the whole cloud."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fencing_cib import Cib
from fencing_rack import NOW, Rack
from lxml import etree
from masakari_fencing.pacemaker import properties
from masakari_fencing.records import recoveries
from masakari_fencing.records.recovery import FAILED, LONG, End, Proof, Record

EVERYBODY = 10
PROOF = Proof(NOW - 500, "fenced", "node2")


def domain(rack: Rack, *nodes: str, most: int = 1, name: str = "zone a") -> None:
    said = json.dumps({"name": name, "most": most, "nodes": nodes}).replace('"', "&quot;")
    pair = f'<nvpair id="{name}" name="{name}" value="{said}"/>'
    rack.extra += (
        f'<cluster_property_set id="masakari-fencing-domains">{pair}</cluster_property_set>'
    )


def written(record: Record) -> str:
    cib = Cib()
    recoveries.Records(cib).create(record)
    [found] = cib.root.xpath(f"//*[@id='{recoveries.PREFIX}{record.host}']")
    return etree.tostring(found, encoding="unicode")


def recovering(rack: Rack, node: str, **values: Any) -> None:
    record = Record(node, "uuid", "engine", proof=Proof(NOW - 500, "fenced", node), **values)
    rack.extra += written(record)


def test_one_more_of_a_domain_than_its_limit_stops_fencing_there() -> None:
    rack = Rack()
    domain(rack, "node1", "node2", "node3")
    rack.lose("node1", "node2", "node9")
    reason = rack.check("node1", max_hosts=EVERYBODY)
    assert reason is not None
    assert "2 of 3 hypervisors of zone a" in reason
    assert "(node1, node2), the limit there is 1" in reason
    assert rack.check("node9", max_hosts=EVERYBODY) is None, "it is in no domain"


def test_the_first_request_sees_the_whole_extent_of_its_domain_and_asks_nobody_else() -> None:
    rack = Rack()
    domain(rack, "node1", "node2", "node3")
    rack.lose("node1")
    rack.lose("node2", "node9", noticed=False)
    assert rack.check("node1", max_hosts=0) is not None
    assert rack.tried == {"node2", "node3"}


def test_a_domain_that_cannot_exceed_its_limit_asks_nobody() -> None:
    rack = Rack()
    domain(rack, "node1", "node2", most=2)
    rack.lose("node1")
    assert rack.check("node1", max_hosts=0) is None
    assert rack.tried == set()


def test_each_domain_of_a_hypervisor_counts() -> None:
    rack = Rack()
    domain(rack, "node1", "node2", "node3", "node4", most=3)
    domain(rack, "node1", "node4", name="aggregate rack1")
    rack.lose("node1", "node2")
    assert rack.check("node1", max_hosts=EVERYBODY) is None
    rack.lose("node4")
    reason = rack.check("node1", max_hosts=EVERYBODY)
    assert reason is not None
    assert "aggregate rack1" in reason


def test_the_limit_of_the_whole_cloud_goes_on_to_count() -> None:
    rack = Rack()
    domain(rack, "node1", "node2", most=2)
    rack.lose("node1", "node2", "node3")
    assert "3 of 10" in (rack.check("node1") or "")


def test_one_that_is_being_recovered_counts_however_long_that_takes() -> None:
    rack = Rack()
    domain(rack, "node1", "node2", "node3")
    rack.lose("node1")
    recovering(rack, "node2")
    reason = rack.check("node1", max_hosts=EVERYBODY)
    assert reason is not None
    assert "being recovered" in reason


@pytest.mark.parametrize(
    "record",
    [
        Record("node2", "uuid", "engine", proof=PROOF, end=End(FAILED, "no room", NOW)),
        Record("node2", "uuid", "", proof=PROOF),
        Record("node2", "uuid", "engine"),
        Record("node2", "uuid", "engine", proof=Proof(NOW - LONG, "fenced", "node2")),
        Record("node9", "uuid", "engine", proof=Proof(NOW - 500, "fenced", "node9")),
    ],
    ids=["failed", "engine died", "no proof", "for long", "elsewhere"],
)
def test_what_does_not_count_as_being_recovered(record: Record) -> None:
    rack = Rack()
    domain(rack, "node1", "node2", "node3")
    rack.lose("node1")
    rack.extra += written(record)
    assert rack.check("node1", max_hosts=EVERYBODY) is None


def test_one_that_came_back_too_early_is_fenced_again_for_its_own_recovery() -> None:
    """It was let through before; the other one waits for its end."""
    rack = Rack()
    domain(rack, "node1", "node2", "node3")
    rack.lose("node1", "node2")
    recovering(rack, "node1")
    assert rack.check("node1", max_hosts=EVERYBODY) is None
    assert "being recovered" in (rack.check("node2", max_hosts=EVERYBODY) or "")


def test_the_operator_lifts_these_limits_too() -> None:
    rack = Rack()
    domain(rack, "node1", "node2", "node3")
    rack.lose("node1", "node2")
    rack.properties[properties.ALLOW] = NOW + 10
    assert rack.check("node1") is None


@pytest.mark.parametrize("value", ["", "x", "[]", "{}", '{"name":1,"most":"x","nodes":[]}', "3"])
def test_what_cannot_be_read_is_no_domain(value: str) -> None:
    rack = Rack()
    quoted = value.replace('"', "&quot;")
    rack.extra = (
        '<cluster_property_set id="masakari-fencing-domains">'
        f'<nvpair id="d" name="d" value="{quoted}"/></cluster_property_set>'
    )
    rack.lose("node1")
    assert rack.check("node1") is None
