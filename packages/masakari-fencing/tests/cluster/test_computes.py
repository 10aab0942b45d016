"""What hypervisors have recorded about their own Nova."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from xml.sax.saxutils import quoteattr

import pytest
from masakari_fencing.cluster import computes
from masakari_fencing.cluster.computes import Compute

WHOLE = {"resumes": "/etc/nova/nova.conf", "disks": "xfs", "sharing": ["a", "b"]}


def cib(text: str) -> ET.Element:
    pair = f'<nvpair id="p" name="{computes.ATTRIBUTE}" value={quoteattr(text)}/>'
    attributes = f'<instance_attributes id="i">{pair}</instance_attributes>'
    nodes = f'<nodes><node id="a" uname="a">{attributes}</node><node id="b" uname="b"/></nodes>'
    text = f"<cib><configuration>{nodes}</configuration></cib>"
    return ET.fromstring(text)  # noqa: S314 - ours


def test_what_is_recorded() -> None:
    said = Compute("/etc/nova/nova.conf", "xfs", frozenset({"a", "b"}))
    assert computes.recorded(cib(json.dumps(WHOLE))) == {"a": said}


@pytest.mark.parametrize(
    "text", ["", "[", "[]", "1", "{}", json.dumps({**WHOLE, "sharing": 1}), "[" * 100_000]
)
def test_what_nobody_can_read(text: str) -> None:
    assert computes.recorded(cib(text)) == {}
