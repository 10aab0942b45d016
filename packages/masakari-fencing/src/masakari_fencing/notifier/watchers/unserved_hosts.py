"""Which hypervisors Masakari does not look after: their segment is disabled, or they are in none.

What is off is off: Pacemaker is not let fence them, and nobody has them fenced, until somebody
asks for it. The fence agent cannot ask Masakari in the middle of a fencing, so the notifiers keep
a list in the cluster's configuration: every member has it, it outlives each of them, and all judge
alike. It changes only with the segments. While Masakari does not answer, the last word stands:
without Masakari nobody can have changed it. Without any list, all are looked after.
"""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable

from masakari_fencing.commands import Runner
from masakari_fencing.notifier.watchers.watcher import Turns
from masakari_fencing.openstack.masakari_api import Host
from masakari_fencing.pacemaker import properties

RANK_DELAY = 30.0
"""Seconds that each further member leaves to those before it."""


class UnservedHosts:
    """Keeps the list up to date.

    Args:
        runner: runs Pacemaker's commands.
        configuration: returns the cluster's.
        rank: this member's place among the members; the first acts at once.
        clock: seconds, only ever compared with each other.
    """

    def __init__(
        self,
        runner: Runner,
        configuration: Callable[[], ET.Element],
        rank: Callable[[str], int | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runner = runner
        self._configuration = configuration
        self._turns = Turns(clock, rank, RANK_DELAY)

    def update(self, hosts: Iterable[Host]) -> bool:
        """Have the list say what the segments say now; see `properties.tell_unserved`.

        Args:
            hosts: those of all segments.

        Returns:
            whether it was changed.

        Raises:
            PacemakerError: the cluster does not answer, or refused.
        """
        configuration = self._configuration()
        enabled = {host.name: host.enabled for host in hosts}
        wanted = properties.unserved_by(configuration, enabled)
        if not self._turns.due("", needed=wanted != properties.unserved(configuration)):
            return False
        return properties.tell_unserved(self._runner, configuration, enabled)
