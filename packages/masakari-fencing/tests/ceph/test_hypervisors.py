"""Which clients of Ceph are a hypervisor's."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from fencing_ceph import MONITOR, NODE, nodes, storage
from masakari_fencing.ceph import hypervisors
from masakari_fencing.ceph.hypervisors import UnknownError


def known(**recorded: str) -> dict[str, hypervisors.Hypervisor]:
    text = f"<cib><configuration>{nodes(**recorded)}</configuration></cib>"
    return hypervisors.recorded(ET.fromstring(text))  # noqa: S314


def test_all_its_own_addresses_are_shut_out() -> None:
    others = storage("10.77.4.13", addresses=["10.77.4.13", "10.77.3.13", "192.168.122.1"])
    found, addresses = hypervisors.clients(known(node2=storage(), node3=others), NODE, [MONITOR])
    assert found.images
    assert found.boot == "boot-1"
    # libvirt's bridge has the same address everywhere, and is nobody's way to Ceph.
    assert addresses == ["10.77.3.12", "10.77.4.12"]


@pytest.mark.parametrize(
    ("recorded", "why"),
    [
        ({}, "not known"),
        ({"node2": "nonsense"}, "not known"),
        ({"node2": storage(addresses=["node2.maas"])}, "not known"),
        ({"node2": storage(addresses=[])}, "not known"),
        ({"node2": storage(monitors=[])}, "not known"),
        ({"node2": storage(monitors=["10.99.0.1"])}, "another Ceph"),
        ({"node2": storage(sources=[])}, "no way"),
        ({"node2": storage(), "node3": storage()}, "node3.maas has its address 10.77.4.12"),
        (
            {"node2": storage(), "node3": storage("10.77.4.13", addresses=["10.77.4.12"])},
            "node3.maas has its address",
        ),
    ],
)
def test_what_is_not_certain_is_refused(recorded: dict[str, str], why: str) -> None:
    with pytest.raises(UnknownError, match=why):
        hypervisors.clients(known(**recorded), NODE, [MONITOR])
