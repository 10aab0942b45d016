"""Keeps up to date which hypervisors are out of service."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from masakari_fencing.openstack.masakari_api import Host, MasakariApi
from masakari_fencing.openstack.nova_api import NovaApi
from masakari_fencing.records import refusals
from masakari_fencing.records.out_of_service import DRAINED, RECORD, OutOfService, write
from masakari_fencing.records.recovery import Record

NAMES_AGE = 300.0
"""Seconds between two looks at the hypervisors' names, which hardly ever change."""


class OutOfServiceHosts:
    """Keeps the file up to date, and drops refusals of recoveries that are over.

    Each unit has those that its own engine refused; the operator takes the host back on one.

    Args:
        masakari: says which hosts are in maintenance.
        nova: says whose nova-compute is forced down.
        path: the file.
        refused: directory of the refusals.
        clock: seconds since the epoch.
        tell: are told of the hosts of all segments, too, one after the other.
        records: returns the recoveries; only asked where one was refused.
    """

    def __init__(
        self,
        masakari: MasakariApi,
        nova: NovaApi,
        path: Path = RECORD,
        refused: Path = refusals.DIRECTORY,
        clock: Callable[[], float] = time.time,
        tell: Iterable[Callable[[list[Host]], object]] = (),
        records: Callable[[], Iterable[Record]] = tuple,
    ) -> None:
        self._records = records
        self._tell = tuple(tell)
        self._masakari = masakari
        self._nova = nova
        self._path = path
        self._refused = refused
        self._clock = clock
        self._hypervisors: Mapping[str, str] = {}
        self._named = 0.0
        self._working: set[str] = set()

    def check(self) -> None:
        """Ask once. Without an answer the file stays as it is, and is soon too old.

        Raises:
            ApiError: there was no answer.
            OSError: a file cannot be written.
            PacemakerError: the cluster does not answer.
        """
        now = self._clock()
        hosts = sorted(self._masakari.hosts(), key=lambda host: host.name)
        found = self._ask(hosts)
        write(self._path, found, now)
        out = {name.lower() for name in (*found.maintenance, *found.forced_down)}
        refused = refusals.read(self._refused)
        if refused:
            known = list(self._records())
            # What is owed of one that was taken back is to be started there, and is not yet.
            out |= {record.host for record in known if record.down}
            listed = {host.name.lower() for host in hosts}
            owing = {record.host for record in known if record.owes and not record.returned}
            removed = owing - listed - self._working
        for refusal in refused:
            name = refusal.host.lower()
            # While a recovery is refused, Masakari has its host in maintenance; or the host was
            # taken out of its segment, and nobody goes on with what is down there, unless somebody
            # has it in service again.
            owed = name in out or (name in removed and self._nova.has_instances(refusal.host))
            if refusal.time < now and not owed:
                refusals.forget(self._refused, refusal.host)
        for tell in self._tell:
            tell(hosts)

    def _ask(self, hosts: list[Host]) -> OutOfService:
        services = list(self._nova.services())
        down = {service.host.lower() for service in services if service.forced_down}
        self._working = {s.host.lower() for s in services if s.enabled and s.up} - down
        closed = {s.host.lower() for s in services if not s.enabled and s.reason == DRAINED}
        held = [host for host in hosts if host.on_maintenance]
        others = [host for host in hosts if host not in held and host.name.lower() in down]
        emptied = {host.name for host in hosts if host.name.lower() in closed - down}
        return OutOfService(
            maintenance=tuple(host.name for host in held),
            failed=tuple(host.name for host in held if self._given_up(host)),
            forced_down=tuple(host.name for host in others),
            drained=tuple(sorted(emptied - {host.name for host in held})),
            hosts=tuple(host.name for host in hosts if host.enabled),
            misnamed=tuple(self._misnamed(hosts, {service.host for service in services})),
        )

    def _misnamed(self, hosts: Iterable[Host], services: set[str]) -> Iterator[str]:
        """Yield the hosts of which Masakari could not tell when an instance has left them.

        It compares the name of a host with that of an instance's hypervisor, and asks Nova for the
        instances by the name of the service's host. All three have to be the same.
        """
        now = self._clock()
        if not 0 <= now - self._named < NAMES_AGE:
            self._hypervisors, self._named = self._nova.hypervisors(), now
        for host in hosts:
            if host.name not in services:
                yield f"{host.name} (Nova has no nova-compute of that name)"
            elif self._hypervisors.get(host.name, host.name) != host.name:
                yield f"{host.name} (Nova calls its hypervisor {self._hypervisors[host.name]})"

    def _given_up(self, host: Host) -> bool:
        """Whether the last recovery of a host has failed for good."""
        reports = (r for r in self._masakari.notifications(host) if r.kind == "COMPUTE_HOST")
        latest = next((r for r in reports if r.event == "STOPPED"), None)
        return latest is not None and latest.status == "failed"
