"""Watches Corosync's membership: whether the quorum was ever lost, and who is not there.

A member that is cut off goes on with a copy of the cluster's information base, in which hooks and
operators change things. It must not undo, once it is back, what the others have recorded of their
recoveries meanwhile: `cibadmin.outdate_others`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from masakari_fencing import quorum_since
from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import cibadmin
from masakari_fencing.pacemaker.tools import PacemakerError, output

INTERVAL = 2.0
"""Seconds between two looks: no host boots as quickly, and a member that was cut off elects itself
controller, without which nothing changes in its copy, no sooner either."""

_RING = re.compile(r"^Ring ID:\s*(\S+)", re.MULTILINE)
_QUORATE = re.compile(r"^Quorate:\s*(Yes|No)", re.MULTILINE)


@dataclass
class Membership:
    """Says since when this member's part of the cluster is as it is, with quorum.

    Attributes:
        runner: runs Corosync's and Pacemaker's commands.
        path: where it is said.
        clock: seconds since the epoch.
    """

    runner: Runner
    path: Path = quorum_since.FILE
    clock: Callable[[], float] = time.time
    _ring: str = ""
    _newest: str = ""

    def check(self) -> None:
        """Say it anew where it has changed, and outdate the copies of those who are not there.

        Raises:
            PacemakerError: Corosync or the cluster does not answer.
            OSError: it cannot be written down.
        """
        ring = quorate_ring(self.runner)
        if ring and ring != self._ring:
            quorum_since.write(self.clock(), self.path)
        self._ring = ring
        # In a part without quorum Corosync has named none.
        if ring and ring != self._newest:
            cibadmin.outdate_others(self.runner)
            self._newest = ring


def quorate_ring(runner: Runner) -> str:
    """Return the identifier of this member's membership; empty where that has no quorum.

    Raises:
        PacemakerError: Corosync does not answer.
    """
    argv = ["corosync-quorumtool", "-s"]
    answer = runner.run(argv, timeout=15, check=False)
    ring, quorate = _RING.search(answer.stdout), _QUORATE.search(answer.stdout)
    if not (ring and quorate):  # It ends with 1 also where there is no quorum.
        output(argv, answer)
        raise PacemakerError("corosync-quorumtool does not say whether there is a quorum")
    return ring[1] if quorate[1] == "Yes" else ""
