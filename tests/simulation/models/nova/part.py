"""What the parts of the model of Nova have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.models.nova.nova import Nova


class Part:
    """One subject of the model.

    Args:
        nova: what all its parts share; by it they ask each other.
    """

    def __init__(self, nova: Nova) -> None:
        self.nova = nova
        self.kernel = nova.kernel
        self.world = nova.world
