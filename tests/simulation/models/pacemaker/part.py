"""What the parts of the model of Pacemaker have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.models.pacemaker.cluster import Cluster


class Part:
    """One subject of the model.

    Args:
        cluster: what all its parts share; by it they ask each other.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.kernel = cluster.kernel
        self.world = cluster.world
        self.rng = cluster.rng
