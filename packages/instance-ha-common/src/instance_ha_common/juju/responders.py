"""Which of several units that answered is right.

A leader answers for its whole application, in its own databag, and leaves that answer behind when
it is no longer the leader. Later answers then stand in the new leader's databag alone. Juju does
not tell when a databag was written, so the charm remembers which one changed last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from instance_ha_common.juju import databag
from instance_ha_common.machine.memory import Memory

_MEMORY = "responders"


class Responders:
    """Chooses the unit whose complete answer is the newest, endpoint by endpoint."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def adopt(self, endpoint: str, bags: Mapping[str, databag.Bag], newest: str | None) -> None:
        """Take over what was known, by other means, of an endpoint that is new here.

        Args:
            endpoint: the relation.
            bags: databag of each unit.
            newest: the unit whose answer was the newest.
        """
        record = self._memory.read(_MEMORY, dict)
        if newest and endpoint not in record:
            known = {unit: _digest(bag) for unit, bag in bags.items()}
            record[endpoint] = {"known": known, "newest": newest}
            self._memory.write(_MEMORY, record)

    def choose(
        self,
        endpoint: str,
        bags: Mapping[str, databag.Bag],
        complete: Callable[[databag.Bag], bool],
        event_unit: str | None,
    ) -> str | None:
        """Name of the unit to believe; None if none has a complete answer.

        Args:
            endpoint: the relation.
            bags: databag of each unit.
            complete: whether a databag is a complete answer.
            event_unit: the unit that this hook is about, if it is about one.
        """
        record = self._memory.read(_MEMORY, dict)
        known, newest = _entry(record.get(endpoint))
        digests = {unit: _digest(bag) for unit, bag in bags.items() if complete(bag)}
        changed = sorted(unit for unit in digests if known.get(unit) != digests[unit])
        if changed:
            newest = event_unit if event_unit in changed else changed[0]
        chosen = databag.choose(bags, complete, newest)
        # What a unit said before its answer became incomplete is still not news.
        known = {unit: old for unit, old in {**known, **digests}.items() if unit in bags}
        entry = {"known": known, "newest": chosen or newest}
        if record.get(endpoint) != entry and (digests or endpoint in record):
            record[endpoint] = entry
            self._memory.write(_MEMORY, record)
        return chosen


def _entry(entry: object) -> tuple[dict[str, str], str | None]:
    if not isinstance(entry, dict) or not isinstance(entry.get("known"), dict):
        return {}, None
    return entry["known"], entry.get("newest")


def _digest(bag: databag.Bag) -> str:
    own = {"egress-subnets", "ingress-address", "private-address"}  # Juju's, not the answer's
    answer = sorted((key, value) for key, value in bag.items() if key not in own)
    return hashlib.sha256(repr(answer).encode()).hexdigest()
