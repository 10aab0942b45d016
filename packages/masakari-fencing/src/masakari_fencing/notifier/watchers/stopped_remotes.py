"""Takes hypervisors back into the cluster whose pacemaker_remote was stopped in an orderly way.

Before that daemon stops, the pacemaker-remote charm marks the connection and takes it out of
Pacemaker's hands, so that nothing is fenced. From then on the hypervisor cannot undo it by
itself: the cluster does not connect to it any more. So the members look for such connections, and
hand them back to Pacemaker as soon as the daemon answers again, with the same key.
"""

from __future__ import annotations

import hashlib
import logging
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from masakari_fencing.commands import Runner
from masakari_fencing.notifier.watchers.watcher import RANK_DELAY, RankDelay
from masakari_fencing.pacemaker import crm_mon, readmission, tools
from masakari_fencing.pacemaker.remote_nodes import MARK, PORT, PROBES, answers

LOG = logging.getLogger(__name__)

INTERVAL = 3.0
"""Seconds between two looks."""

AUTHKEY = Path("/etc/pacemaker/authkey")


def fingerprint(authkey: Path = AUTHKEY) -> str:
    """Return what the hypervisor marks its connection with: it stands for the key.

    Raises:
        OSError: the key cannot be read.
    """
    return hashlib.sha256(authkey.read_bytes()).hexdigest()[:16]


@dataclass(frozen=True)
class Candidate:
    """A marked connection.

    Attributes:
        node: the remote node.
        address: where its daemon listens.
        port: the TCP port.
        mark: the fingerprint of its key.
    """

    node: str
    address: str
    port: int
    mark: str


@dataclass
class StoppedRemotes:
    """Looks for marked connections and hands them back.

    Attributes:
        runner: runs Pacemaker's commands.
        configuration: returns the cluster's.
        rank: this member's place among the members; the first acts at once.
        key: returns the fingerprint of this member's key.
        reachable: whether a daemon accepts connections.
        clock: seconds, only ever compared with each other.
    """

    runner: Runner
    configuration: Callable[[], ET.Element]
    rank: Callable[[str], int | None]
    key: Callable[[], str] = fingerprint
    reachable: Callable[[str, int], bool] = answers
    clock: Callable[[], float] = time.monotonic
    _rank_delay: RankDelay = field(init=False)
    _told: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rank_delay = RankDelay(self.clock, self.rank, RANK_DELAY)

    def check(self) -> list[str]:
        """Hand every connection back that can be.

        Returns:
            the nodes.

        Raises:
            PacemakerError: the cluster does not answer, or refused.
            OSError: this member's key cannot be read.
        """
        found = self._candidates()
        names = {candidate.node for candidate in found}
        self._rank_delay.keep(names)
        self._told = {node: text for node, text in self._told.items() if node in names}
        if not found:
            return []
        status = crm_mon.status(self.runner)
        with ThreadPoolExecutor(min(PROBES, len(found))) as pool:
            # Those that do not answer take a second each.
            obstacles = list(pool.map(lambda one: self._obstacle(one, status), found))
        return [
            candidate.node
            for candidate, obstacle in zip(found, obstacles, strict=True)
            if self._readmit(candidate, status, obstacle)
        ]

    def _candidates(self) -> list[Candidate]:
        remotes = self.configuration().iterfind(".//primitive[@type='remote']")
        mark = f"meta_attributes/nvpair[@name='{MARK}']"
        found = [_candidate(one) for one in remotes if one.find(mark) is not None]
        return [candidate for candidate in found if candidate is not None]

    def _readmit(self, candidate: Candidate, status: crm_mon.Status, obstacle: str | None) -> bool:
        node = candidate.node
        if obstacle is not None:
            self._rank_delay.forget(node)
            if obstacle and self._told.get(node) != obstacle:
                LOG.info("%s stays out of Pacemaker's hands: %s", node, obstacle)
                self._told[node] = obstacle
            return False
        if not self._rank_delay.mine(node):
            return False
        connection = status.connection(node)
        if connection is not None and connection.role != "Stopped":
            # Probed anew, it turns out to be stopped; it is handed back at the next look.
            readmission.connect(self.runner, node)
            return False
        readmission.connect(self.runner, node)
        if not self.reachable(candidate.address, candidate.port):
            # The cluster took its time, and would fence one that has gone again.
            return False
        self._hand_back(node)
        return True

    def _obstacle(self, candidate: Candidate, status: crm_mon.Status) -> str | None:
        """Return why it cannot be handed back; empty where there is nothing to say about it."""
        nodes = status.named(candidate.node)
        connection = status.connection(candidate.node)
        if connection is None or len(nodes) != 1:
            return "the cluster does not know it"
        if connection.managed or nodes[0].online:
            # The mark comes before the stop, and the node takes it away itself while connected.
            return ""
        # One that ended in the middle of a monitor has failed, and counts as started.
        if connection.role != "Stopped" and not connection.failed:
            return f"its connection is {connection.role}: clean it up by hand"
        if candidate.mark != self.key():
            return "it was stopped with another key, so a connection would fail and be fenced"
        if not self.reachable(candidate.address, candidate.port):
            return "its pacemaker_remote does not answer"
        return None

    def _hand_back(self, node: str) -> None:
        for name in ("is-managed", MARK):
            argv = ["crm_resource", "--resource", node, "--meta", "--delete-parameter", name]
            tools.run(self.runner, argv, timeout=30)
        self._rank_delay.forget(node)
        LOG.info("%s is back in Pacemaker's hands: its pacemaker_remote answers again", node)


def _candidate(primitive: ET.Element) -> Candidate | None:
    node = primitive.get("id", "")
    pairs = {
        pair.get("name", ""): pair.get("value", "")
        for pair in primitive.iterfind("instance_attributes/nvpair")
    }
    meta = {
        pair.get("name", ""): pair.get("value", "")
        for pair in primitive.iterfind("meta_attributes/nvpair")
    }
    if not tools.NODE_NAME.fullmatch(node) or meta.get("is-managed") != "false":
        return None
    port = pairs.get("port", "")
    return Candidate(
        node=node,
        address=pairs.get("server") or node,
        port=int(port) if port.isdigit() else PORT,
        mark=meta.get(MARK, ""),
    )
