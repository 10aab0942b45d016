"""Unit databags as plain dictionaries, and which of several answers to believe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ops

Bag = Mapping[str, str]
"""What one unit has published, without empty values."""


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
