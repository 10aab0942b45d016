"""Masakari's own list of an attempt's moves, which operators read (API 1.3, since 2023.1)."""

from __future__ import annotations

import contextlib
import datetime
from typing import Any


class Moves:
    """The moves of one notification; nothing where Masakari has no such list.

    What cannot be written is no reason to recover nothing: nothing depends on it.

    Args:
        context: an admin context of Masakari.
        objects: the module `masakari.objects`.
        notification: identifier of the notification.
        host: name of the failed host.
    """

    def __init__(self, context: Any, objects: Any, notification: str, host: str) -> None:
        self._context = context
        self._objects = objects
        self._kept = hasattr(objects, "VMoveList")
        self._notification = notification
        self._host = host
        self._moves: dict[str, Any] = {}

    def begin(self, uuid: str) -> None:
        """Write down that an instance is being evacuated; once, however often that is tried."""
        if not self._kept:
            return
        with contextlib.suppress(Exception):
            move = self._known().get(uuid) or self._new(uuid)
            move.status = "ongoing"
            move.start_time = datetime.datetime.now(datetime.timezone.utc)
            move.save()
            self._moves[uuid] = move

    def end(self, uuid: str, host: str, reason: str) -> None:
        """Write down where an instance is now; without a host, why it is not moved."""
        move = self._moves.get(uuid)
        if move is None:
            return
        with contextlib.suppress(Exception):
            move.status = "failed" if reason else "succeeded"
            if host:
                move.dest_host = host
            # Masakari's column holds 255 characters.
            move.message = reason[:255] or None
            move.end_time = datetime.datetime.now(datetime.timezone.utc)
            move.save()

    def _known(self) -> dict[str, Any]:
        if not self._moves:
            found = self._objects.VMoveList.get_all_vmoves(self._context, self._notification)
            self._moves = {move.instance_uuid: move for move in found}
        return self._moves

    def _new(self, uuid: str) -> Any:
        move = self._objects.VMove(context=self._context)
        move.instance_uuid = move.instance_name = uuid
        move.notification_uuid = self._notification
        move.source_host = self._host
        move.status = "pending"
        move.type = "evacuation"
        move.create()
        return move
