"""A cloud with room in it, for the tests of planned work."""

from __future__ import annotations

from typing import TypeVar

import pytest

import fakecloud
from fakedrills import DrilledCloud
from fakerooms import Clock, RoomyCloud

Made = TypeVar("Made", bound=RoomyCloud)


@pytest.fixture
def cloud(_server: fakecloud.Server) -> RoomyCloud:
    """Three hypervisors in a segment."""
    return _with_segment(_server, RoomyCloud)


@pytest.fixture
def drilled(_server: fakecloud.Server) -> DrilledCloud:
    """The same, where hosts fail and Masakari recovers them."""
    return _with_segment(_server, DrilledCloud)


@pytest.fixture
def clock(cloud: RoomyCloud) -> Clock:
    return Clock(cloud)


def _with_segment(server: fakecloud.Server, kind: type[Made]) -> Made:
    server.cloud = made = kind(url=server.cloud.url)
    for number in (1, 2, 3):
        made.add_hypervisor(f"node{number}.maas")
    made.add_segment("rack1", "node1.maas", "node2.maas", "node3.maas")
    return made
