"""Where instances are recovered to, with the real Masakari."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import masakari.conf
import pytest
from conftest import HOST, World
from fencing_nova import Server
from masakari import objects
from masakari_fencing.workflow.instances import destinations
from masakari_fencing.workflow.instances.requests import NoRoom

CONF = masakari.conf.CONF
SECOND, THIRD, OTHER = "node2.maas", "node3.maas", "node9.maas"


@pytest.fixture
def within() -> Iterator[Callable[..., None]]:
    def choose(kinds: str, *, fallback: bool = False) -> None:
        CONF.set_override("recovery_destination", kinds, group="fencing")
        CONF.set_override("recovery_destination_fallback", fallback, group="fencing")

    yield choose
    CONF.clear_override("recovery_destination", group="fencing")
    CONF.clear_override("recovery_destination_fallback", group="fencing")


@pytest.fixture(autouse=True)
def cloud(world: World) -> World:
    """Free memory of each host, and one outside the segment that Nova prefers."""
    free = {SECOND: 4000, THIRD: 9000, OTHER: 90000}
    world.nova.hypervisors = SimpleNamespace(
        list=lambda: [
            SimpleNamespace(service={"host": host}, free_ram_mb=left)
            for host, left in free.items()
        ]
    )
    world.add(Server("g1"))
    world.power_cut()
    return world


def aggregates(world: World, **hosts: list[str]) -> None:
    listed = [
        SimpleNamespace(id=n, name=n, hosts=h, metadata={"rack": n}) for n, h in hosts.items()
    ]
    world.nova.aggregates.list = lambda: listed


def asked(world: World) -> list[str]:
    return [text for text in world.nova.requests if text.startswith("evacuate")]


def test_nova_picks_where_nothing_is_said(world: World) -> None:
    assert world.process(world.notify()) == "finished"
    assert asked(world) == ["evacuate g1"]


def test_within_the_segment_where_most_memory_is_left(
    world: World, within: Callable[..., None]
) -> None:
    within("segment")
    assert world.process(world.notify()) == "finished"
    assert asked(world) == [f"evacuate g1 to {THIRD}"]


def test_a_host_that_is_full_or_disabled_is_passed_over(
    world: World, within: Callable[..., None]
) -> None:
    within("segment")
    world.nova.full = {THIRD}
    assert world.process(world.notify()) == "finished"
    assert asked(world) == [f"evacuate g1 to {THIRD}", f"evacuate g1 to {SECOND}"]
    found = world.nova.instances["g1"]
    assert (found.host, found.vm, found.locked) == (SECOND, "active", False)


def test_the_next_attempt_begins_with_those_that_were_not_tried(
    world: World, within: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They refuse for other reasons than memory, so they go on having the most."""
    monkeypatch.setattr(destinations, "TRIES", 1)
    within("segment")
    world.nova.full = {THIRD}
    assert world.process(world.notify()) == "error"
    assert world.process(world.notify()) == "finished"
    assert asked(world) == [f"evacuate g1 to {THIRD}", f"evacuate g1 to {SECOND}"]


def test_hosts_without_room_are_tried_last_all_the_same() -> None:
    """Not first, as those that the attempt before has not tried."""
    free = {f"node{n:02d}": float(n) for n in range(1, 13)}
    tried: list[str] = []

    def run(host: str | None) -> str:
        tried.append(str(host))
        raise NoRoom("full")

    with pytest.raises(NoRoom):
        destinations.Destinations(free, memory=lambda _: 2.0, attempts=1).place("g1", run)
    assert tried == ["node02", *(f"node{n:02d}" for n in range(12, 3, -1))]
    tried.clear()
    few = {name: free[name] for name in list(free)[:10]}
    with pytest.raises(NoRoom):
        destinations.Destinations(few, memory=lambda _: 2.0, attempts=1).place("g1", run)
    assert tried[0] == "node10", "all are tried in each"


def test_what_fits_nowhere_there_goes_nowhere_else_and_says_so(
    world: World, within: Callable[..., None]
) -> None:
    within("segment")
    world.service(THIRD).status = "disabled"
    world.nova.full = {SECOND}
    assert world.process(world.notify()) == "error"
    assert asked(world) == [f"evacuate g1 to {SECOND}"]
    (left,) = world.record().left
    assert left.outcome == f"no room: no host of the same segment takes it; tried: {SECOND}"


def test_or_elsewhere_where_the_operator_says_so(
    world: World, within: Callable[..., None]
) -> None:
    within("segment", fallback=True)
    world.nova.full = {SECOND, THIRD}
    assert world.process(world.notify()) == "finished"
    assert world.nova.instances["g1"].host == OTHER


def test_within_an_aggregate(world: World, within: Callable[..., None]) -> None:
    within("aggregate:rack")
    aggregates(world, one=[HOST, SECOND], two=[THIRD])
    assert world.process(world.notify()) == "finished"
    assert world.nova.instances["g1"].host == SECOND


def test_a_host_that_shares_nothing_is_recovered_to_anywhere(
    world: World, within: Callable[..., None]
) -> None:
    within("aggregate")
    aggregates(world, two=[THIRD])
    assert world.process(world.notify()) == "finished"
    assert asked(world) == ["evacuate g1"]


def test_what_is_no_kind_is_not_heeded(world: World, within: Callable[..., None]) -> None:
    within("rack")
    assert world.process(world.notify()) == "finished"
    assert asked(world) == ["evacuate g1"]


def test_several_are_spread_by_what_each_needs(
    world: World, within: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    within("segment")
    world.add(*(Server(f"g{number}") for number in range(2, 5)))
    shown = Server.shown

    def with_flavor(self: Server) -> object:
        found = shown(self)
        found.flavor = {"ram": 4000}
        return found

    monkeypatch.setattr(Server, "shown", with_flavor)
    assert world.process(world.notify()) == "finished"
    hosts = sorted(server.host for server in world.nova.instances.values())
    assert hosts == [SECOND, THIRD, THIRD, THIRD] or hosts == [SECOND, SECOND, THIRD, THIRD]


@pytest.mark.parametrize("joins", [False, True])
def test_a_reserved_host_outside_the_aggregate_is_taken_only_where_it_joins_it(
    world: World, within: Callable[..., None], joins: bool
) -> None:
    within("aggregate")
    aggregates(world, one=[HOST, SECOND], two=[OTHER])
    world.segment.recovery_method = "reserved_host"
    world.segment.save()
    world.add_host(OTHER, reserved=True)
    CONF.set_override("add_reserved_host_to_aggregate", joins, group="host_failure")
    status = world.process(world.notify())
    CONF.clear_override("add_reserved_host_to_aggregate", group="host_failure")
    assert status == ("finished" if joins else "error")
    assert objects.Host.get_by_name(world.context, OTHER).reserved is not joins
