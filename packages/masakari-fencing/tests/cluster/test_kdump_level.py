"""The level before all others, which waits for the word of a hypervisor that panics."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from masakari_fencing.cluster import topology
from masakari_fencing.pacemaker.fencing_limit import FencingLimit

CIB = """<cib><configuration><resources>
  <primitive id="st-maas" class="stonith" type="external/maas"><instance_attributes>
    <nvpair name="hostnames" value="node1.maas node2.maas"/></instance_attributes></primitive>
  <primitive id="st-ipmi" class="stonith" type="fence_ipmilan"><instance_attributes>
    <nvpair name="pcmk_host_list" value="node1.maas"/></instance_attributes></primitive>
  </resources></configuration></cib>"""
OWN = "p-guard-by-kdump"


def elements(kdump: int) -> dict[str, ET.Element]:
    cib = ET.fromstring(CIB)  # noqa: S314 - ours
    remotes = ["node1.maas", "node2.maas", "node3.maas"]
    found = topology.elements(cib, "p-", FencingLimit(), remotes, ["m1"], kdump=kdump)
    return {element.get("id", ""): element for _, element in found}


def levels(found: dict[str, ET.Element], node: str) -> list[str]:
    own = [e for e in found.values() if e.tag == "fencing-level" and e.get("target") == node]
    return [e.get("devices", "") for e in sorted(own, key=lambda e: int(e.get("index", "0")))]


def test_it_comes_first_and_the_others_as_before() -> None:
    found, before = elements(20), elements(0)
    for node in ("node1.maas", "node2.maas"):
        assert levels(found, node) == [OWN, *levels(before, node)]
    assert levels(found, "node3.maas") == [], "without power its word is not waited for"
    assert OWN not in before


def test_it_keeps_the_guard_and_has_the_time_and_switches_nothing() -> None:
    values = {pair.get("name"): pair.get("value") for pair in elements(20)[OWN].iter("nvpair")}
    assert values["kdump"] == "20"
    assert values["max_hosts"] == "2"
    assert values["pcmk_host_list"] == "node1.maas node2.maas"
    assert values["pcmk_reboot_timeout"] == f"{topology.TIMEOUT + 20}s"
    assert (values["pcmk_off_retries"], values["pcmk_reboot_retries"]) == ("1", "1")
    assert not {"device", "storage"} & values.keys()
