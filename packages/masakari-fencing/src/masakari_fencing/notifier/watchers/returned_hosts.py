"""Ends the forced-down state of a hypervisor that was taken back by the cloud's own commands.

Operators of Masakari know how to take a repaired host back: `openstack compute service set
--enable` and `openstack segment host update --on_maintenance=False`. A recovery here has also
forced the host's nova-compute down, which those two commands leave alone, and of which their
documentation says nothing. So whoever has given them gets the rest done.

Only what a recovery forced down is touched: its record says so until the host is in service again.
Where instances were left that could not be recovered, the recovery goes on: it starts those that
do not run where they are (`Record.down`). The action `return-host` comes to the same.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, field, replace

from masakari_fencing.notifier.watchers.watcher import Watcher
from masakari_fencing.openstack.masakari_api import Host, MasakariApi
from masakari_fencing.openstack.nova_api import NovaApi, Service
from masakari_fencing.openstack.rest import ApiError
from masakari_fencing.pacemaker import cibadmin, crm_mon
from masakari_fencing.records import recoveries
from masakari_fencing.records.recoveries import Records, Superseded
from masakari_fencing.records.recovery import FAILED, REFUSED, Record

LOG = logging.getLogger(__name__)

BEFORE = 600.0
"""Seconds by which a fence may be older than the report of the failure (`fence_max_age`)."""


@dataclass
class ReturnedHosts(Watcher):
    """Looks for such hypervisors; only the first member in order does.

    Attributes:
        masakari: says which hosts are in maintenance.
        nova: says which are enabled, and forced down.
    """

    masakari: MasakariApi
    nova: NovaApi
    _told: dict[str, str] = field(default_factory=dict)

    def check(self) -> list[str]:
        """Finish every return that was begun.

        Returns:
            the hosts that are back now.

        Raises:
            PacemakerError: the cluster does not answer.
            ApiError: Masakari or Nova does not answer.
        """
        found = {
            record.host: record
            for record in recoveries.all_of(cibadmin.configuration(self.runner))
            if record.end is not None and (record.down or not record.returned)
        }
        if not found:
            return []
        status = crm_mon.status(self.runner)
        if not self.controls(status):
            return []
        services = {service.host.lower(): service for service in self.nova.services()}
        back = []
        for host in self.masakari.hosts():
            service = services.get(host.name.lower())
            record = found.get(host.name.lower())
            if record is None or service is None or host.on_maintenance:
                continue
            if not service.enabled:
                if record.returned:
                    self._leave(record)
                continue
            # Only where the cluster could fence it if it failed again.
            if not (status.connected(host.name) and self._believe(service)):
                continue
            if self._is_over(host, record, status):
                back.append(host.name)
        return back

    def _is_over(self, host: Host, record: Record, status: crm_mon.Status) -> bool:
        """Write down that the host is in service; return whether its instances are, too."""
        outcome = record.end.outcome if record.end else ""
        if record.down and not record.returned and outcome in (FAILED, REFUSED):
            return False  # `unattended_recoveries` has them started.
        new = record if record.returned else record.taken_back()
        if new.down and new.proof is None:
            new = _dated(new, status, self._reported(host, record))
        new = replace(new, returned=not new.down)
        if not new.down:
            # What it has reserved, and needed, is no use to it any more.
            new = replace(new, instances=None, reserved=())
        with suppress(Superseded):
            Records(self.runner).write(record, new)
        return not new.down

    def _leave(self, record: Record) -> None:
        """Forget what is owed of a host that was returned as a reserved one.

        Nothing is started there, and who has returned it sees to its instances.
        """
        with suppress(Superseded):
            new = replace(record, down=0.0, instances=None, reserved=())
            Records(self.runner).write(record, new)

    def _reported(self, host: Host, record: Record) -> float:
        """Return when the failure was noticed that a recovery is of; 0: nobody knows any more."""
        reports = self.masakari.notifications(host)
        found = (one.generated for one in reports if one.uuid == record.notification)
        return next(found, 0.0)

    def _believe(self, service: Service) -> bool:
        """Have Nova believe the host's nova-compute again; return whether it does."""
        if not service.forced_down:
            return True
        try:
            self.nova.end_forced_down(service)
        except ApiError as error:
            if self._told.get(service.host) != str(error):
                LOG.warning("%s is enabled, and still forced down: %s", service.host, error)
            self._told[service.host] = str(error)
            return False
        self._told.pop(service.host, None)
        LOG.info("%s was taken back: its nova-compute is no longer forced down", service.host)
        return True


def _dated(record: Record, status: crm_mon.Status, reported: float) -> Record:
    """Return the record of a recovery that never had a proof, with what the history knows.

    Its instances are down since the first fence that no recovery has used up. One from long before
    the report is of another failure, of which there was no recovery.
    """
    names = [node.name for node in status.named(record.host)]
    found = record.unused(moment for name in names for moment in status.fenced_at(name))
    fences = [fence for fence in found if fence > reported - BEFORE]
    if not fences:
        return record
    return replace(record, down=min(fences), used=max(fences))
