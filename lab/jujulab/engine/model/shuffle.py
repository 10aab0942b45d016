"""The order of what a real Juju leaves open, by a seed.

Juju's agent goes over a unit's relations in the order of one of Go's maps, which is another one
each time (`NextOp` of its resolvers for relations, 3.6 and 4); the units of a machine contend for
its lock; and a cloud does not give all machines at the same time. What Juju does hold to, such as
the order of the hooks of one relation, stays.

The lab has an order of its own, so that a test sees the same twice. With LAB_SHUFFLE, a seed (any
text), in the environment of whoever starts the controller, the order is drawn: the same choice for
the same seed in the same situation.
"""

import hashlib
import os
from collections.abc import Callable, Iterable
from typing import TypeVar

SEED = os.environ.get("LAB_SHUFFLE", "")
"""What the order is drawn from; empty for the lab's own order."""

SPREAD = 40.0
"""Seconds within which machines that are asked for together are given."""

T = TypeVar("T")


def shuffled(items: Iterable[T], key: Callable[[T], object]) -> list[T]:
    """Return the items in the order that is drawn; as they come without a seed.

    The key names an item and the situation that the choice is made in.
    """
    return sorted(items, key=lambda item: _draw(key(item))) if SEED else list(items)


def lateness(machine: str) -> float:
    """Return how many seconds after it was asked for a machine is given; 0 without a seed."""
    return SPREAD * int(_draw(("machine", machine))[:8], 16) / 16**8 if SEED else 0.0


def _draw(situation: object) -> str:
    return hashlib.sha256(f"{SEED} {situation}".encode()).hexdigest()
