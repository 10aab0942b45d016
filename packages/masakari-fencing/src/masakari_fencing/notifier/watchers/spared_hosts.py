"""Takes hypervisors back that Pacemaker had lost, and that were spared.

The witnesses objected to their fencing, or Masakari does not look after them (`unserved_hosts`).
Such a hypervisor stays unclean: Pacemaker wants to fence it for as long as it exists. Once its
pacemaker_remote can be reached again, nothing is left to fence it for, and its guests have been
running all the time.
"""

from __future__ import annotations

import logging
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from masakari_fencing import witnesses
from masakari_fencing.commands import Runner
from masakari_fencing.notifier.watchers.watcher import RANK_DELAY, Turns
from masakari_fencing.pacemaker import crm_mon, properties, readmission, remote_nodes
from masakari_fencing.pacemaker.fencing_limit import AGENT
from masakari_fencing.pacemaker.remote_nodes import answers

LOG = logging.getLogger(__name__)

PAUSE = 60.0
"""Seconds before one is tried again that was taken back in vain: its pacemaker_remote accepts
connections and does not answer, say. Each further time it is twice as long."""

PAUSE_MAX = 900.0

ASKED_AT_ONCE = 8
"""About how many hypervisors the others are asked side by side."""

_ASKED = f".//primitive[@type='{AGENT}']//nvpair[@name='matrix'][@value='true']"


@dataclass
class SparedHosts:
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
    objection: Callable[[list[str], str], str | None] = witnesses.objection
    reachable: Callable[[str, int], bool] = answers
    readmit: Callable[..., list[str]] = readmission.readmit
    clock: Callable[[], float] = time.monotonic
    _turns: Turns = field(init=False)
    _pauses: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Until when each that was taken back in vain is left alone, and how long that is."""

    def __post_init__(self) -> None:
        self._turns = Turns(self.clock, self.rank, RANK_DELAY)

    def check(self) -> list[str]:
        """Take back every hypervisor that can be.

        Returns:
            those that are connected again.

        Raises:
            PacemakerError: the cluster does not answer, or refused.
        """
        ready = [name for name in self._candidates() if self._turns.mine(name)]
        if not ready:
            return []
        back = self.readmit(self.runner, only=ready)
        for name in ready:
            if name in back:
                LOG.info("%s is back, unfenced", name)
            else:
                self._postpone(name)
        return back

    def _postpone(self, name: str) -> None:
        _, last = self._pauses.get(name, (0.0, PAUSE / 2))
        pause = min(2 * last, PAUSE_MAX)
        self._pauses[name] = (self.clock() + pause, pause)
        LOG.warning("%s answers, but no connection comes about; again in %g s", name, pause)

    def _candidates(self) -> list[str]:
        """Return the lost hypervisors that answer again and are not to be fenced."""
        configuration = self.configuration()
        remotes = remote_nodes.addresses(configuration)
        off = {name for name in remotes if properties.reason(configuration, name)}
        asked = configuration.find(_ASKED) is not None
        lost: list[str] = []
        if asked or off:
            nodes = crm_mon.status(self.runner).nodes
            lost = [n.name for n in nodes if n.kind == "remote" and n.unclean]
        self._pauses = {name: kept for name, kept in self._pauses.items() if name in lost}
        lost = [name for name in lost if self.clock() >= self._pauses.get(name, (0.0, 0.0))[0]]
        if not asked:
            lost = [name for name in lost if name in off]
        lost = self._spared(remotes, lost, off)
        self._turns.keep(lost)
        return lost

    def _spared(
        self, addresses: dict[str, tuple[str, int]], names: list[str], off: set[str]
    ) -> list[str]:
        """Return those that answer, and are not to be fenced; all are tried at once."""
        known = [name for name in names if name in addresses]
        there = remote_nodes.answering(addresses, known, self.reachable)

        def spared(name: str) -> bool:
            if name in off:
                return True
            others = [address for other, (address, _) in addresses.items() if other != name]
            return self.objection(others, name) is not None

        if not there:
            return []
        with ThreadPoolExecutor(min(ASKED_AT_ONCE, len(there))) as pool:
            objected = pool.map(spared, there)
            return [name for name, yes in zip(there, objected, strict=True) if yes]
