"""Lost hypervisors that nobody may fence leave the limit to the others."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from fencing_rack import NOW, Rack
from masakari_fencing.pacemaker import properties
from masakari_fencing.records import disarmed

OTHERS = ("node2", "node3", "node4")
TOO_MANY = "4 of 10 hypervisors are lost at once (node1, node2, node3, node4), the limit is 2"


def rack_with(*lost: str, since: float = NOW - 600, noticed: bool = True) -> Rack:
    """A rack in which node1 has just died, and these are lost since then."""
    rack = Rack()
    rack.lose("node1")
    rack.lose(*lost, noticed=noticed)
    for name in lost:
        remote = rack.cluster.remote(name)
        assert remote is not None
        remote.start_failed = since
    return rack


def told(own: str, pairs: dict[str, str]) -> str:
    found = "".join(
        f'<nvpair id="{name}" name="{name}" value="{text.replace(chr(34), "&quot;")}"/>'
        for name, text in pairs.items()
    )
    return f'<cluster_property_set id="{own}">{found}</cluster_property_set>'


def disarm(rack: Rack, until: float = NOW + 60) -> None:
    work = {"segment": "rack2", "hosts": OTHERS, "since": NOW - 900, "until": until, "reason": "x"}
    rack.extra = told(disarmed.SETS[0], {f"{disarmed.DISARMED}rack2": json.dumps(work)})


def leave(rack: Rack, back: float = 0.0) -> None:
    """They failed while an operator worked there; the work is over."""
    text = json.dumps({"lost": NOW - 600, "back": back, "reported": False})
    rack.extra = told(disarmed.SETS[1], {f"{disarmed.LEFT}{name}": text for name in OTHERS})


def never_connect(rack: Rack) -> None:
    rack.unseen.update(OTHERS)


def unserve(rack: Rack) -> None:
    rack.extra = told(properties.UNSERVED, {properties.IN_DISABLED_SEGMENT: " ".join(OTHERS)})


def unrecord(rack: Rack) -> None:
    rack.unrecorded.update(OTHERS)


@pytest.mark.parametrize("spare", [disarm, leave, never_connect, unserve, unrecord])
def test_those_that_nobody_may_fence_do_not_count(spare: Callable[[Rack], None]) -> None:
    rack = rack_with(*OTHERS)
    assert rack.check() == TOO_MANY
    spare(rack)
    assert rack.check() is None
    assert str(rack.check("node2")).startswith("spared: ")


def test_nor_does_what_is_silent_and_was_never_connected() -> None:
    rack = rack_with(*OTHERS, noticed=False)
    assert rack.check() == TOO_MANY
    never_connect(rack)
    assert rack.check() is None


def test_they_count_again_when_the_work_is_over() -> None:
    rack = rack_with(*OTHERS)
    disarm(rack, until=NOW - 1)
    assert rack.check() == TOO_MANY
    leave(rack, back=NOW - 300)
    assert rack.check() == TOO_MANY


@pytest.mark.parametrize(("since", "noticed"), [(NOW - 5, True), (0, False)])
def test_a_switch_that_takes_a_disabled_segment_along_stops_the_others_fences(
    since: float, noticed: bool
) -> None:
    rack = rack_with(*OTHERS, since=since, noticed=noticed)
    unserve(rack)
    assert rack.check() == TOO_MANY
    rack.now += 121
    assert rack.check() == (None if noticed else TOO_MANY)


def test_a_failure_domain_does_not_count_them_either() -> None:
    rack = rack_with(*OTHERS)
    domain = json.dumps({"name": "rack2", "most": 1, "nodes": ["node1", *OTHERS]})
    domains = told("masakari-fencing-domains", {"masakari-fencing-domain-0": domain})
    rack.extra = domains
    assert "of rack2 are lost" in str(rack.check(max_hosts=0, max_share=0))
    disarm(rack)
    rack.extra += domains
    assert rack.check(max_hosts=0, max_share=0) is None
