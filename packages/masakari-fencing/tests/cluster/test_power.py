"""Power controllers are asked for real, seldom, and are spoken of before the disaster."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from masakari_fencing.cluster import power
from masakari_fencing.cluster.power import Controllers
from masakari_fencing.maas.client import Maas, MaasError, Machine

HOSTS = {f"node{n}.maas": Machine(f"id{n}", f"node{n}", "on") for n in range(1, 25)}
ONE = {"node1.maas": HOSTS["node1.maas"]}


class Bmcs:
    """The power controllers behind a MAAS; what each does, by its machine's identifier."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.asked: list[str] = []
        self.states: dict[str, str | MaasError] = {}
        self.remembered: dict[str, object] = {}
        self.slow = 0.0

    def look(self, machines: dict[str, Machine] = HOSTS, **options: object) -> Controllers:
        bmcs = self

        class Client(Maas):
            def power_state(self, machine: Machine) -> str:
                bmcs.asked.append(machine.identifier)
                bmcs.now += bmcs.slow
                state = bmcs.states.get(machine.identifier, "on")
                if isinstance(state, MaasError):
                    raise state
                return state

        make: Callable[[str, str], Maas] = Client
        found = Controllers(self.remembered, maas=make, clock=lambda: self.now, **options)  # type: ignore[arg-type]
        found.ask("http://maas/MAAS", "a:b:c", machines, set(machines))
        self.remembered = json.loads(json.dumps(found.dump()))
        return found


@pytest.fixture
def bmcs() -> Bmcs:
    return Bmcs()


def test_within_an_hour_each_is_asked_once_and_never_many_at_a_time(bmcs: Bmcs) -> None:
    for _ in range(12):
        before = len(bmcs.asked)
        bmcs.look()
        assert len(bmcs.asked) - before == 2
        bmcs.now += 300
    assert sorted(bmcs.asked) == sorted(machine.identifier for machine in HOSTS.values())
    bmcs.look()
    assert len(bmcs.asked) == 26, "and then the first ones again"


def test_an_operator_has_all_asked_those_of_long_ago_first(bmcs: Bmcs) -> None:
    bmcs.look()
    early = set(bmcs.asked)
    bmcs.asked.clear()
    bmcs.look(every=True)
    assert len(bmcs.asked) == len(HOSTS) == len(set(bmcs.asked))
    assert not early & set(bmcs.asked[:-5])


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (MaasError("MAAS answers with HTTP 503"), f"{power.DEAD}: MAAS answers with HTTP 503"),
        ("error", f"{power.DEAD}: it reports an error"),
        ("unknown", power.UNKNOWN),
        ("off", power.ELSEWHERE),
    ],
)
def test_what_is_wrong_twice_is_said_and_right_again_is_not(
    bmcs: Bmcs, state: str | MaasError, text: str
) -> None:
    bmcs.states["id1"] = state
    assert bmcs.look(ONE).judge("node1.maas") is None, "a single answer may get lost"
    verdict = bmcs.look(ONE).judge("node1.maas")
    assert verdict is not None
    assert verdict[0] == text
    del bmcs.states["id1"]
    assert bmcs.look(ONE).judge("node1.maas") is None


def test_a_host_that_is_off_and_not_connected_is_as_it_should_be(bmcs: Bmcs) -> None:
    bmcs.states["id1"] = "off"
    found = Controllers(maas=lambda url, key: _Off(url, key))
    for _ in range(2):
        found.ask("http://maas/MAAS", "a:b:c", ONE, set())
    assert found.judge("node1.maas") is None


class _Off(Maas):
    def power_state(self, machine: Machine) -> str:
        return "off"


@pytest.mark.parametrize(("every", "most"), [(False, 5), (True, 16)])
def test_a_look_ends_however_slow_they_are(bmcs: Bmcs, every: bool, most: int) -> None:
    """Only those that are being asked are waited for."""
    bmcs.slow = 10.0
    many = {f"node{n}": Machine(f"id{n}", f"node{n}", "on") for n in range(99)}
    bmcs.look(many, every=every)
    assert len(bmcs.asked) <= most


@pytest.mark.parametrize("garbage", [{"node1.maas": {"x": 1}}, {"node1.maas": {}}])
def test_what_cannot_be_read_is_asked_again(bmcs: Bmcs, garbage: dict[str, object]) -> None:
    bmcs.remembered = garbage
    bmcs.look(ONE)
    assert bmcs.asked == ["id1"]
