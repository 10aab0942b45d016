"""What the status says about cutting hypervisors off from their storage."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fencing_ceph import MONITOR, NODE, FakeCeph, nodes, storage
from fencing_cib import EMPTY, Cib
from masakari_fencing.ceph import monitors
from masakari_fencing.cluster import storage_health
from masakari_fencing.records import storage_fences
from masakari_fencing.records.storage_fences import StorageFence

REMOTE = '<primitive id="{0}" class="ocf" provider="pacemaker" type="remote"/>'


def problems(cib: Cib, said: Any) -> list[str]:
    text = said if isinstance(said, str) else json.dumps(said)
    cib.others = lambda argv: text if "masakari_fencing.ceph" in argv else 127
    return [f"{p.node}: {p.text} ({p.cure})" for p in storage_health.inspect(cib)]


GUARD = (
    '<primitive id="guard" class="stonith" type="fence_masakari_guard"><instance_attributes '
    'id="g"><nvpair id="s" name="storage" value="{}"/></instance_attributes></primitive>'
)


def cluster(mode: str = "parallel", **recorded: str) -> Cib:
    remotes = "".join(REMOTE.format(f"node{number}.maas") for number in (2, 3))
    text = EMPTY.replace("<nodes/>", nodes(**recorded))
    guard = GUARD.format(mode)
    return Cib(text.replace("<resources/>", f"<resources>{remotes}{guard}</resources>"))


BOTH = {
    "node2": storage(),
    "node3": storage("10.77.4.13", addresses=["10.77.4.13"]),
}
GOOD = {"monitors": [MONITOR]}


def test_all_is_well() -> None:
    assert problems(cluster(**BOTH), GOOD) == []


def test_nobody_asks_ceph_where_it_is_not_wanted() -> None:
    cib = cluster("off")
    assert problems(cib, {"error": "away"}) == []
    assert not [call for call in cib.calls if "masakari_fencing.ceph" in call]
    storage_fences.write(cib, StorageFence(NODE, 1.0, ("10.77.4.12",), time=2.0))
    (found,) = problems(cib, {"error": "away"})
    assert "is cut off from Ceph" in found, "from before it was turned off"


def test_of_whom_it_is_not_known_which_clients_are_its_own() -> None:
    (found,) = problems(cluster(node2=storage()), GOOD)
    assert found.startswith("node3.maas: it could not be cut off from Ceph: its addresses")
    assert "pacemaker-remote" in found
    found = problems(cluster(node2=storage(), node3=storage()), GOOD)[0]
    assert "node3.maas has its address 10.77.4.12, too" in found


@pytest.mark.parametrize(
    ("change", "text", "cure"),
    [
        ({"away": True}, "do not let this unit in", "ceph status"),
        ({"may": False}, "the key may not run", "juju integrate"),
        ({"full": ["POOL_FULL"]}, "it is full", "ceph status"),
    ],
)
def test_what_is_wrong_with_ceph_is_one_problem(
    change: dict[str, object], text: str, cure: str
) -> None:
    ceph = FakeCeph()
    vars(ceph).update(change)
    (found,) = problems(cluster(), monitors.report(ceph.connect))
    assert text in found
    assert cure in found
    assert monitors.report(FakeCeph().connect) == {**GOOD, "shut_out": []}


def test_one_that_ceph_shuts_out_although_nobody_here_keeps_it_out() -> None:
    ceph = FakeCeph()
    ceph.blocked = {"10.77.4.12:0/0": 2_000_060.0, "10.77.4.13:0/4711": 2_000_060.0}
    cib = cluster(**BOTH)
    (found,) = problems(cib, monitors.report(ceph.connect))
    assert found.startswith("node2.maas: Ceph shuts its clients at 10.77.4.12 out")
    assert "ceph osd blocklist rm 10.77.4.12:0/0" in found
    storage_fences.write(cib, StorageFence(NODE, 1.0, ("10.77.4.12",), time=2.0))
    (found,) = problems(cib, monitors.report(ceph.connect))
    assert "is cut off from Ceph" in found


@pytest.mark.parametrize("said", ["", "Traceback", "[]", '{"monitors": 1}'])
def test_a_program_that_fails_is_told(said: str) -> None:
    (found,) = problems(cluster(), said)
    assert "cannot be asked" in found


def test_those_that_are_cut_off() -> None:
    cib = cluster(**BOTH)
    storage_fences.write(cib, StorageFence(NODE, 1.0, ("10.77.4.12",), time=2.0, lifted=3.0))
    first, second = problems(cib, GOOD)
    assert "node2.maas: it is cut off from Ceph, and its power is not confirmed off" in first
    assert "confirm-host-dead" in first
    assert "somebody let its clients write" in second
