"""Masakari's list of what moves, which operators read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from masakari_fencing.workflow.instances.moves import Moves

HOST = "node1.maas"


class Objects:
    """`masakari.objects` with the part that has the moves, as of 2023.1."""

    def __init__(self, *known: str) -> None:
        self.saved: list[Any] = []
        self.broken = False
        self.VMove = self._make
        self.VMoveList = SimpleNamespace(get_all_vmoves=self._find)
        for uuid in known:
            self._make("context", instance_uuid=uuid, status="failed", start_time=None)

    def _make(self, context: str, **values: Any) -> Any:
        assert context == "context"
        move = SimpleNamespace(**values)

        def write() -> None:
            if self.broken:
                raise ConnectionError("the database is away")
            if move not in self.saved:
                self.saved.append(move)

        move.create = move.save = write
        if values:
            write()
        return move

    def _find(self, context: str, notification: str) -> list[Any]:
        assert (context, notification) == ("context", "n1")
        if self.broken:
            raise ConnectionError("the database is away")
        return list(self.saved)

    def moves(self) -> Moves:
        return Moves("context", self, "n1", HOST)


def test_a_move_is_told_from_its_begin_to_its_end() -> None:
    objects = Objects()
    moves = objects.moves()
    moves.begin("g1")
    (move,) = objects.saved
    assert (move.instance_uuid, move.notification_uuid) == ("g1", "n1")
    assert (move.source_host, move.type, move.status) == (HOST, "evacuation", "ongoing")
    assert move.start_time.tzinfo is not None
    moves.end("g1", "node2.maas", "")
    assert (move.status, move.dest_host, move.message) == ("succeeded", "node2.maas", None)
    assert move.end_time >= move.start_time


def test_one_that_fails_says_why_in_as_many_words_as_there_is_room_for() -> None:
    objects = Objects()
    moves = objects.moves()
    moves.begin("g1")
    moves.end("g1", "", "No valid host. " * 40)
    (move,) = objects.saved
    assert move.status == "failed"
    assert move.message.startswith("No valid host.")
    assert len(move.message) == 255
    assert not hasattr(move, "dest_host")


def test_the_next_attempt_goes_on_with_the_moves_of_the_last_one() -> None:
    objects = Objects("g1", "g2")
    moves = objects.moves()
    for uuid in ("g1", "g2", "g3"):
        moves.begin(uuid)
        moves.begin(uuid)
    assert [move.instance_uuid for move in objects.saved] == ["g1", "g2", "g3"]
    assert {move.status for move in objects.saved} == {"ongoing"}


@pytest.mark.parametrize("when", ["before", "in between"])
def test_what_cannot_be_written_stops_no_recovery(when: str) -> None:
    objects = Objects()
    moves = objects.moves()
    objects.broken = when == "before"
    moves.begin("g1")
    objects.broken = True
    moves.end("g1", "node2.maas", "")
    objects.broken = False
    moves.begin("g2")
    moves.end("g2", "node2.maas", "")
    assert [move.instance_uuid for move in objects.saved][-1] == "g2"


def test_an_older_masakari_has_no_such_list() -> None:
    moves = Moves("context", SimpleNamespace(), "n1", HOST)
    moves.begin("g1")
    moves.end("g1", "", "for a reason")
