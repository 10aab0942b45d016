"""Keeps the fencer from asking its devices for their lists just when it must fence.

Before each fencing, the fencer of every member says which of its devices can fence the node. A
device that keeps its own list, such as MAAS's, is asked again for it when the last answer is more
than a minute old, which takes a second or two. So it is asked beforehand, as soon as it is old.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import crm_mon, tools

LOOKUP = 60.0
"""Seconds between two looks at which nodes there are."""


class DeviceLists:
    """The lists of this member's fencer.

    Args:
        runner: runs Pacemaker's commands.
        clock: seconds, only ever compared with each other.
    """

    def __init__(self, runner: Runner, clock: Callable[[], float] = time.monotonic) -> None:
        self._runner = runner
        self._clock = clock
        self._node: str | None = None
        self._looked: float | None = None

    def refresh(self) -> None:
        """Have the fencer renew its lists if they are old; cheap if they are not.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        now = self._clock()
        if self._looked is None or now - self._looked > LOOKUP:
            nodes = crm_mon.status(self._runner).nodes
            self._node = next((node.name for node in nodes if node.kind == "remote"), None)
            self._looked = now
        if self._node is not None:
            argv = ["stonith_admin", "--list", self._node, "--timeout=20"]
            tools.run(self._runner, argv, timeout=30)
