"""A cloud with room in it, for the tests of what is looked at beforehand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import fakecloud
from fakerooms import RoomyCloud
from preflight import survey
from preflight.capacity import Survival, survivals
from preflight.rehearsal import Rules


@pytest.fixture
def cloud(_server: fakecloud.Server) -> RoomyCloud:
    """Three hypervisors, in no segment."""
    _server.cloud = made = RoomyCloud(url=_server.cloud.url)
    for number in (1, 2, 3):
        made.add_hypervisor(f"node{number}.maas")
    return made


@pytest.fixture
def stands(cloud: RoomyCloud) -> Callable[..., Survival]:
    """What the one segment stands."""

    def look(most: int = 3, **rules: object) -> Survival:
        there = survey.take(fakecloud.connect(cloud))
        [found] = survivals(there, Rules(**rules), most)  # type: ignore[arg-type]
        return found

    return look
