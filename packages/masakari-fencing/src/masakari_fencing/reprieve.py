"""Takes hypervisors back that Pacemaker had lost, and whose fencing the witnesses objected to.

Such a hypervisor stays unclean: Pacemaker wants to fence it for as long as it exists. Once its
pacemaker_remote can be reached again, nothing is left to fence it for, and its guests have been
running all the time.
"""

from __future__ import annotations

import logging
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field

from masakari_fencing import guard, pacemaker, testimony
from masakari_fencing.commands import Runner
from masakari_fencing.readmission import RANK_DELAY, answers

LOG = logging.getLogger(__name__)

_ASKED = ".//primitive[@type='fence_masakari_guard']//nvpair[@name='matrix'][@value='true']"


@dataclass
class Reprieve:
    """Looks for such hypervisors.

    Attributes:
        runner: runs Pacemaker's commands.
        configuration: returns the cluster's.
        rank: this member's place among the members; the first acts at once.
        objection: whether the other hypervisors object to fencing one.
        reachable: whether a daemon accepts connections.
        readmit: takes hypervisors back.
        clock: seconds, only ever compared with each other.
    """

    runner: Runner
    configuration: Callable[[], ET.Element]
    rank: Callable[[str], int | None]
    objection: Callable[[list[str], str], str | None] = testimony.objection
    reachable: Callable[[str, int], bool] = answers
    readmit: Callable[..., list[str]] = guard.readmit
    clock: Callable[[], float] = time.monotonic
    _ready: dict[str, float] = field(default_factory=dict)

    def look(self) -> list[str]:
        """Take back every hypervisor that can be.

        Returns:
            those that are connected again.

        Raises:
            PacemakerError: the cluster does not answer, or refused.
        """
        ready = [name for name in self._candidates() if self._due(name)]
        if not ready:
            return []
        back = self.readmit(self.runner, only=ready)
        for name in back:
            LOG.info("%s is back, unfenced: it could be reached in other networks", name)
        return back

    def _candidates(self) -> list[str]:
        """Return the lost hypervisors that answer again and that the others object to fencing."""
        configuration = self.configuration()
        lost: list[str] = []
        if configuration.find(_ASKED) is not None:
            nodes = pacemaker.status(self.runner).nodes
            lost = [n.name for n in nodes if n.kind == "remote" and n.unclean]
        lost = [name for name in lost if self._spared(configuration, name)]
        self._ready = {name: since for name, since in self._ready.items() if name in lost}
        return lost

    def _spared(self, configuration: ET.Element, name: str) -> bool:
        addresses = guard.addresses(configuration)
        if name not in addresses or not self.reachable(*addresses[name]):
            return False
        others = [address for other, (address, _) in addresses.items() if other != name]
        return self.objection(others, name) is not None

    def _due(self, name: str) -> bool:
        since = self._ready.setdefault(name, self.clock())
        rank = self.rank(name)
        return rank is not None and self.clock() - since >= rank * RANK_DELAY
