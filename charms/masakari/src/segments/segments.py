"""Failover segments: what the actions do, apart from Juju."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from segments.cloud import Cloud, CloudError, ComputeService, ConflictError, Segment, SegmentHost

Results = dict[str, Any]
"""Nested; keys are lower-case words with hyphens, or UUIDs."""

_POLL = 2.0  # seconds


class ActionError(Exception):
    """What was asked for cannot be done; the text names the segment or host, and the cure."""


def split(text: str | None) -> list[str]:
    """Names in a comma separated list, without repetitions."""
    return list(dict.fromkeys(part.strip() for part in (text or "").split(",") if part.strip()))


class Segments:
    """Failover segments and their hosts.

    Args:
        cloud: access to the APIs.
        sleep: waits for so many seconds.
        absence: says why a host is not in the cluster yet; None when it is, or where nothing
            but Nova can tell.
        mark_returned: writes down that a host is being taken back, or that it is not after all,
            so that no failed recovery of it is begun again meanwhile.
        stranger: says why the cluster could not fence a host, as it does not know it, if that is
            so; None where nothing is fenced.
    """

    def __init__(
        self,
        cloud: Cloud,
        sleep: Callable[[float], None] = time.sleep,
        absence: Callable[[str], str | None] = lambda name: None,
        mark_returned: Callable[[str, bool], None] = lambda name, returned: None,
        stranger: Callable[[str], str | None] | None = None,
    ) -> None:
        self._cloud = cloud
        self._sleep = sleep
        self._absence = absence
        self._mark_returned = mark_returned
        self._stranger = stranger

    def list_all(self) -> Results:
        """All segments with their hosts."""
        segments = self._cloud.segments()
        described = {s.uuid: _describe(s, self._cloud.hosts(s.uuid)) for s in segments}
        return {"count": len(described), **({"segments": described} if described else {})}

    def show(self, name: str) -> Results:
        """One segment, with the state of each host."""
        segment = self._find(name)
        hosts = self._cloud.hosts(segment.uuid)
        services = {service.host: service for service in self._cloud.compute_services()}
        result: Results = {"segment": _describe(segment, hosts)}
        if hosts:
            result["hosts"] = {
                host.uuid: _describe_host(host, services.get(host.name)) for host in hosts
            }
        return result

    def create(
        self,
        name: str,
        *,
        recovery_method: str,
        description: str | None,
        enabled: bool | None,
        hosts: Sequence[str],
        reserved_hosts: Sequence[str],
        disable_reserved: bool,
    ) -> Results:
        """Create a segment with hosts; what is there already is left alone."""
        services = self._check_hosts(hosts, reserved_hosts)
        segment = self._find_or_none(name)
        existing = segment is not None
        if segment is not None:
            self._check_same(segment, recovery_method, description, enabled)
        places = self._places()
        self._check_places(segment, places, hosts, reserved_hosts)
        if segment is None:
            segment = self._cloud.create_segment(name, recovery_method, description, enabled)
        added, disabled = self._add(
            segment, places, services, hosts, reserved_hosts, disable_reserved
        )
        outcome = "created" if not existing else "completed" if added or disabled else "unchanged"
        return self._outcome(segment, outcome, added=added, disabled=disabled)

    def add_hosts(
        self,
        name: str,
        *,
        hosts: Sequence[str],
        reserved_hosts: Sequence[str],
        disable_reserved: bool,
    ) -> Results:
        """Put hosts into a segment; those that are in it already are left alone."""
        if not hosts and not reserved_hosts:
            raise ActionError("no host given: set hosts or reserved-hosts")
        segment = self._find(name)
        services = self._check_hosts(hosts, reserved_hosts)
        places = self._places()
        self._check_places(segment, places, hosts, reserved_hosts)
        added, disabled = self._add(
            segment, places, services, hosts, reserved_hosts, disable_reserved
        )
        outcome = "updated" if added or disabled else "unchanged"
        return self._outcome(segment, outcome, added=added, disabled=disabled)

    def update(
        self,
        name: str,
        *,
        new_name: str | None,
        recovery_method: str | None,
        description: str | None,
        enabled: bool | None,
    ) -> Results:
        """Change the given properties of a segment."""
        segment = self._find(name)
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
        segment = self._find_or_none(name)
        if segment is None:
            return {"outcome": "absent", "segment": {"name": name}}
        hosts = self._cloud.hosts(segment.uuid)
        if hosts and not with_hosts:
            raise ActionError(
                f"segment {segment.name} has hosts: {_names(hosts)}; use remove-hosts first, or"
                " with-hosts=true"
            )
        self._cloud.delete_segment(segment.uuid)
        return {"outcome": "deleted", "segment": _describe(segment, hosts)}

    def remove_hosts(self, name: str, hosts: Sequence[str]) -> Results:
        """Take hosts out of a segment; those that are not in it are left alone."""
        segment = self._find(name)
        present = {host.name: host for host in self._cloud.hosts(segment.uuid)}
        removed = [host for host in hosts if host in present]
        for host in removed:
            self._cloud.remove_host(present[host])
        outcome = "updated" if removed else "unchanged"
        return self._outcome(segment, outcome, removed=removed)

    def update_host(
        self,
        name: str,
        *,
        reserved: bool | None,
        on_maintenance: bool | None,
        disable_reserved: bool,
    ) -> Results:
        """Change the given properties of a host."""
        if reserved is None and on_maintenance is None:
            raise ActionError("nothing to change: set reserved or on-maintenance")
        host = self._find_host(name)
        wanted = {"reserved": reserved, "on_maintenance": on_maintenance}
        changes = {
            key: v for key, v in wanted.items() if v is not None and getattr(host, key) != v
        }
        if changes:
            self._cloud.update_host(host, **changes)
        disabled = []
        if reserved and disable_reserved:
            disabled = self._disable(self._services(), [name])
        return _result(
            "updated" if changes or disabled else "unchanged",
            host=_describe_host(self._find_host(name), self._services().get(name)),
            disabled=disabled,
        )

    def return_host(self, name: str, *, reserved: bool, timeout: float) -> Results:
        """Take a recovered hypervisor back into service.

        Nothing changes while its guests are still being recovered: Nova evacuates only from a
        host that is down. Neither does it before the cluster has the host back: it could not be
        fenced if it failed again.
        """
        host = self._find_host(name)
        service = self._services().get(name)
        if service is None:
            raise ActionError(self._unknown([name], self._services()))
        if not self._wait(lambda: not self._cloud.is_recovering(host), timeout):
            raise ActionError(
                f"the recovery of {name} still goes on (see `openstack notification list`); run"
                " this action again when its notifications are finished or failed"
            )
        if not self._wait(lambda: self._absence(name) is None, timeout):
            raise ActionError(
                f"{name} is not back: {self._absence(name)}; start the host and its"
                " pacemaker_remote, mend its networks, then run this action again"
            )
        self._mark_returned(name, True)
        try:
            self._end_outage(host, service, reserved=reserved, timeout=timeout)
        except BaseException:
            self._mark_returned(name, False)
            raise
        return _result(
            "returned", host=_describe_host(self._find_host(name), self._services().get(name))
        )

    def _end_outage(
        self, host: SegmentHost, service: ComputeService, *, reserved: bool, timeout: float
    ) -> None:
        name = host.name
        earlier = ""
        if service.forced_down:
            self._end_forced_down(service, timeout)
            earlier = self._services()[name].updated
        if not self._wait(lambda: self._is_up(name, since=earlier), timeout):
            if service.forced_down:  # its guests may be running elsewhere: as it was
                self._cloud.update_compute_service(service, forced_down=True)
            raise ActionError(
                f"nova-compute of {name} does not report; start the host and its nova-compute,"
                " then run this action again"
            )
        changes: dict[str, object] = {"status": "enabled"}
        if reserved:
            changes = {"status": "disabled", "disabled_reason": _RESERVED}
        self._cloud.update_compute_service(service, **changes)
        self._end_maintenance(host, reserved=reserved, timeout=timeout)

    def _end_forced_down(self, service: ComputeService, timeout: float) -> None:
        """Have Nova believe the compute service again, as soon as Nova lets it.

        It does not before the host's nova-compute has been started again and has cleaned up after
        the guests that were evacuated. One that came back before all of them were evacuated, as
        where a recovery is interrupted and taken up again, has to be restarted by hand.
        """
        change = functools.partial(self._cloud.update_compute_service, service, forced_down=False)
        if refusal := self._refusal(change, CloudError, timeout):
            raise ActionError(
                f"{service.host} is not back ({refusal}); restart its nova-compute (`systemctl"
                " restart nova-compute` there), then run this action again"
            ) from refusal

    def _end_maintenance(self, host: SegmentHost, *, reserved: bool, timeout: float) -> None:
        """Clear the maintenance flag as soon as Masakari lets it be cleared.

        It changes no host of a segment in which a notification of any host is worked on.
        """
        change = functools.partial(
            self._cloud.update_host, host, on_maintenance=False, reserved=reserved
        )
        if refusal := self._refusal(change, ConflictError, timeout):
            raise ActionError(
                f"{host.name} works again, but its maintenance cannot end yet: {refusal}. Run"
                " this action again when the segment's notifications are finished or failed"
            ) from refusal

    def _refusal(
        self, change: Callable[[], None], expected: type[CloudError], timeout: float
    ) -> CloudError | None:
        """Ask for a change until it is accepted; return why it is not, after the timeout."""
        refusal: CloudError | None = None

        def accepted() -> bool:
            nonlocal refusal
            try:
                change()
            except expected as error:
                refusal = error
                return False
            return True

        return None if self._wait(accepted, timeout) else refusal

    def _is_up(self, name: str, *, since: str) -> bool:
        """Whether Nova calls its nova-compute up, and not for what it reported before it died.

        Nova does so for a minute, when it does not hold it for down any more.
        """
        service = self._services().get(name)
        return service is not None and service.up and (not since or service.updated != since)

    def _wait(self, done: Callable[[], bool], timeout: float) -> bool:
        """Ask until it is so, or the timeout, in seconds, has passed; return which."""
        waited = 0.0
        while not done():
            if waited >= timeout:
                return False
            self._sleep(_POLL)
            waited += _POLL
        return True

    def _find_or_none(self, name: str) -> Segment | None:
        segments = self._cloud.segments()
        return next((s for s in segments if name in (s.name, s.uuid)), None)

    def _find(self, name: str) -> Segment:
        segment = self._find_or_none(name)
        if segment is None:
            known = ", ".join(s.name for s in self._cloud.segments()) or "none"
            raise ActionError(f"no segment {name}; there are: {known}")
        return segment

    def _places(self) -> dict[str, tuple[Segment, SegmentHost]]:
        """Where each host is; a host is in one segment at most."""
        return {
            host.name: (segment, host)
            for segment in self._cloud.segments()
            for host in self._cloud.hosts(segment.uuid)
        }

    def _find_host(self, name: str) -> SegmentHost:
        places = self._places()
        if name not in places:
            known = ", ".join(sorted(places)) or "none"
            raise ActionError(f"host {name} is in no segment; hosts in segments: {known}")
        return places[name][1]

    def _services(self) -> dict[str, ComputeService]:
        return {service.host: service for service in self._cloud.compute_services()}

    def _check_hosts(
        self, hosts: Sequence[str], reserved_hosts: Sequence[str]
    ) -> dict[str, ComputeService]:
        both = [name for name in hosts if name in reserved_hosts]
        if both:
            raise ActionError(f"in both hosts and reserved-hosts: {', '.join(both)}")
        if not hosts and not reserved_hosts:
            return {}
        services = self._services()
        unknown = [name for name in (*hosts, *reserved_hosts) if name not in services]
        if unknown:
            raise ActionError(self._unknown(unknown, services))
        self._check_names((*hosts, *reserved_hosts))
        return services

    def _check_names(self, hosts: Sequence[str]) -> None:
        """Refuse hosts that could not be recovered, because not everybody has one name for them.

        Masakari takes a guest for evacuated when its hypervisor's name is no longer the host's.
        """
        hypervisors = self._cloud.hypervisor_names()
        for name in hosts:
            other = hypervisors.get(name, name)
            if other != name:
                raise ActionError(
                    f"Nova knows {name} by two names: its hypervisor is {other}, so Masakari could"
                    " not tell whether a guest has left it. Have its nova-compute use one name"
                    f" (`host = {other}` in nova.conf, on a hypervisor without guests), then run"
                    " this action again"
                )
            if self._stranger and (reason := self._stranger(name)) is not None:
                raise ActionError(reason)

    @staticmethod
    def _unknown(names: Sequence[str], services: Iterable[str]) -> str:
        known = ", ".join(services) or "none"
        return f"Nova has no nova-compute on {', '.join(names)}; it has: {known}"

    @staticmethod
    def _check_same(
        segment: Segment, recovery_method: str, description: str | None, enabled: bool | None
    ) -> None:
        wanted = {
            "recovery-method": (segment.recovery_method, recovery_method),
            "description": (segment.description, description),
            "enabled": (segment.enabled, enabled),
        }
        for option, (present, given) in wanted.items():
            if given is not None and present != given:
                value = str(given).lower() if isinstance(given, bool) else given
                raise ActionError(
                    f"segment {segment.name} exists with {option} {_text(present)!r}, not"
                    f" {_text(given)!r}; to change it, run: update-segment name={segment.name}"
                    f" {option}={value}"
                )

    @staticmethod
    def _check_places(
        segment: Segment | None,
        places: dict[str, tuple[Segment, SegmentHost]],
        hosts: Sequence[str],
        reserved_hosts: Sequence[str],
    ) -> None:
        for name in (*hosts, *reserved_hosts):
            if name not in places:
                continue
            where, host = places[name]
            if segment is None or where.uuid != segment.uuid:
                raise ActionError(
                    f"host {name} is in segment {where.name}; to move it, first run: remove-hosts"
                    f" segment={where.name} hosts={name}"
                )
            if host.reserved != (name in reserved_hosts):
                raise ActionError(
                    f"host {name} is in segment {where.name} with reserved"
                    f" {_text(host.reserved)}; to change it, run: update-host host={name}"
                    f" reserved={_text(not host.reserved)}"
                )

    def _add(
        self,
        segment: Segment,
        places: dict[str, tuple[Segment, SegmentHost]],
        services: dict[str, ComputeService],
        hosts: Sequence[str],
        reserved_hosts: Sequence[str],
        disable_reserved: bool,
    ) -> tuple[list[str], list[str]]:
        # First closed to new guests, then in reserve: never the other way round.
        disabled = self._disable(services, reserved_hosts) if disable_reserved else []
        added = [name for name in (*hosts, *reserved_hosts) if name not in places]
        for name in added:
            self._cloud.add_host(segment.uuid, name, reserved=name in reserved_hosts)
        return added, disabled

    def _disable(self, services: dict[str, ComputeService], names: Iterable[str]) -> list[str]:
        disabled = [name for name in names if name in services and services[name].enabled]
        for name in disabled:
            self._cloud.update_compute_service(
                services[name], status="disabled", disabled_reason=_RESERVED
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
        return _result(
            outcome,
            segment=_describe(segment, self._cloud.hosts(segment.uuid)),
            added=added,
            removed=removed,
            disabled=disabled,
        )


_RESERVED = "Reserved host of a failover segment"


def _result(outcome: str, **parts: Any) -> Results:
    """Results without empty parts; lists of names become comma separated text."""
    named = {
        {"disabled": "disabled-in-nova"}.get(key, key): (
            value if isinstance(value, dict) else ",".join(value)
        )
        for key, value in parts.items()
        if value
    }
    return {"outcome": outcome, **named}


def _describe(segment: Segment, hosts: Sequence[SegmentHost]) -> Results:
    described = {
        "name": segment.name,
        "uuid": segment.uuid,
        "recovery-method": segment.recovery_method,
        "enabled": _text(segment.enabled),
        "description": segment.description,
        "hosts": _names(host for host in hosts if not host.reserved),
        "reserved-hosts": _names(host for host in hosts if host.reserved),
        "hosts-on-maintenance": _names(host for host in hosts if host.on_maintenance),
    }
    return {key: value for key, value in described.items() if value}


def _describe_host(host: SegmentHost, service: ComputeService | None) -> Results:
    described = {
        "name": host.name,
        "uuid": host.uuid,
        "reserved": _text(host.reserved),
        "on-maintenance": _text(host.on_maintenance),
    }
    if service is None:
        return {**described, "compute-service": "absent"}
    return {
        **described,
        "compute-status": "enabled" if service.enabled else "disabled",
        "compute-state": "up" if service.up else "down",
        "forced-down": _text(service.forced_down),
    }


def _names(hosts: Iterable[SegmentHost]) -> str:
    return ",".join(host.name for host in hosts)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
