"""Why the evacuations of an instance have failed on their new hosts, as far as Nova says.

An instance's own fault is that of the last failure of all, and Nova shows it only while it calls
the instance an error: not once somebody has called it active again, and not where a new host had
no room for it, which leaves the instance as it was. What a nova-compute wrote down with the action
stays (`wrap_instance_event` of nova.compute.utils), in the same words, from microversion 2.84 on.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from typing import Any

from masakari_fencing import times

DETAILS = "2.84"
"""The microversion since which Nova says why an action has failed (21.0.0, Ussuri)."""

ACTION = "evacuate"
"""Nova's action for which an instance is rebuilt on another host."""

EVENT = "compute_rebuild_instance"
"""What a new host's nova-compute calls its part of that."""

FAILED = "failed"
"""What the new host calls it, before it has started the instance, or afterwards."""

UNPLACED = "error"
"""What Nova's conductor calls it that has found no host, or for which the one asked for has no
room; a host that was asked for is on record, and has not heard of it."""

GATED = frozenset({"rebuilding", "rebuild_block_device_mapping"})
"""Nova's tasks of a rebuild that has not begun to start the instance."""

UNCLEAR = (
    "MessagingTimeout", "MessageDelivery", "RemoteError", "DBConnection", "DBError", "DBDeadlock",
    "OperationalError", "UnexpectedTaskState", "Conflict updating instance", "already exists",
)  # fmt: skip
"""Parts of what is said of an instance whose process may run although its evacuation has failed:
the last step of it is to write down where the instance is, once it is started."""

BEFORE_START = re.compile(r"Expected: \{'task_state': \['(\w+)'\]\}")
"""What is said of a task that the new host did not find, and with which it would have come past
one of `GATED`: nothing is started then (`InstanceUpdateConflict` of nova.exception; 26.x to 2025.2
by their source)."""

UNTRIED = "aborted"
"""Part of what is said where a new host had no room, or a server group forbade it
(`BuildAbortException`): it has not looked whether the instance runs there."""

SAME = 5.0
"""Seconds by which the times of one failure may differ, in the record of the evacuation and where
Nova says why."""


class Faults:
    """Why each has failed.

    What is said is of a record where no other has failed at the same time, be it for want of a
    host.

    Args:
        nova: a novaclient, which says what is raised; its microversion may be changed. It is asked
            only where the instance itself does not show the fault.
        server: novaclient's server, where the instance has not got anywhere.
        known: all records of its ways.
    """

    def __init__(self, nova: Any, server: Any, known: Iterable[Any]) -> None:
        self._nova = nova
        self._server = server
        self._failed = [m for m in known if m.status in (FAILED, UNPLACED)]

    def is_unclear(self, migration: Any) -> bool:
        """Whether the instance may run where an evacuation has failed."""
        text = self._text_of(migration)
        gate = BEFORE_START.search(text)
        if gate is not None and gate[1] in GATED:
            return False
        return not text or any(part in text for part in UNCLEAR)

    def has_looked(self, migration: Any) -> bool:
        """Whether the new host of one has looked whether the instance runs there."""
        if migration.status != FAILED:
            return bool(migration.status != UNPLACED)
        text = self._text_of(migration)
        return bool(text) and UNTRIED not in text

    def _text_of(self, migration: Any) -> str:
        if near(changed(migration), map(changed, self._failed)) != 1:
            return ""
        shown = self._of_server
        if not near(changed(migration), [when for when, _ in shown]):
            shown = self._of_actions
        found = {text for when, text in shown if abs(when - changed(migration)) <= SAME}
        return found.pop() if len(found) == 1 else ""

    @functools.cached_property
    def _of_server(self) -> list[tuple[float, str]]:
        fault = getattr(self._server, "fault", None) or {}
        text = str(fault.get("message") or "")
        return [(times.epoch(fault.get("created")) or 0.0, text)] if text else []

    @functools.cached_property
    def _of_actions(self) -> list[tuple[float, str]]:
        return list(self._events())

    def _events(self) -> Iterator[tuple[float, str]]:
        from novaclient import api_versions  # Masakari needs it, nobody else here

        nova, uuid = self._nova, self._server.id
        nova.api_version = api_versions.APIVersion(DETAILS)
        for action in nova.instance_action.list(uuid):
            if action.action != ACTION:
                continue
            for event in nova.instance_action.get(uuid, action.request_id).events or ():
                ended = times.epoch(event.get("finish_time"))
                if event.get("event") == EVENT and event.get("details") and ended:
                    yield ended, str(event["details"])


def near(moment: float, others: Iterable[float]) -> int:
    """Return how many of some times may be of the same failure."""
    return sum(abs(moment - other) <= SAME for other in others)


def changed(migration: Any) -> float:
    """Return when a record was changed last, in seconds since the epoch."""
    return times.epoch(migration.updated_at) or asked(migration)


def asked(migration: Any) -> float:
    """Return when an evacuation was asked for, in seconds since the epoch."""
    return times.epoch(migration.created_at) or 0.0
