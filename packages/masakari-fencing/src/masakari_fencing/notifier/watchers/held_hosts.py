"""Switches hosts on that were switched off for a recovery which has ended.

A host that came back before its instances were recovered is not rebooted again, but switched off:
what has to be done for it may take longer than it takes to boot. Its record says so before it is
done; so whoever ends the recovery, and however it ends, the host gets its power back.

One that carries a member of the cluster gets it back as well where the cluster is without quorum:
another member has died meanwhile, and without this one nobody could end the recovery any more.
"""

from __future__ import annotations

import logging
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from masakari_fencing.notifier.watchers.watcher import Since, Watcher
from masakari_fencing.pacemaker import cibadmin, crm_mon, machines, stonith_admin
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records import disarmed, recoveries
from masakari_fencing.records.recoveries import Records, Superseded
from masakari_fencing.records.recovery import Record

LOG = logging.getLogger(__name__)

TIMEOUT = 90.0
"""Seconds for a host to be switched on."""

PAUSE = 30.0
"""Seconds before one is tried again whose power controller did not do it."""

ALONE = 120.0
"""Seconds without quorum after which one that carries a member is needed. A member that is merely
cut off from the others sees the same; for most recoveries this is long enough."""

OUTDATED = 1800.0
"""Seconds without quorum after which what a member knows of recoveries is of another time."""


@dataclass
class HeldHosts(Watcher):
    """Looks for such hosts; only the first member in order does, and who is without quorum.

    Attributes:
        clock: seconds, only ever compared with each other.
        now: seconds since the epoch.
    """

    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    _pause_until: float = 0.0
    _alone: Since = field(init=False)
    _called: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self._alone = Since(self.clock)

    def check(self) -> list[str]:
        """Switch on every one that need not stay off.

        Returns:
            the hosts.

        Raises:
            PacemakerError: the cluster does not answer, or one could not be switched on.
        """
        configuration = cibadmin.configuration(self.runner)
        held = [record for record in recoveries.all_of(configuration) if record.held]
        status = crm_mon.status(self.runner) if held else None
        if status is None or status.quorum:
            self._alone.forget("quorum")
            self._called.clear()
        if status is None:
            return []
        if status.quorum:
            found = [one for one in held if one.lets_go] if self.controls(status) else []
        else:
            found = self._needed(held, status, configuration)
        if self.clock() < self._pause_until:
            return []
        failures: list[PacemakerError] = []
        on = []
        for record in found:
            try:
                stonith_admin.switch_on(self.runner, _node(status, record), timeout=TIMEOUT)
            except PacemakerError as error:
                failures.append(error)
                continue
            on.append(record.host)
            if not status.quorum:
                self._called.add(record.host)
                LOG.warning("%s is on again: its member of the cluster is needed", record.host)
                continue
            LOG.info("%s was off for its recovery, which has ended; it is on", record.host)
            # Whoever takes the recovery up meanwhile keeps what it says.
            with suppress(Superseded):
                Records(self.runner).write(record, replace(record, held=False))
        if failures:
            self._pause_until = self.clock() + PAUSE
            raise failures[0]
        return on

    def _needed(
        self, held: list[Record], status: crm_mon.Status, configuration: ET.Element
    ) -> list[Record]:
        """Return those that carry a member, once the cluster has long been without quorum."""
        if not ALONE <= self._alone.seconds("quorum") < OUTDATED:
            return []
        return [
            record
            for record in held
            if record.host not in self._called
            and machines.members_with(status, configuration, _node(status, record))
            and disarmed.in_force(configuration, record.host, self.now()) is None
        ]


def _node(status: crm_mon.Status, record: Record) -> str:
    """Return the node as the cluster writes it, which a record without a proof does not say."""
    names = [node.name for node in status.named(record.host) if node.kind == "remote"]
    return names[0] if len(names) == 1 else record.node
