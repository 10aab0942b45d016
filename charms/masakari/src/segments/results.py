"""Results of the actions on segments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from masakari_fencing.openstack.nova_api import Service

from segments.cloud import Segment, SegmentHost

Results = dict[str, Any]
"""Nested; keys are lower-case words with hyphens, or UUIDs."""


def result(outcome: str, **parts: Any) -> Results:
    """Results without empty parts; lists of names become comma separated text."""
    named = {
        {"disabled": "disabled-in-nova"}.get(key, key): (
            value if isinstance(value, dict) else ",".join(value)
        )
        for key, value in parts.items()
        if value
    }
    return {"outcome": outcome, **named}


def describe(segment: Segment, hosts: Sequence[SegmentHost]) -> Results:
    """A segment with its hosts."""
    described = {
        "name": segment.name,
        "uuid": segment.uuid,
        "recovery-method": segment.recovery_method,
        "enabled": text(segment.enabled),
        "description": segment.description,
        "hosts": names(host for host in hosts if not host.reserved),
        "reserved-hosts": names(host for host in hosts if host.reserved),
        "hosts-on-maintenance": names(host for host in hosts if host.on_maintenance),
    }
    return {key: value for key, value in described.items() if value}


def describe_host(host: SegmentHost, service: Service | None) -> Results:
    """A host of a segment with the state of its compute service."""
    described = {
        "name": host.name,
        "uuid": host.uuid,
        "reserved": text(host.reserved),
        "on-maintenance": text(host.on_maintenance),
    }
    if service is None:
        return {**described, "compute-service": "absent"}
    return {
        **described,
        "compute-status": "enabled" if service.enabled else "disabled",
        "compute-state": "up" if service.up else "down",
        "forced-down": text(service.forced_down),
    }


def names(hosts: Iterable[SegmentHost]) -> str:
    """Hosts by name, separated by commas."""
    return ",".join(host.name for host in hosts)


def text(value: object) -> str:
    """A value as an action takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
