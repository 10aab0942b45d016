"""Segments and hosts by the names that an operator gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from masakari_fencing.openstack.nova_api import Service

from segments.cloud import Cloud, Segment, SegmentHost


class ActionError(Exception):
    """What was asked for cannot be done; the text names the segment or host, and the cure."""


def split(text: str | None) -> list[str]:
    """Names in a comma separated list, without repetitions."""
    return list(dict.fromkeys(part.strip() for part in (text or "").split(",") if part.strip()))


class Lookup:
    """What there is in the cloud at the moment."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def find_or_none(self, name: str) -> Segment | None:
        """The segment of a name or UUID, if there is one."""
        segments = self._cloud.segments()
        return next((s for s in segments if name in (s.name, s.uuid)), None)

    def find(self, name: str) -> Segment:
        """The segment of a name or UUID.

        Raises:
            ActionError: there is none.
        """
        segment = self.find_or_none(name)
        if segment is None:
            known = ", ".join(s.name for s in self._cloud.segments()) or "none"
            raise ActionError(f"no segment {name}; there are: {known}")
        return segment

    def places(self) -> dict[str, tuple[Segment, SegmentHost]]:
        """Where each host is; a host is in one segment at most."""
        return {
            host.name: (segment, host)
            for segment in self._cloud.segments()
            for host in self._cloud.hosts(segment.uuid)
        }

    def find_host(self, name: str) -> SegmentHost:
        """A host of a segment.

        Raises:
            ActionError: it is in none.
        """
        places = self.places()
        if name not in places:
            known = ", ".join(sorted(places)) or "none"
            raise ActionError(f"host {name} is in no segment; hosts in segments: {known}")
        return places[name][1]

    def find_hypervisor(self, name: str) -> tuple[SegmentHost, Service]:
        """A host of a segment, and its nova-compute.

        Raises:
            ActionError: it is in none, or Nova has no nova-compute there.
        """
        host, services = self.find_host(name), self.services()
        if name not in services:
            raise ActionError(unknown([name], services))
        return host, services[name]

    def services(self) -> dict[str, Service]:
        """Nova's compute services, by host."""
        return {service.host: service for service in self._cloud.compute_services()}


def unknown(names: Sequence[str], services: Iterable[str]) -> str:
    """That Nova has no compute service on some hosts, and where it has."""
    known = ", ".join(services) or "none"
    return f"Nova has no nova-compute on {', '.join(names)}; it has: {known}"
