"""Actions on failover segments: from Juju's parameters to calls of `segments`, which acts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from segments.lookup import split
from segments.results import Results
from segments.segments import Segments

SEGMENT_ACTIONS: Mapping[str, Callable[..., Results]] = {
    "create_segment": Segments.create,
    "list_segments": Segments.list_all,
    "show_segment": Segments.show,
    "update_segment": Segments.update,
    "delete_segment": Segments.delete,
    "add_hosts": Segments.add_hosts,
    "update_host": Segments.update_host,
    "remove_hosts": Segments.remove_hosts,
    "return_host": Segments.return_host,
}
"""What each action calls; its name has underscores here."""

_TOLD = ("create_segment", "update_segment", "delete_segment", "add_hosts", "remove_hosts")
"""After which the cluster is told which hosts it may fence: before the notifiers would tell it."""

_LISTS = ("hosts", "reserved-hosts")


def run(action: str, segments: Segments, params: Mapping[str, Any]) -> Results:
    """Run an action: its parameters are the call's arguments, lists of names divided.

    Raises:
        ActionError: it cannot be done.
        ApiError: an API does not do it.
    """
    given = {
        key.replace("-", "_"): split(value) if key in _LISTS else value
        for key, value in params.items()
    }
    try:
        return SEGMENT_ACTIONS[action](segments, **given)
    finally:  # one that fails in the middle may have changed something
        if action in _TOLD:
            segments.tell_cluster()
