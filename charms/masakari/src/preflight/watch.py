"""What the status says of the next disaster; looked at in update-status, and kept in between."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from instance_ha_common.machine.memory import Memory
from masakari_fencing.records.foresight import Room

if TYPE_CHECKING:
    from instance_ha_common.machine.host import Host

    from state import State

_NAME = "preflight"
_APART = 60.0
"""Seconds between two looks, however often update-status comes."""
_OLD = 1800.0
"""Seconds after which what was seen is not said any more."""


class Watch:
    """Looks at the cloud for the leader, and remembers what the status needs of it."""

    def __init__(self, memory: Memory, clock: Callable[[], float] = time.time) -> None:
        self._memory = memory
        self._clock = clock

    def check(self, state: State, host: Host) -> None:
        """Look, unless the last look is recent or an API does not answer.

        Args:
            state: what Juju knows; Keystone has answered.
            host: this unit's machine.
        """
        from masakari_fencing.openstack.rest import ApiError

        wanted = state.config.segment_host_failures
        seen = self._memory.read(_NAME, dict)
        now = self._clock()
        if seen.get("wanted") == wanted and self._age(seen, "tried", now) < _APART:
            return
        try:
            found = _look(state, host)
        except ApiError as error:
            found = {**seen, "error": str(error)}
        else:
            found |= {"time": now, "error": ""}
        self._memory.write(_NAME, {**found, "tried": now, "wanted": wanted})

    def blocks(self) -> list[str]:
        """Why nothing, or not a certain host, would be recovered; each with its cure."""
        return self._said("blocks")

    def notes(self) -> list[str]:
        """What else the operator should know."""
        seen = self._memory.read(_NAME, dict)
        if seen.get("error") and self._age(seen, "time", self._clock()) >= _OLD:
            return [f"whether there is room for recoveries is not known: {seen['error']}"]
        return self._said("notes")

    def rooms(self) -> tuple[float, dict[str, Room]]:
        """When the room for recoveries was last seen, and how much each segment has."""
        seen = self._memory.read(_NAME, dict)
        if self._age(seen, "time", self._clock()) >= _OLD:
            return 0.0, {}
        rooms = seen.get("rooms")
        found = rooms.items() if isinstance(rooms, dict) else ()
        return float(seen["time"]), {name: Room(*room) for name, room in found}

    def _said(self, kind: str) -> list[str]:
        seen = self._memory.read(_NAME, dict)
        old = self._age(seen, "time", self._clock()) >= _OLD
        said = seen.get(kind)
        return list(map(str, said)) if isinstance(said, list) and not old else []

    @staticmethod
    def _age(seen: dict[str, Any], what: str, now: float) -> float:
        try:
            age = now - float(seen[what])
        except (KeyError, TypeError, ValueError):
            return float("inf")
        return age if age >= 0 else float("inf")


def _look(state: State, host: Host) -> dict[str, Any]:
    # Not at the top of the module: few hooks look.
    from preflight import capacity, checks, rehearsal, survey
    from segments import access

    wanted = state.config.segment_host_failures
    assert state.identity is not None  # noqa: S101 - the caller's condition
    cloud = access.connect(state.identity, state, host, patient=False)
    there = survey.take(cloud)
    rules = rehearsal.rules(state.config, cloud.own_project())
    # A host that is named otherwise elsewhere the notifier has found by itself.
    found = capacity.survivals(there, rules, wanted) if wanted else []
    return {
        "blocks": [str(finding) for finding in checks.of_programs(there)],
        "notes": [
            *(text for one in found if (text := capacity.note(one, wanted))),
            *rehearsal.left_alone(there, rules),
            *_outsiders(host, there.known),
        ],
        "rooms": {one.segment: [one.survives, min(wanted, one.checked)] for one in found},
    }


def _outsiders(host: Host, known: frozenset[str]) -> list[str]:
    from masakari_fencing.pacemaker import cibadmin, properties
    from masakari_fencing.pacemaker.tools import PacemakerError

    from preflight.findings import enumerated

    try:
        found = properties.outsiders(cibadmin.cib(host.runner), known)
    except PacemakerError:
        return []  # The status says so.
    return [f"in no failover segment: {enumerated(found)}; see add-hosts"] if found else []
