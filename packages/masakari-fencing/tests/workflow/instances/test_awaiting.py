"""Starts that wait in the broker for the host of an instance, of which its task says nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from masakari_fencing.workflow.instances.selection import awaits_host

LOST = 1_800_000_000.0
"""When the host failed: 2027-01-15T08:00:00Z."""


def at(seconds: float) -> str:
    """Return a time after the failure as Nova writes it."""
    return f"2027-01-15T08:{int(seconds) // 60:02d}:{int(seconds) % 60:02d}.000000"


class Nova:
    """A client that knows the actions of one instance."""

    def __init__(self, *actions: Any) -> None:
        self.asked: list[str] = []
        self.actions = actions
        self.instance_action = SimpleNamespace(list=self._list, get=self._get)

    def _list(self, server: Any) -> list[Any]:
        self.asked.append("list")
        return [SimpleNamespace(**{**vars(one), "events": None}) for one in self.actions]

    def _get(self, server: Any, request: str) -> Any:
        self.asked.append(request)
        return next(one for one in self.actions if one.request_id == request)


def action(name: str, begun: float, *events: float, event: str = "compute_start_instance") -> Any:
    return SimpleNamespace(
        action=name,
        start_time=at(begun),
        request_id=f"req-{begun:g}",
        events=[{"event": event, "start_time": at(moment)} for moment in events],
    )


def waits(
    nova: Nova, updated: float | None = 300, fenced: float = 250, reported: float = -LOST
) -> bool:
    server = SimpleNamespace(id="g1", updated=None if updated is None else at(updated) + "Z")
    return awaits_host(nova, server, LOST, LOST + fenced, LOST + reported)


@pytest.mark.parametrize("name", ["start", "resume", "rescue", "unrescue"])
def test_what_nobody_has_begun_waits(name: str) -> None:
    assert waits(Nova(action(name, 60)))


def test_what_nova_compute_has_begun_by_itself_as_it_started_waits() -> None:
    """It has died again before it took what waited for it."""
    assert waits(Nova(action("start", 60, 200)))
    assert waits(Nova(action("start", 60, 61, event="conductor_other")))


@pytest.mark.parametrize("events", [(61,), (200, 201), (61, 200)])
def test_what_it_has_taken_does_not(events: tuple[float, ...]) -> None:
    assert not waits(Nova(action("start", 60, *events)))


@pytest.mark.parametrize("events", [(61,), (200, 201), (61, 200)])
def test_what_it_has_begun_since_its_host_was_fenced_runs_there(events: tuple[float, ...]) -> None:
    """Its host has booted, and Pacemaker need not have noticed."""
    assert waits(Nova(action("start", 60, *events)), fenced=50)


def test_what_came_to_it_late_does_not_where_it_has_reported_since() -> None:
    """The broker was away; it would not report if it had died before it took anything."""
    assert not waits(Nova(action("start", 60, 90)), reported=100)
    assert waits(Nova(action("start", 60, 90)), reported=92)
    assert waits(Nova(action("start", 60)), reported=100), "it has not come to it at all"


@pytest.mark.parametrize("name", ["reboot", "stop", "evacuate", "lock"])
def test_what_asks_for_the_task_before_it_starts_anything_need_not_be_asked_for(name: str) -> None:
    nova = Nova(action(name, 60))
    assert not waits(nova)
    assert nova.asked == ["list"]


def test_of_several_each_counts() -> None:
    assert waits(Nova(action("start", 60), action("stop", 70), action("start", 80, 81)))


def test_what_nova_has_not_touched_since_its_host_failed_is_not_asked_for() -> None:
    nova = Nova(action("start", 60))
    server = SimpleNamespace(id="g1", updated="2027-01-15T07:00:00Z")
    assert not awaits_host(nova, server, LOST, LOST)
    assert nova.asked == []
    assert waits(nova, updated=None), "who cannot tell asks"


def test_what_was_asked_for_before_its_host_failed_was_taken() -> None:
    early = action("start", 0)
    early.start_time = "2027-01-15T07:00:00.000000"
    assert not waits(Nova(early))
