"""What fails together, as an operator names it."""

from __future__ import annotations

import pytest
from masakari_fencing.openstack import failure_domains
from masakari_fencing.openstack.failure_domains import (
    Aggregate,
    Kind,
    Limit,
    destinations,
    domains,
)

SEGMENTS = {"one": "a", "two": "a", "three": "b", "four": "b"}
AGGREGATES = [
    Aggregate("az1", ("one", "two"), {"availability_zone": "az1"}),
    Aggregate("left", ("one", "three"), {"rack": "1"}),
    Aggregate("right", ("two",), {"rack": "2"}),
    Aggregate("fast", ("two", "three", "four"), {"ssd": "true"}),
    Aggregate("empty", (), {"rack": "3"}),
]


def found(kind: str) -> dict[str, set[str]]:
    (wanted,) = failure_domains.parse_kinds(kind)
    return {name: set(hosts) for name, hosts in domains(wanted, AGGREGATES, SEGMENTS).items()}


def test_the_domains_of_each_kind() -> None:
    assert found("segment") == {"segment a": {"one", "two"}, "segment b": {"three", "four"}}
    assert found("zone") == {"zone az1": {"one", "two"}, "zone nova": {"three", "four"}}
    assert found("aggregate:rack") == {
        "aggregate left": {"one", "three"},
        "aggregate right": {"two"},
    }
    assert set(found("aggregate")) == {"aggregate left", "aggregate right", "aggregate fast"}
    assert found("aggregate:nothing") == {}


@pytest.mark.parametrize(
    ("host", "kinds", "expected"),
    [
        ("one", "segment", {"one", "two"}),
        ("one", "zone, aggregate:rack", {"one"}),
        ("three", "aggregate", {"one", "two", "three", "four"}),
        ("four", "aggregate:rack", None),
        ("four", "aggregate:rack, segment", {"three", "four"}),
        ("five", "segment, zone", None),
        ("one", "", None),
    ],
)
def test_where_the_instances_of_a_host_may_go(
    host: str, kinds: str, expected: set[str] | None
) -> None:
    wanted = failure_domains.parse_kinds(kinds)
    assert destinations(host, wanted, AGGREGATES, SEGMENTS) == expected


def test_limits_are_read_and_written() -> None:
    text = "segment=2, zone=20%, aggregate:rack=1"
    limits = failure_domains.parse_limits(text)
    assert limits == (
        Limit(Kind("segment"), 2),
        Limit(Kind("zone"), 0, 20),
        Limit(Kind("aggregate", "rack"), 1),
    )
    assert ", ".join(map(str, limits)) == text
    assert failure_domains.parse_limits(" , ") == ()


def test_a_share_is_one_host_at_least() -> None:
    assert [Limit(Kind("zone"), 0, 20).most(total) for total in (1, 9, 10, 25)] == [1, 1, 2, 5]
    assert Limit(Kind("zone"), 3).most(100) == 3


@pytest.mark.parametrize(
    "text", ["rack", "segment:a", "zone:", ":x", "aggregate:", "aggregate:a=b", "aggregate:\0"]
)
def test_what_is_no_kind(text: str) -> None:
    with pytest.raises(ValueError, match="expected segment, zone, aggregate or aggregate:KEY"):
        failure_domains.parse_kinds(text)


@pytest.mark.parametrize(
    "text", ["zone", "zone=", "zone=0", "zone=-1", "zone=1.5", "zone=0%", "zone=101%", "zone=x"]
)
def test_what_is_no_limit(text: str) -> None:
    with pytest.raises(ValueError, match="expected KIND=N or KIND=N%"):
        failure_domains.parse_limits(text)


def test_one_limit_for_a_kind() -> None:
    with pytest.raises(ValueError, match="two limits for zone"):
        failure_domains.parse_limits("zone=1, zone=2%")
