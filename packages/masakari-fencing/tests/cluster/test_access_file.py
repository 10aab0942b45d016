"""The cluster's configuration begins and ends to name the file with the key to MAAS."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET

import pytest
from fencing_cib import ELECTED, Cib
from masakari_fencing.cluster import desired
from masakari_fencing.cluster.desired import Desired
from masakari_fencing.maas import access
from masakari_fencing.pacemaker.fencing_limit import FencingLimit

FILE = "/etc/masakari-fencing/maas.json"
KEY = "consumer:token:s3cret"
TEXT = f"""<cib have-quorum="1" dc-uuid="1"><configuration><crm_config>{ELECTED}</crm_config>
  <nodes>
  <node id="1" uname="juju-0"/><node id="2" uname="juju-1"/></nodes><resources>
  <primitive id="st-maas" class="stonith" type="external/maas"><instance_attributes id="st-ia">
    <nvpair id="st-k" name="apikey" value="{KEY}"/>
    <nvpair id="st-h" name="hostnames" value="node1.maas"/></instance_attributes></primitive>
  <primitive id="node1.maas" class="ocf" provider="pacemaker" type="remote">
    <instance_attributes id="n-ia"/></primitive>
  </resources><constraints/><fencing-topology/></configuration><status/></cib>"""
MON = """<pacemaker-result api-version="2.25"><summary>
  <current_dc present="true" version="2.1.5-a3f44794f94" name="juju-0" with_quorum="true"/>
  <cluster_options stonith-enabled="true" maintenance-mode="false"/></summary><nodes/>
  <resources/><status code="0"/></pacemaker-result>"""
OWN = "masakari-fencing-guard-st-maas"
WITHOUT = Desired(limit=FencingLimit(), separate_machines=False)
EVERYWHERE = dataclasses.replace(WITHOUT, access_file=FILE)
NOT_YET = dataclasses.replace(EVERYWHERE, access_everywhere=False)


class World:
    """A cluster that is configured."""

    def __init__(self) -> None:
        self.cib = Cib(TEXT)
        self.cib.others = lambda argv: MON if argv[0] == "crm_mon" else ""

    def apply(self, wanted: Desired) -> list[str]:
        return desired.apply(self.cib, wanted)

    @property
    def files(self) -> set[str]:
        return access.used(ET.fromstring(self.cib.text))  # noqa: S314 - ours

    @property
    def places(self) -> set[str]:
        return {found.get("node") for found in self.cib.root.xpath(f"//*[@rsc='{OWN}']")}


@pytest.fixture
def world() -> World:
    found = World()
    found.apply(WITHOUT)
    return found


def test_the_file_is_named_once_all_have_it(world: World) -> None:
    assert world.apply(NOT_YET) == [], "they go on with the key of the device"
    assert world.files == set()
    world.apply(EVERYWHERE)
    assert world.files == {FILE}
    assert world.apply(EVERYWHERE) == []


def test_a_member_that_is_new_is_not_asked_to_fence_before_it_has_the_file(world: World) -> None:
    world.apply(EVERYWHERE)
    node = world.cib.root.find("configuration/nodes")
    node.append(node.makeelement("node", {"id": "3", "uname": "juju-2"}))
    world.apply(NOT_YET)
    assert world.files == {FILE}, "the others go on with the file"
    assert world.places == {"juju-0", "juju-1"}
    world.apply(EVERYWHERE)
    assert world.places == {"juju-0", "juju-1", "juju-2"}


def test_the_key_of_the_device_is_used_again(world: World) -> None:
    world.apply(EVERYWHERE)
    world.apply(WITHOUT)
    assert world.files == set()
    assert world.places == {"juju-0", "juju-1"}
    assert world.apply(WITHOUT) == []


def test_an_older_charm_leaves_the_name_where_it_is(world: World) -> None:
    """Its agent does not know it, and takes the device's key."""
    world.apply(EVERYWHERE)
    world.apply(dataclasses.replace(WITHOUT, programs=False))
    assert world.files == {FILE}


def test_the_key_is_written_nowhere(world: World) -> None:
    for wanted in (EVERYWHERE, NOT_YET, WITHOUT):
        world.apply(wanted)
    assert "s3cret" not in f"{world.cib.calls}"
    assert world.cib.text.count("s3cret") == 1, "hacluster's own"
