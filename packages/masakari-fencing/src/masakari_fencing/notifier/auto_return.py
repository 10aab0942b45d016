"""Takes a recovered hypervisor back into service that works again, where the operator wants that.

It has to be whole for so many minutes on end: the cluster is connected to it, no other hypervisor
misses it in any network, its nova-compute reports. Only one whose instances were all recovered
comes back so, which nobody has closed for another reason, and which does not fail again and again.

What is done is what an operator does with the cloud's own commands: enable it, end its
maintenance. The rest follows from that as ever (`returned_hosts`). Each unit looks, so that each
can say why a host is not back; only the first member in order acts.
"""

from __future__ import annotations

import logging
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from masakari_fencing import witnesses
from masakari_fencing.notifier.watchers.watcher import Since, Watcher
from masakari_fencing.openstack.masakari_api import Host, MasakariApi, Notification
from masakari_fencing.openstack.nova_api import NovaApi, Service
from masakari_fencing.pacemaker import cibadmin, crm_mon, remote_nodes
from masakari_fencing.pacemaker.crm_mon import Status
from masakari_fencing.records import awaited_returns, recoveries
from masakari_fencing.records.recovery import NOTHING, RECOVERED, Record

LOG = logging.getLogger(__name__)

DAY = 86400.0
"""Seconds within which failures of a host are counted."""

SILENT = 60.0
"""Seconds after which a nova-compute that has not reported is down: Nova's `service_down_time`.
Nova itself calls one down that is forced down, whatever it reports."""

MASAKARI = "Masakari detected host failed."
"""Why Masakari disables a nova-compute, in its own words: `[host_failure] service_disable_reason`,
which 14 and later have. Where that is set to something else, it counts as an operator's."""

_UNFINISHED = ("new", "running", "error")


@dataclass
class AutoReturn(Watcher):
    """Looks at the hosts whose recovery has ended.

    Attributes:
        masakari: says which hosts are in maintenance, and what was reported about each.
        nova: says which of them report.
        patience: seconds for which a host has to be whole; 0: none is taken back.
        most: failures within a day after which a host is not taken back.
        path: what is said of each that is not back.
        missed: networks in which other hypervisors, by their addresses, miss a host.
        clock: seconds since the epoch.
    """

    masakari: MasakariApi
    nova: NovaApi
    patience: float
    most: int
    path: Path = awaited_returns.FILE
    missed: Callable[[list[str], str], list[str]] = witnesses.missed
    clock: Callable[[], float] = time.time
    _whole: Since = field(init=False)
    _reports: dict[str, tuple[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin to count."""
        self._whole = Since(self.clock)

    def check(self) -> list[str]:
        """Look once.

        Returns:
            the hosts that were taken back.

        Raises:
            PacemakerError: the cluster does not answer.
            ApiError: Masakari or Nova does not answer, or does not take a host back.
            OSError: what is said cannot be written.
        """
        if not self.patience:
            return []
        said: dict[str, str] = {}
        back = []
        try:
            for host, text in self._look():
                if text:
                    said[host.name] = text
                else:
                    back.append(host.name)
        finally:
            # A host of which nothing is known now is not whole all the while.
            self._whole.keep(said.keys())
            awaited_returns.write(self.path, said, self.clock())
        return back

    def _look(self) -> Iterator[tuple[Host, str]]:
        """Yield each host that awaits its return, and why it is not back; empty: it is."""
        cib = cibadmin.cib(self.runner)
        found = {
            record.host: record
            for record in recoveries.all_of(cib)
            if record.end is not None and not record.returned
        }
        if not found:
            return
        status = crm_mon.status(self.runner)
        services = {service.host.lower(): service for service in self.nova.services()}
        for host in self.masakari.hosts():
            record, service = found.get(host.name.lower()), services.get(host.name.lower())
            if record is None or service is None or not host.on_maintenance:
                continue
            reason = self._never(host, record, service) or self._ill(host, service, status, cib)
            if reason:
                self._whole.forget(host.name)
                yield host, reason
                continue
            seconds = self._whole.seconds(host.name)
            if seconds < self.patience:
                minutes = f"{seconds / 60:.0f} of {self.patience / 60:.0f} min"
                yield host, f"it is returned by itself when it stays well, {minutes} so far"
            elif self.controls(status):
                self._take_back(host, service)
                yield host, ""
            else:
                yield host, "it is being returned by itself"

    def _take_back(self, host: Host, service: Service) -> None:
        """Do what its operator would; in this order it is looked at again if that is cut short."""
        self.nova.enable(service)
        self.masakari.end_maintenance(host)
        LOG.info("%s has been well for %.0f s: it is taken back", host.name, self.patience)

    def _never(self, host: Host, record: Record, service: Service) -> str:
        """Say why it is not taken back however well it is."""
        if not service.enabled and service.reason not in ("", MASAKARI):
            return f"its nova-compute was disabled by hand: {service.reason}"
        reports = [
            one
            for one in self.masakari.notifications(host)
            if one.kind == "COMPUTE_HOST" and one.event == "STOPPED"
        ]
        if not _is_recovered(record, reports):
            how = "not ended" if record.end is None else f"ended as {record.end.outcome}"
            return f"its recovery has {how}"
        if any(one.status in _UNFINISHED for one in reports):
            return "Masakari still works on a notification of it"
        lately = [one for one in reports if self.clock() - one.generated < DAY]
        if len(lately) > self.most:
            return f"it has failed {len(lately)} times within a day"
        return ""

    def _ill(self, host: Host, service: Service, status: Status, cib: ET.Element) -> str:
        """Say what of it does not work now."""
        if not status.works(host.name):
            return "Pacemaker does not reach it"
        if not self._does_report(service):
            return "its nova-compute does not report"
        if self.nova.open_evacuations(service.host):
            return "Nova has no end on record of evacuations from it: restart its nova-compute"
        others = remote_nodes.others_of(remote_nodes.addresses(cib), host.name)
        if networks := self.missed(others, host.name):
            return f"other hypervisors do not reach it in: {', '.join(networks)}"
        return ""

    def _does_report(self, service: Service) -> bool:
        """Whether Nova's record of it has changed lately, as each of its reports does."""
        now = self.clock()
        before = self._reports.get(service.host)
        if before is None or before[0] != service.updated:
            self._reports[service.host] = (service.updated, now)
            return True
        return now - before[1] < SILENT


def _is_recovered(record: Record, reports: list[Notification]) -> bool:
    """Whether all instances were recovered, be it before another report of the same failure."""
    outcome = record.end.outcome if record.end else ""
    last = max((one.generated for one in reports), default=float("inf"))
    return outcome == RECOVERED or (outcome == NOTHING and last <= record.recovered)
