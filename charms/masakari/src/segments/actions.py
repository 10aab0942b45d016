"""Actions on failover segments: from Juju's parameters to calls, by name of the action."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from segments.lookup import split
from segments.results import Results
from segments.segments import Segments

Params = Mapping[str, Any]


def _create_segment(segments: Segments, params: Params) -> Results:
    return segments.create(
        params["name"],
        recovery_method=params["recovery-method"],
        description=params.get("description"),
        enabled=params.get("enabled"),
        hosts=split(params.get("hosts")),
        reserved_hosts=split(params.get("reserved-hosts")),
        disable_reserved=params["disable-reserved"],
    )


def _list_segments(segments: Segments, params: Params) -> Results:
    return segments.list_all()


def _show_segment(segments: Segments, params: Params) -> Results:
    return segments.show(params["name"])


def _update_segment(segments: Segments, params: Params) -> Results:
    return segments.update(
        params["name"],
        new_name=params.get("new-name"),
        recovery_method=params.get("recovery-method"),
        description=params.get("description"),
        enabled=params.get("enabled"),
    )


def _delete_segment(segments: Segments, params: Params) -> Results:
    return segments.delete(params["name"], with_hosts=params["with-hosts"])


def _add_hosts(segments: Segments, params: Params) -> Results:
    return segments.add_hosts(
        params["segment"],
        hosts=split(params.get("hosts")),
        reserved_hosts=split(params.get("reserved-hosts")),
        disable_reserved=params["disable-reserved"],
    )


def _update_host(segments: Segments, params: Params) -> Results:
    return segments.update_host(
        params["host"],
        reserved=params.get("reserved"),
        on_maintenance=params.get("on-maintenance"),
        disable_reserved=params["disable-reserved"],
    )


def _remove_hosts(segments: Segments, params: Params) -> Results:
    return segments.remove_hosts(params["segment"], split(params["hosts"]))


def _return_host(segments: Segments, params: Params) -> Results:
    return segments.return_host(
        params["host"], reserved=params["reserved"], timeout=params["timeout"]
    )


SEGMENT_ACTIONS: Mapping[str, Callable[[Segments, Params], Results]] = {
    "create_segment": _create_segment,
    "list_segments": _list_segments,
    "show_segment": _show_segment,
    "update_segment": _update_segment,
    "delete_segment": _delete_segment,
    "add_hosts": _add_hosts,
    "update_host": _update_host,
    "remove_hosts": _remove_hosts,
    "return_host": _return_host,
}
"""By name of the action, with underscores."""
