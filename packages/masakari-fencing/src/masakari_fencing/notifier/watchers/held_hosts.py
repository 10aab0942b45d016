"""Switches hosts on that were switched off for a recovery which has ended.

A host that came back before its instances were recovered is not rebooted again, but switched off:
what has to be done for it may take longer than it takes to boot. Its record says so before it is
done; so whoever ends the recovery, and however it ends, the host gets its power back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from masakari_fencing.notifier.watchers.watcher import Watcher
from masakari_fencing.pacemaker import cibadmin, crm_mon, stonith_admin
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records import recoveries
from masakari_fencing.records.recoveries import Records, Superseded

LOG = logging.getLogger(__name__)

TIMEOUT = 90.0
"""Seconds for a host to be switched on."""

PAUSE = 30.0
"""Seconds before one is tried again whose power controller did not do it."""


@dataclass
class HeldHosts(Watcher):
    """Looks for such hosts; only the cluster's controller does.

    Attributes:
        clock: seconds, only ever compared with each other.
    """

    clock: Callable[[], float] = time.monotonic
    _pause_until: float = 0.0

    def check(self) -> list[str]:
        """Switch on every one that need not stay off.

        Returns:
            the hosts.

        Raises:
            PacemakerError: the cluster does not answer, or one could not be switched on.
        """
        if self.clock() < self._pause_until:
            return []
        configuration = cibadmin.configuration(self.runner)
        found = [record for record in recoveries.all_of(configuration) if record.lets_go]
        if not found:
            return []
        if not self.controls(crm_mon.status(self.runner)):
            return []
        failures: list[PacemakerError] = []
        on = []
        for record in found:
            node = record.proof.node if record.proof and record.proof.node else record.host
            try:
                stonith_admin.switch_on(self.runner, node, timeout=TIMEOUT)
            except PacemakerError as error:
                failures.append(error)
                continue
            on.append(record.host)
            LOG.info("%s was off for its recovery, which has ended; it is on", record.host)
            # Whoever takes the recovery up meanwhile keeps what it says.
            with suppress(Superseded):
                Records(self.runner).write(record, replace(record, held=False))
        if failures:
            self._pause_until = self.clock() + PAUSE
            raise failures[0]
        return on
