"""Failover segments: what the actions do, apart from Juju."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from masakari_fencing.openstack.nova_api import Service

from segments.checks import Stranger, check_hosts, check_places, check_same
from segments.cloud import Cloud, Segment, SegmentHost
from segments.lookup import ActionError, Lookup
from segments.results import Results, describe, describe_host, names, result
from segments.returning import RESERVED, Returning


class Segments:
    """Failover segments and their hosts.

    Args:
        cloud: access to the APIs.
        sleep, absence, mark_returned: see `Returning`.
        stranger: says why the cluster could not fence one of some hosts, as it does not know it,
            if that is so; None where nothing is fenced.
        tell: is told of a change, with whether the segment is enabled, by the name of each host.
    """

    def __init__(
        self,
        cloud: Cloud,
        sleep: Callable[[float], None] = time.sleep,
        absence: Callable[[str], str | None] = lambda name: None,
        mark_returned: Callable[[str, bool], None] = lambda name, returned: None,
        stranger: Stranger | None = None,
        tell: Callable[[Mapping[str, bool]], None] = lambda enabled: None,
    ) -> None:
        self._cloud = cloud
        self._lookup = Lookup(cloud)
        self._returning = Returning(cloud, sleep, absence, mark_returned)
        self._stranger = stranger
        self._tell = tell

    def tell_cluster(self) -> None:
        """Tell the cluster which hosts it may fence from now on."""
        segments = self._cloud.segments()
        self._tell({h.name: s.enabled for s in segments for h in self._cloud.hosts(s.uuid)})

    def list_all(self) -> Results:
        """All segments with their hosts."""
        segments = self._cloud.segments()
        described = {s.uuid: describe(s, self._cloud.hosts(s.uuid)) for s in segments}
        return {"count": len(described), **({"segments": described} if described else {})}

    def show(self, name: str) -> Results:
        """One segment, with the state of each host."""
        segment = self._lookup.find(name)
        hosts = self._cloud.hosts(segment.uuid)
        services = {service.host: service for service in self._cloud.compute_services()}
        result: Results = {"segment": describe(segment, hosts)}
        if hosts:
            result["hosts"] = {
                host.uuid: describe_host(host, services.get(host.name)) for host in hosts
            }
        return result

    def create(
        self,
        name: str,
        *,
        recovery_method: str,
        description: str | None = None,
        enabled: bool | None = None,
        hosts: Sequence[str] = (),
        reserved_hosts: Sequence[str] = (),
        disable_reserved: bool,
    ) -> Results:
        """Create a segment with hosts; what is there already is left alone."""
        services = check_hosts(self._lookup, self._cloud, self._stranger, hosts, reserved_hosts)
        segment = self._lookup.find_or_none(name)
        existing = segment is not None
        if segment is not None:
            check_same(segment, recovery_method, description, enabled)
        places = self._lookup.places()
        check_places(segment, places, hosts, reserved_hosts)
        if segment is None:
            segment = self._cloud.create_segment(name, recovery_method, description, enabled)
        added, disabled = self._add(
            segment, places, services, hosts, reserved_hosts, disable_reserved
        )
        outcome = "created" if not existing else "completed" if added or disabled else "unchanged"
        return self._outcome(segment, outcome, added=added, disabled=disabled)

    def add_hosts(
        self,
        segment: str,
        *,
        hosts: Sequence[str] = (),
        reserved_hosts: Sequence[str] = (),
        disable_reserved: bool,
    ) -> Results:
        """Put hosts into a segment; those that are in it already are left alone."""
        if not hosts and not reserved_hosts:
            raise ActionError("no host given: set hosts or reserved-hosts")
        found = self._lookup.find(segment)
        services = check_hosts(self._lookup, self._cloud, self._stranger, hosts, reserved_hosts)
        places = self._lookup.places()
        check_places(found, places, hosts, reserved_hosts)
        added, disabled = self._add(
            found, places, services, hosts, reserved_hosts, disable_reserved
        )
        outcome = "updated" if added or disabled else "unchanged"
        return self._outcome(found, outcome, added=added, disabled=disabled)

    def update(
        self,
        name: str,
        *,
        new_name: str | None = None,
        recovery_method: str | None = None,
        description: str | None = None,
        enabled: bool | None = None,
    ) -> Results:
        """Change the given properties of a segment."""
        segment = self._lookup.find(name)
        wanted = {
            "name": new_name,
            "recovery_method": recovery_method,
            "description": description,
            "enabled": enabled,
        }
        given = {key: value for key, value in wanted.items() if value is not None}
        if not given:
            raise ActionError(
                "nothing to change: set new-name, recovery-method, description or enabled"
            )
        changes = {key: v for key, v in given.items() if getattr(segment, key) != v}
        if changes:
            segment = self._cloud.update_segment(segment.uuid, **changes)
        return self._outcome(segment, "updated" if changes else "unchanged")

    def delete(self, name: str, *, with_hosts: bool) -> Results:
        """Delete a segment, if there is one of that name."""
        segment = self._lookup.find_or_none(name)
        if segment is None:
            return {"outcome": "absent", "segment": {"name": name}}
        hosts = self._cloud.hosts(segment.uuid)
        if hosts and not with_hosts:
            raise ActionError(
                f"segment {segment.name} has hosts: {names(hosts)}; use remove-hosts first, or"
                " with-hosts=true"
            )
        self._cloud.delete_segment(segment.uuid)
        return {"outcome": "deleted", "segment": describe(segment, hosts)}

    def remove_hosts(self, segment: str, hosts: Sequence[str]) -> Results:
        """Take hosts out of a segment; those that are not in it are left alone."""
        found = self._lookup.find(segment)
        present = {host.name: host for host in self._cloud.hosts(found.uuid)}
        removed = [host for host in hosts if host in present]
        for host in removed:
            self._cloud.remove_host(present[host])
        outcome = "updated" if removed else "unchanged"
        return self._outcome(found, outcome, removed=removed)

    def update_host(
        self,
        host: str,
        *,
        reserved: bool | None = None,
        on_maintenance: bool | None = None,
        disable_reserved: bool,
    ) -> Results:
        """Change the given properties of a host."""
        if reserved is None and on_maintenance is None:
            raise ActionError("nothing to change: set reserved or on-maintenance")
        found = self._lookup.find_host(host)
        wanted = {"reserved": reserved, "on_maintenance": on_maintenance}
        changes = {
            key: v for key, v in wanted.items() if v is not None and getattr(found, key) != v
        }
        if changes:
            self._cloud.update_host(found, **changes)
        disabled = []
        if reserved and disable_reserved:
            disabled = self._disable(self._lookup.services(), [host])
        return result(
            "updated" if changes or disabled else "unchanged",
            host=describe_host(self._lookup.find_host(host), self._lookup.services().get(host)),
            disabled=disabled,
        )

    def return_host(self, host: str, *, reserved: bool, timeout: float) -> Results:
        """Take a recovered hypervisor back into service; see `Returning`."""
        return self._returning.run(host, reserved=reserved, timeout=timeout)

    def _add(
        self,
        segment: Segment,
        places: dict[str, tuple[Segment, SegmentHost]],
        services: dict[str, Service],
        hosts: Sequence[str],
        reserved_hosts: Sequence[str],
        disable_reserved: bool,
    ) -> tuple[list[str], list[str]]:
        # First closed to new instances, then in reserve: never the other way round.
        disabled = self._disable(services, reserved_hosts) if disable_reserved else []
        added = [name for name in (*hosts, *reserved_hosts) if name not in places]
        for name in added:
            self._cloud.add_host(segment.uuid, name, reserved=name in reserved_hosts)
        return added, disabled

    def _disable(self, services: dict[str, Service], names: Iterable[str]) -> list[str]:
        disabled = [name for name in names if name in services and services[name].enabled]
        for name in disabled:
            self._cloud.update_compute_service(
                services[name], status="disabled", disabled_reason=RESERVED
            )
        return disabled

    def _outcome(
        self,
        segment: Segment,
        outcome: str,
        *,
        added: Sequence[str] = (),
        removed: Sequence[str] = (),
        disabled: Sequence[str] = (),
    ) -> Results:
        return result(
            outcome,
            segment=describe(segment, self._cloud.hosts(segment.uuid)),
            added=added,
            removed=removed,
            disabled=disabled,
        )
