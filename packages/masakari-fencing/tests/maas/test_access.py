"""The key to MAAS in a file of root, instead of in the cluster's configuration."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from masakari_fencing.cluster import topology
from masakari_fencing.maas import access
from masakari_fencing.maas.access import Access
from masakari_fencing.pacemaker.fencing_limit import FencingLimit

KEY = "consumer:token:s3cret"
OWN = Access("http://maas/MAAS", KEY)
CIB = """<cib><configuration><resources>
  <primitive id="st-maas" class="stonith" type="external/maas"><instance_attributes>
    <nvpair name="apikey" value="{key}"/>
    <nvpair name="hostnames" value="node1.maas"/></instance_attributes></primitive>
  <primitive id="st-ipmi" class="stonith" type="fence_ipmilan"><instance_attributes>
    <nvpair name="pcmk_host_list" value="node1.maas"/></instance_attributes></primitive>
  {guard}</resources></configuration></cib>"""


def cib(key: str = "none:none:none", file: str = "") -> ET.Element:
    guard = '<primitive id="g" class="stonith" type="fence_masakari_guard"><instance_attributes>'
    guard += f'<nvpair name="access_file" value="{file}"/></instance_attributes></primitive>'
    return ET.fromstring(CIB.format(key=key, guard=guard if file else ""))  # noqa: S314 - ours


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "maas.json"
    path.write_text(json.dumps(OWN.dump()))
    return str(path)


def test_what_is_written_is_read(file: str) -> None:
    assert access.of_file(file) == OWN


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"url": "u"}', '{"url": 1, "key": 2}'])
def test_what_makes_no_sense_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "maas.json"
    path.write_text(text)
    assert access.of_file(path) is None
    assert access.of_file(tmp_path / "missing") is None


def test_neither_the_words_nor_the_fingerprint_hold_the_key() -> None:
    assert "s3cret" not in repr(OWN) + str(OWN) + OWN.fingerprint
    assert re.fullmatch("[0-9a-f]{16}", OWN.fingerprint)
    assert OWN.fingerprint != Access("http://other/MAAS", KEY).fingerprint


def test_the_configuration_names_the_file_alone_and_only_for_maas(file: str) -> None:
    found = topology.elements(
        cib(), "p-", FencingLimit(), ["node1.maas"], ["m1"], access_file=file
    )
    guards = {e.get("id"): e for section, e in found if section == "resources"}
    named = {
        own: [pair.get("value") for pair in guard.iterfind(".//nvpair[@name='access_file']")]
        for own, guard in guards.items()
    }
    assert named == {"p-guard-st-maas": [file], "p-guard-st-ipmi": []}
    assert not any(b"s3cret" in ET.tostring(element) for _, element in found)


def test_that_hacluster_has_the_same_key_is_seen(file: str) -> None:
    assert not access.exposed(cib(KEY)), "without a file it has to be there"
    assert access.exposed(cib(KEY, file))
    assert not access.exposed(cib("none:none:none", file))
