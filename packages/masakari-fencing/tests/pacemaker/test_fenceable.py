"""Has the cluster been connected to a hypervisor since it began?"""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from masakari_fencing.pacemaker import fenceable, tools

NODE = "node1.maas"

PROBED = 'operation="monitor" interval="0" rc-code="7" op-status="0"'
PENDING = 'operation="start" interval="0" rc-code="193" op-status="-1"'
NOT_MADE = 'operation="start" interval="0" rc-code="1" op-status="2"'
MADE = 'operation="start" interval="0" rc-code="0" op-status="0"'
MOVED = 'operation="migrate_from" interval="0" rc-code="0" op-status="0"'
WATCHED = 'operation="monitor" interval="1000" rc-code="0" op-status="0"'
SILENT = 'operation="monitor" interval="1000" rc-code="1" op-status="2"'
STOPPED = 'operation="stop" interval="0" rc-code="0" op-status="0"'

REWRITTEN = 'in_ccm="true" crm-debug-origin="do_state_transition"'
"""What members write who come together again (2.1.5)."""


def cib(state: str | None, *operations: str, node: str = NODE, remote: str = "true") -> ET.Element:
    """A member's history of the connection, and the state of the remote node, if any."""
    status = ET.Element("status")
    member = ET.SubElement(status, "node_state", id="1001", uname="member")
    history = ET.SubElement(ET.SubElement(member, "lrm"), "lrm_resources")
    resource = ET.SubElement(history, "lrm_resource", id=node, type="remote")
    resource.extend(tools.parse(f"<lrm_rsc_op {operation}/>") for operation in operations)
    if state is not None:
        named = f'remote_node="{remote}" id="{NODE}" uname="{NODE}"'
        status.append(tools.parse(f"<node_state {named} {state}/>"))
    root = ET.Element("cib")
    root.append(status)
    return root


@pytest.mark.parametrize("fenced", ["0", "1796014652"])
def test_pacemaker_has_noted_it(fenced: str) -> None:
    assert fenceable.connected_once(cib(f'node_fenced="{fenced}"', PROBED), NODE)


@pytest.mark.parametrize("operations", [(MADE, WATCHED), (MOVED,), (WATCHED,), (STOPPED, SILENT)])
def test_pacemakers_note_is_lost_as_members_come_together(operations: tuple[str, ...]) -> None:
    assert fenceable.connected_once(cib(REWRITTEN, *operations), NODE)


@pytest.mark.parametrize("operations", [(), (PROBED,), (PENDING,), (NOT_MADE,), (STOPPED,)])
def test_one_that_was_never_connected(operations: tuple[str, ...]) -> None:
    assert not fenceable.connected_once(cib('in_ccm="false"', *operations), NODE)


def test_one_that_the_cluster_was_told_to_forget() -> None:
    """Its connection is there, and Pacemaker would fence it as one that it has never seen."""
    assert not fenceable.connected_once(cib(None, MADE, WATCHED), NODE)


def test_the_history_of_another() -> None:
    assert not fenceable.connected_once(cib(REWRITTEN, MADE, node="node2.maas"), NODE)
    assert not fenceable.connected_once(cib(REWRITTEN, MADE, remote="false"), NODE)
