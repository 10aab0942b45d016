"""What is known of one node is the same when it is looked for in all that is known."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from masakari_fencing.pacemaker import cibadmin, fenceable, properties

NAMES = ("node1", "node2", "node3", "node4", "node5")
CIB = ET.fromstring(  # noqa: S314 - our own
    "<cib><configuration><crm_config>"
    '<cluster_property_set id="masakari-fencing-unserved">'
    '<nvpair name="masakari-fencing-no-segment" value="node4"/></cluster_property_set>'
    '<cluster_property_set id="another"/></crm_config><nodes>'
    + "".join(
        f'<node id="{name}" uname="{name}"><instance_attributes id="{name}">'
        f'<nvpair name="juju-machine" value="1"/></instance_attributes></node>'
        for name in NAMES
        if name != "node2"
    )
    + "</nodes></configuration><status>"
    '<node_state uname="juju-1"><lrm><lrm_resources><lrm_resource id="node5">'
    '<lrm_rsc_op operation="monitor" interval="1000"/></lrm_resource></lrm_resources></lrm>'
    "</node_state>"
    + "".join(
        f'<node_state uname="{name}" remote_node="true"{fenced}/>'
        for name, fenced in (
            *((one, ' node_fenced="0"') for one in ("node1", "node2", "node4")),
            ("node5", ""),
        )
    )
    + "</status></cib>"
)


@pytest.mark.parametrize("name", NAMES)
def test_each_is_judged_alike_by_its_own_part(name: str) -> None:
    own = cibadmin.of_each(CIB, NAMES, {properties.UNSERVED})[name]
    assert fenceable.obstacle(own, name) == fenceable.obstacle(CIB, name)
    assert properties.reason(own, name) == properties.reason(CIB, name)


def test_the_parts_differ() -> None:
    found = {name: fenceable.obstacle(CIB, name) for name in NAMES}
    assert [name for name, text in found.items() if text is None] == ["node1", "node5"]
    assert len(set(found.values())) == 4


def test_a_part_has_the_properties_that_were_asked_for() -> None:
    own = cibadmin.of_each(CIB, ["node1"], {"another"})["node1"]
    assert [one.get("id") for one in own.iter("cluster_property_set")] == ["another"]
