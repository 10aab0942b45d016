"""What it costs the cloud: nothing for a single guest or hypervisor, however many there are."""

from __future__ import annotations

import pytest
from masakari_fencing.cluster import health
from ops import testing

import fakecloud
from action_calls import run
from fakerooms import RoomyCloud
from preflight import survey
from preflight.capacity import short, survivals
from preflight.rehearsal import Rules

RACK = 20


def build(cloud: RoomyCloud, hypervisors: int, guests: int) -> None:
    """A cloud in racks, each a segment, every host with as many guests."""
    cloud.services.clear()
    names = [f"hv{n}.maas" for n in range(hypervisors)]
    for name in names:
        cloud.add_hypervisor(name)
        cloud.rooms[name] = {"VCPU": 64}
    for first in range(0, hypervisors, RACK):
        cloud.add_segment(f"rack{first}", *names[first : first + RACK])
    for number in range(guests):
        cloud.boot(names[number % hypervisors], f"g{number}", ram=256)
    cloud.servers.reverse()
    cloud.group("anti-affinity", *(server["id"] for server in cloud.servers[:3]))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("hypervisors", "guests"), [(200, 5_000), (2_000, 20_000)])
def test_a_look(cloud: RoomyCloud, hypervisors: int, guests: int) -> None:
    build(cloud, hypervisors, guests)
    cloud.asked.clear()
    there = survey.take(fakecloud.connect(cloud))
    found = survivals(there, Rules(), 3)
    assert len(found) == hypervisors / RACK
    assert not any(short(one, 3) for one in found)
    assert sum(map(len, there.instances.values())) == guests
    segments = hypervisors // RACK
    assert cloud.asked == {
        "POST /v3/auth/tokens": 1,
        "GET /v1/segments": 2,  # the last page is empty
        "GET /v1/segments/ID/hosts": 2 * segments,
        "GET /nova/v2.1/os-services": 1,
        "GET /nova/v2.1/servers/detail": guests // 1000 + 1,
        "GET /nova/v2.1/os-hypervisors/detail": -(-hypervisors // 1000) + 1,
        "GET /nova/v2.1/os-server-groups": 2,
        "GET /nova/v2.1/os-aggregates": 1,
        "GET /placement/allocation_candidates": 1,
    }
    assert cloud.asked.total() < hypervisors / 5


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("hypervisors", "guests"), [(200, 5_000), (2_000, 20_000)])
def test_the_actions(
    ctx: testing.Context,
    state: testing.State,
    cloud: RoomyCloud,
    monkeypatch: pytest.MonkeyPatch,
    hypervisors: int,
    guests: int,
) -> None:
    """Nor do they ask for more, but for the last recoveries."""
    monkeypatch.setattr(health, "inspect", lambda runner, **options: [])
    monkeypatch.setattr(health, "able", lambda runner, host: ["st-maas"])
    build(cloud, hypervisors, guests)
    cloud.asked.clear()
    assert run(ctx, state, "check")["capacity"].count("\n") == hypervisors / RACK - 1
    look = cloud.asked.total()
    assert look < hypervisors / 4
    plan = run(ctx, state, "plan-recovery", host="hv7.maas")
    assert plan["instances"] == guests / hypervisors
    assert cloud.asked.total() - look < hypervisors / 4


@pytest.mark.parametrize("most", [1, 7])
def test_pages(cloud: RoomyCloud, most: int) -> None:
    """Whatever number Nova gives at once."""
    cloud.add_segment("rack1", "node1.maas")
    members = [cloud.boot("node1.maas", f"g{n}") for n in range(9)]
    for member in members:
        cloud.group("anti-affinity", member)
    cloud.most = most
    there = survey.take(fakecloud.connect(cloud))
    assert [one.name for one in there.instances["node1.maas"]] == [
        f"g{n}" for n in range(8, -1, -1)
    ]
    assert set(there.groups) == set(members)
    assert len(there.hypervisors) == 3
