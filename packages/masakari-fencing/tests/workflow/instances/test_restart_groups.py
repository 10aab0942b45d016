"""Who waits for whom, and for how long."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from masakari_fencing.records.recovery import Instance
from masakari_fencing.workflow.instances.restart_groups import NotYet, RestartGroups

DB, APP, WEB = (
    Instance(name, "active", priority=priority, group=name)
    for name, priority in (("db", 900), ("app", 800), ("web", 700))
)
BEGIN = 1_795_233_223.0


class Clock:
    """Virtual time, in which things happen."""

    def __init__(self) -> None:
        self.time = BEGIN
        self.events: list[tuple[float, Any]] = []

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        for event in [e for e in self.events if self.time - BEGIN >= e[0]]:
            self.events.remove(event)
            event[1]()

    @property
    def passed(self) -> float:
        return round(self.time - BEGIN, 1)


def groups(clock: Clock, *every: Instance, **options: Any) -> RestartGroups:
    options = {"since": BEGIN, "patience": 100.0} | options
    return RestartGroups(every, sleep=clock.sleep, now=lambda: clock.time, **options)


def up(item: Instance) -> Instance:
    return replace(item, outcome="recovered")


def test_the_first_group_and_a_lone_one_wait_for_nobody() -> None:
    clock = Clock()
    groups(clock, DB, APP).wait(DB)
    groups(clock, Instance("g1", "active"), Instance("g2", "active", priority=9)).wait(
        Instance("g2", "active", priority=9)
    )
    assert clock.passed == 0


def test_a_group_begins_when_all_before_it_are_up() -> None:
    clock = Clock()
    found = groups(clock, DB, APP, WEB)
    clock.events = [(7.0, lambda: found.end(up(DB))), (19.0, lambda: found.end(up(APP)))]
    found.wait(APP)
    assert 7.0 <= clock.passed <= 7.4
    found.wait(WEB)
    assert 19.0 <= clock.passed <= 19.4


def test_what_an_earlier_attempt_has_brought_up_is_not_waited_for() -> None:
    clock = Clock()
    groups(clock, up(DB), APP, pause=50.0).wait(APP)
    assert clock.passed == 0


def test_a_pause_follows_the_last_one_that_is_up() -> None:
    clock = Clock()
    second = replace(DB, uuid="db2")
    found = groups(clock, DB, second, APP, pause=10.0)
    clock.events = [(2.0, lambda: found.end(up(DB))), (5.0, lambda: found.end(up(second)))]
    found.wait(APP)
    assert 15.0 <= clock.passed <= 15.6


def test_nobody_waits_for_longer_than_his_time() -> None:
    clock = Clock()
    found = groups(clock, DB, APP, WEB)
    found.wait(APP)
    assert 100.0 <= clock.passed <= 100.4
    found.wait(WEB)
    assert 200.0 <= clock.passed <= 200.4


def test_another_engine_goes_on_with_the_time_of_the_first() -> None:
    clock = Clock()
    groups(clock, DB, APP, since=BEGIN - 95.0).wait(APP)
    assert 5.0 <= clock.passed <= 5.4


def test_one_that_failed_holds_those_after_it_back_until_it_is_tried_again() -> None:
    clock = Clock()
    found = groups(clock, DB, APP, WEB)
    clock.sleep(5.0)
    found.end(replace(DB, outcome="no valid host"))
    with pytest.raises(NotYet, match="group db"):
        found.wait(APP)
    found.end(APP)
    with pytest.raises(NotYet, match="group app"):
        found.wait(WEB)
    assert clock.passed == 5.0


def test_where_most_of_the_time_is_over_the_rest_is_waited_for() -> None:
    """Or the next attempt would be the first to look, and come much later."""
    clock = Clock()
    found = groups(clock, DB, APP)
    clock.sleep(60.0)
    found.end(replace(DB, outcome="no valid host"))
    found.wait(APP)
    assert 100.0 <= clock.passed <= 100.4


def test_they_begin_apart_from_each_other() -> None:
    clock = Clock()
    many = [Instance(f"g{n}", "active") for n in range(3)]
    found = groups(clock, *many, stagger=2.0)
    begun = []
    for item in many:
        found.wait(item)
        begun.append(clock.passed)
    assert begun == pytest.approx([0.0, 2.0, 4.0], abs=0.3)
    clock.sleep(30.0)
    found.wait(many[0])
    assert clock.passed == pytest.approx(34.0, abs=0.5), "what was waited for anyway counts"


def test_what_stops_the_recovery_ends_the_waiting() -> None:
    clock = Clock()
    groups(clock, DB, APP, stopped=lambda: clock.passed >= 3).wait(APP)
    assert clock.passed <= 3.4
