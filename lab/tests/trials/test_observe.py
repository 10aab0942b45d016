"""What the observer makes of crm_mon and of Nova, and the timeline of what it saw."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jujulab.cloud.database import Notification, ServerView
from jujulab.cloud.heartbeat import Beat, Boot
from jujulab.trials import timeline, verdict
from jujulab.trials.observe import Event, Observer, parse_crm_mon
from jujulab.waiting import poll

CRM_MON = """<pacemaker-result api-version="2.25" request="crm_mon --output-as=xml">
  <nodes>
    <node name="juju-lab-1-lxd-0" id="1000" online="true" unclean="false" type="member"/>
    <node name="node1.maas" id="node1.maas" online="false" unclean="true" type="remote"/>
    <node name="node2.maas" id="node2.maas" online="true" unclean="false" type="remote"/>
    <node name="node3.maas" id="node3.maas" online="false" unclean="false" type="remote"/>
  </nodes>
  <fence_history status="0">
    <fence_event action="reboot" target="node3.maas" status="success"
                 completed="2026-11-21 01:45:14Z"/>
    <fence_event action="reboot" target="node1.maas" status="failed"
                 completed="2026-11-21 01:45:20Z"/>
    <fence_event action="reboot" target="node1.maas" status="pending"/>
  </fence_history>
</pacemaker-result>"""


def test_the_state_of_each_node_is_read() -> None:
    view = parse_crm_mon(CRM_MON)
    assert view.nodes == {
        "juju-lab-1-lxd-0": "online",
        "node1.maas": "unclean",
        "node2.maas": "online",
        "node3.maas": "offline",
    }


def test_only_completed_fencing_counts() -> None:
    view = parse_crm_mon(CRM_MON)
    assert view.fenced == {("node3.maas", "reboot", "2026-11-21 01:45:14Z")}
    assert view.fence_failed == {("node1.maas", "reboot", "2026-11-21 01:45:20Z")}


def test_a_member_that_has_just_joined_forgets_no_fence() -> None:
    """What it learns of it later is no second one."""
    full = parse_crm_mon(CRM_MON)
    empty = replace(full, fenced=frozenset(), fence_failed=frozenset())
    joined = full.joined(empty)
    assert (joined.fenced, joined.fence_failed) == (full.fenced, full.fence_failed)
    assert full.fenced


def test_what_is_no_xml_is_refused() -> None:
    with pytest.raises(ValueError, match="crm_mon"):
        parse_crm_mon("crm_mon: Error: cluster is not available on this node")


class FakeDatabase:
    """Nova's records of one guest, whose state is what the test says next."""

    def __init__(self, *states: ServerView) -> None:
        self.states = list(states)

    def servers(self) -> dict[str, ServerView]:
        return {"demo-1": self.states.pop(0) if len(self.states) > 1 else self.states[0]}

    def notifications(self) -> list[Notification]:
        return []

    def close(self) -> None:
        pass


def guest(
    status: str, second: int, *, task: str | None = None, powered: bool = True
) -> ServerView:
    return ServerView(status, "node1.maas", task, powered, f"2026-11-21 08:00:{second:02}")


@pytest.mark.parametrize(
    ("states", "in_place", "kinds"),
    [
        ([guest("SHUTOFF", 2, powered=False), guest("ACTIVE", 3)], True, ["status", "active"]),
        # Stopped and started again between two looks: only the time tells.
        ([guest("ACTIVE", 3)], True, ["active"]),
        # Its QEMU is gone, and Nova has just been told.
        ([guest("ACTIVE", 2, powered=False), guest("ACTIVE", 3)], True, ["active"]),
        # What changes later is not the recovery.
        (
            [guest("ACTIVE", 3), guest("ACTIVE", 9), guest("SHUTOFF", 9)],
            True,
            ["active", "status"],
        ),
        # Where the host is lost, nothing but the evacuation makes the guest run again.
        ([guest("ACTIVE", 3), guest("SHUTOFF", 9)], False, ["status"]),
        ([guest("REBUILD", 2, task="rebuilding")], False, ["evacuating", "status"]),
    ],
)
def test_a_guest_that_is_active_again_is_seen(
    tmp_path: Path, states: list[ServerView], in_place: bool, kinds: list[str]
) -> None:
    database: Any = FakeDatabase(guest("ACTIVE", 1), *states)
    observer = Observer(database, lambda: None, tmp_path / "journal", {}, in_place=in_place)
    observer.start()
    poll(lambda: len(observer.events) >= len(kinds), 5, 0.1)
    observer.stop()
    assert [event.kind for event in observer.events] == kinds


