"""What an attempt leaves behind whose host turns out not to be dead."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import CONF, World
from fencing_nova import HttpError, Server
from masakari import objects
from masakari_fencing.notifier import requeue
from masakari_fencing.records.recovery import RECOVERED, REFUSED
from masakari_fencing.workflow import ending


@pytest.fixture
def left(world: World) -> Any:
    """A recovery that has failed, with an instance on its way to a reserved host."""
    world.add_host("node9.maas", reserved=True)
    world.segment.recovery_method = "reserved_host"
    world.segment.save()
    world.add(Server("g1", vm="paused", power=3))
    world.power_cut()
    notification = world.notify()
    world.nova.rebuild = 4.0
    assert world.process(notification) == "error"
    record = world.record()
    assert record.reserved == ("node9.maas",) and [item.uuid for item in record.left] == ["g1"]
    assert world.nova.instances["g1"].locked
    world.segment.enabled = False
    world.segment.save()
    return notification


def test_a_reserved_host_is_not_given_back_before_what_is_on_its_way_there(
    left: Any, world: World
) -> None:
    assert world.process(left) == "error"
    assert world.record().end.outcome == REFUSED
    guest = world.nova.instances["g1"]
    assert (guest.host, guest.locked) == ("node9.maas", False)
    assert not world.host("node9.maas").reserved
    assert world.service("node9.maas").status == "enabled"


def test_what_cannot_be_seen_to_is_named(left: Any, world: World) -> None:
    def refuse(name: str, uuid: str) -> None:
        if name == "unlock":
            raise HttpError(403, "not now")

    world.nova.fail = refuse
    assert world.process(left) == "error"
    assert world.nova.instances["g1"].locked
    assert "segment rack1 is disabled" in world.refused()
    assert "g1 (it may stay locked" in world.refused()
    assert world.refused().count("g1 (") == 1


def test_what_is_to_be_seen_to_comes_first_of_many(world: World) -> None:
    """Of the rest only the number may be said."""

    def refuse(name: str, uuid: str) -> None:
        if name == "evacuate" or (name, uuid) == ("unlock", "g7"):
            raise HttpError(403, "not now")

    world.add(*(Server(f"g{number}") for number in range(8)))
    world.power_cut()
    notification = world.notify()
    world.nova.fail = refuse
    assert world.process(notification) == "error"
    world.segment.enabled = False
    world.segment.save()
    assert world.process(notification) == "error"
    reason = world.refused()
    assert "not recovered: g7 (it may stay locked" in reason
    assert reason.count("g7") == 1 and "and 3 more" in reason


def test_all_that_is_on_its_way_is_waited_for_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred that have been lost would hold the engine for hours."""
    monkeypatch.setattr(ending, "SPAWN_LIMIT", 3.0)
    world.add(*(Server(f"g{number}") for number in range(8)))
    world.power_cut()
    notification = world.notify()
    world.nova.rebuild = 1e9
    assert world.process(notification) == "error"
    world.segment.enabled = False
    world.segment.save()
    begun = world.nova.clock()
    assert world.process(notification) == "error"
    assert world.record().end.outcome == REFUSED
    assert world.nova.clock() - begun < 2 * 3


def test_a_report_of_a_clock_that_is_ahead_is_of_when_masakari_was_told(world: World) -> None:
    """By its own word, the fence would have been an hour before what it was for."""
    world.add(Server("g1"))
    fenced = world.power_cut()
    assert world.process(world.notify(generated=fenced + 3600)) == "finished"
    assert world.nova.instances["g1"].host == "node9.maas"


def test_what_waits_while_its_segment_is_disabled_goes_on_when_it_is_enabled(
    world: World,
) -> None:
    """Masakari looks at the segment before the workflow does, and forgets what it ignores."""
    world.add(Server("g1"))
    world.power_cut()
    world.nova.full = {"*"}
    notification = world.notify()
    assert world.process(notification) == "error"

    def again() -> str:
        uuid, states = str(notification.notification_uuid), requeue.UNFINISHED
        requeue.requeue(world.context, objects, Engines(world), uuid, states)
        return world.status(notification)

    world.segment.enabled = False
    world.segment.save()
    assert again() == "error"
    world.segment.enabled = True
    world.segment.save()
    world.nova.full = set()
    assert again() == "finished"
    assert world.record().end.outcome == RECOVERED


class Engines:
    """Masakari's, which take a notification up at once."""

    def __init__(self, world: World) -> None:
        self._world = world

    def process_notification(self, context: Any, notification: Any) -> None:
        self._world.manager().process_notification(context, notification)


def test_what_arrives_after_the_last_attempt_is_as_it_was(world: World) -> None:
    """Nobody would unlock it, or put it into its state."""
    CONF.set_override("recovery_retries", "", group="fencing")
    try:
        world.add(Server("g1", vm="paused", power=3))
        world.power_cut()
        notification = world.notify()
        world.nova.rebuild = 4.0
        assert world.process(notification) == "error"
    finally:
        CONF.clear_override("recovery_retries", group="fencing")
    guest = world.nova.instances["g1"]
    assert (guest.host, guest.vm, guest.locked) == ("node9.maas", "stopped", False)
