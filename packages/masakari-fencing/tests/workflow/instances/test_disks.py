"""Which instances need not wait for the power of a host that is cut off from Ceph."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest
from fencing_ceph import MONITOR, NODE
from masakari_fencing.records.storage_fences import StorageFence
from masakari_fencing.workflow.instances import disks

FENCE = StorageFence(NODE, 1.0, ("10.77.4.12",), (MONITOR, "fd00::1"), True, "boot-1", 2.0)
LOCAL = dataclasses.replace(FENCE, images=False)
RBD = {"driver_volume_type": "rbd", "hosts": [MONITOR], "name": "volumes/volume-v1"}


def server(**changes: Any) -> SimpleNamespace:
    volumes = [{"id": name} for name in changes.pop("volumes", ())]
    flavor = {"disk": 1, "OS-FLV-EXT-DATA:ephemeral": 0, "swap": 0, **changes.pop("flavor", {})}
    found = {"id": "g1", "image": {"id": "i"}, "flavor": flavor, disks.VOLUMES: volumes}
    return SimpleNamespace(**{**found, **changes})


def outside(what: SimpleNamespace, fence: StorageFence = FENCE, **volumes: Any) -> str | None:
    return disks.outside(what, fence, lambda: volumes)


def test_what_nova_keeps_on_ceph_is_dead() -> None:
    assert outside(server()) is None


def test_what_nova_keeps_on_the_host_waits() -> None:
    assert "keeps some on the host" in (outside(server(), LOCAL) or "")


def test_a_server_that_boots_from_its_volume_has_nothing_on_the_host() -> None:
    assert outside(server(image="", volumes=["v1"]), LOCAL, v1=RBD) is None
    for extra in ({"OS-FLV-EXT-DATA:ephemeral": 1}, {"swap": 512}):
        found = outside(server(image="", volumes=["v1"], flavor=extra), LOCAL, v1=RBD)
        assert "on the host" in (found or "")
    unknown = server(image="", flavor={}, volumes=["v1"])
    unknown.flavor = {"id": "of an older microversion"}
    assert "on the host" in (outside(unknown, LOCAL, v1=RBD) or "")


@pytest.mark.parametrize(
    "connection",
    [
        {},
        {"driver_volume_type": "iscsi", "target_portal": "10.77.4.20:3260"},
        {**RBD, "hosts": ["10.99.0.1"]},
        {**RBD, "hosts": []},
        {**RBD, "hosts": ["mon.example"]},
    ],
)
def test_a_volume_that_is_elsewhere_waits(connection: dict[str, Any]) -> None:
    found = outside(server(volumes=["v1", "v2"]), v1=connection, v2=RBD)
    assert "not all its disks are on that Ceph (volume v1)" in (found or "")


def test_an_address_of_the_sixth_version_is_one_however_it_is_written() -> None:
    assert outside(server(volumes=["v1"]), v1={**RBD, "hosts": ["[FD00:0::1]"]}) is None


def test_without_cinders_word_it_waits() -> None:
    def fail() -> dict[str, Any]:
        raise OSError("no endpoint")

    found = disks.outside(server(volumes=["v1"]), FENCE, fail)
    assert "Cinder does not say where its volumes are (no endpoint)" in (found or "")
    assert disks.outside(server(), FENCE, fail) is None, "it is asked only about volumes"