T0 = 1_000_000.0
EVENTS = [
    Event(T0 - 60, "nova", "active", "demo-1", "booted earlier"),
    Event(T0, "fault", "power-cut", "node1.maas", "power cut"),
    Event(T0 + 0.4, "guest", "silent", "demo-1", "silent"),
    Event(T0 + 3.0, "pacemaker", "lost", "node1.maas", "lost"),
    Event(T0 + 3.5, "pacemaker", "lost", "juju-lab-1-lxd-0", "lost"),
    Event(T0 + 5.0, "pacemaker", "fenced", "node1.maas", "fenced"),
    Event(T0 + 5.4, "masakari", "notified", "uuid", "new"),
    Event(T0 + 7.0, "nova", "evacuating", "demo-1", "evacuating"),
    Event(T0 + 9.0, "nova", "active", "demo-1", "active"),
    Event(T0 + 9.5, "nova", "active", "other", "somebody else's"),
    Event(T0 + 9.9, "guest", "beats", "demo-1", "beats"),
]


def test_phases_are_seconds_since_the_fault() -> None:
    recovery = timeline.summarise(EVENTS, since=T0, guests=["demo-1"], host="node1.maas")
    assert recovery.phases == {
        "detected": 3.0,
        "fenced": 5.0,
        "notified": 5.4,
        "evacuating": 7.0,
    }
    assert recovery.all_active == 9.0
    assert recovery.outage == {"demo-1": 9.5}


def test_a_loss_is_noticed_before_the_fence_whatever_pacemaker_shows() -> None:
    late = [event for event in EVENTS if (event.kind, event.subject) != ("lost", "node1.maas")]
    late.append(Event(T0 + 6.0, "pacemaker", "lost", "node1.maas", "lost"))
    recovery = timeline.summarise(late, since=T0, guests=["demo-1"], host="node1.maas")
    assert recovery.phases["detected"] == recovery.phases["fenced"] == 5.0


def test_a_phase_that_was_not_seen_is_none() -> None:
    recovery = timeline.summarise(EVENTS[:4], since=T0, guests=["demo-1"], host="node1.maas")
    assert recovery.phases["fenced"] is None
    assert recovery.all_active is None


def test_the_fencing_of_another_host_does_not_count() -> None:
    recovery = timeline.summarise(EVENTS, since=T0, guests=["demo-1"], host="node2.maas")
    assert recovery.phases["fenced"] is None


def test_the_timeline_is_in_order_and_has_seconds() -> None:
    lines = timeline.render("title", reversed(EVENTS), since=T0).splitlines()
    assert lines[0] == "title"
    assert "booted earlier" not in "".join(lines)
    assert lines[2].lstrip().startswith("+0.0 s")
    assert lines[-1].endswith("beats")


def test_a_guest_that_ran_twice_is_named() -> None:
    older = Boot(0, Beat(0, 1, 0, 100), Beat(0, 1, 9, 130))
    younger = Boot(1, Beat(1, 2, 0, 120), Beat(1, 2, 9, 140))
    (problem,) = verdict.ran_twice({"demo-1": [older, younger], "demo-2": [older]})
    assert "demo-1 ran twice at once" in problem
    assert "00:02:10" in problem
