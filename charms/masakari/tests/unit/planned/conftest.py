"""A cloud with room in it, for the tests of planned work."""

from __future__ import annotations

import pytest

import fakecloud
from fakerooms import RoomyCloud


@pytest.fixture
def cloud(_server: fakecloud.Server) -> RoomyCloud:
    """Three hypervisors in a segment."""
    _server.cloud = made = RoomyCloud(url=_server.cloud.url)
    for number in (1, 2, 3):
        made.add_hypervisor(f"node{number}.maas")
    made.add_segment("rack1", "node1.maas", "node2.maas", "node3.maas")
    return made
