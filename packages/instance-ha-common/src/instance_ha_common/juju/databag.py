"""Unit databags as plain dictionaries, which of several answers to believe, and what is gone."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ops

logger = logging.getLogger(__name__)

Bag = Mapping[str, str]
"""What one unit has published, without empty values."""

_GONE = re.compile(r"permission denied|relation( \S+)? not found|settings not found")
"""Juju's words for a relation that has gone under the hook: those of 3.6 and those of 4."""


def bag(data: Mapping[str, str]) -> dict[str, str]:
    """One databag, without the values that mean "absent".

    Peers blank a key instead of deleting it, and some store the words `None` or `__null__`.
    """
    return {k: v for k, v in data.items() if v and v not in ("None", "__null__")}


def unit_bags(relations: Iterable[ops.Relation]) -> dict[str, dict[str, str]]:
    """Databag of each remote unit, by unit name, over all relations of an endpoint."""
    return {
        unit.name: bag(relation.data[unit]) for relation in relations for unit in relation.units
    }


def gone(error: ops.ModelError) -> bool:
    """Whether an error tells that a relation, or this unit's part in it, exists no more."""
    return type(error).__name__ == "RelationNotFoundError" or bool(_GONE.search(str(error)))


def publish(
    relation: ops.Relation, owner: ops.Unit | ops.Application, values: Mapping[str, str]
) -> None:
    """Write what differs into an own databag; an empty value deletes its key.

    While an application goes, its relations go together: in a hook of one, others are gone. What
    would have been written there interests nobody any more.

    Raises:
        ModelError: Juju refuses for another reason.
    """
    import ops

    try:
        own = relation.data[owner]
        own.update({k: v for k, v in values.items() if own.get(k, "") != v})
    except ops.ModelError as error:
        if not gone(error):
            raise
        logger.info("relation %s:%s is gone", relation.name, relation.id)


def choose(
    bags: Mapping[str, Bag], complete: Callable[[Bag], bool], newest: str | None = None
) -> str | None:
    """Name of the unit whose answer counts.

    A leader that answers for its application leaves its last answer in its own bag when it stops
    being the leader, and later changes appear in the new leader's bag alone. So the unit whose
    complete data changed last is right.

    Args:
        bags: what each unit has published.
        complete: whether a bag is a whole answer.
        newest: the unit whose databag changed last, if that is known.

    Returns:
        `newest` when its answer is complete, else the first of the others in order of name that
        has one, else None.
    """
    if newest is not None and newest in bags and complete(bags[newest]):
        return newest
    return next((name for name in sorted(bags) if complete(bags[name])), None)
