"""Guests that Nova calls broken or stopped only because their recovery took long.

Nova puts a guest in ERROR when no host has room for it. Masakari then tries the next reserved
host, or any host, and takes the ERROR for the state in which the guest was before the failure:
it stops the guest after its evacuation and puts it in ERROR again, or leaves it where it is.

And Nova stops a guest that does not run although it should. A host that boots after its fencing,
before its guests are evacuated, has many of those. Masakari would keep them stopped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from masakari_fencing import guests, times

RUNNING = 1
"""Nova's power state of a guest that ran when its host was last heard of."""

FAILED = frozenset({"error", "failed"})
"""States of Nova's record of an evacuation that did not come about."""

BOOT = 15.0
"""Seconds since its failure in which no host can have booted and looked after its guests."""

TOLERANCE = 60.0
"""Seconds by which the clocks of Nova's services may differ."""


def failed(migrations: Iterable[Any], host: str) -> list[Any]:
    """Return the evacuations from a host that did not come about.

    Args:
        migrations: novaclient's migrations from the host or to it (microversion 2.23).
        host: Nova's name of the host.
    """
    return [
        migration
        for migration in migrations
        if migration.source_compute == host
        and migration.migration_type == "evacuation"
        and migration.status in FAILED
    ]


def spoiled(servers: Iterable[Any], evacuations: Collection[Any]) -> list[Any]:
    """Return the guests that ran, and are in ERROR because of a failed evacuation.

    An error that is older than Nova's attempt, or younger, is the guest's own. One that was in
    ERROR while it ran, and whose evacuation failed too, cannot be told from the others.

    Args:
        servers: novaclient's servers of the host.
        evacuations: those that failed.
    """
    return [server for server in servers if _spoiled(server, evacuations)]


def powered_off(actions: Iterable[Any], since: float) -> bool:
    """Whether Nova by itself has stopped a guest, and nobody has done anything with it after that.

    Nova does so with `compute_api.stop` in `_sync_instance_power_state` of its compute manager,
    in a context without a user.

    Args:
        actions: novaclient's actions of the guest.
        since: seconds since the epoch; a guest may have been shut down from inside before.
    """
    dated = [(times.epoch(action.start_time) or 0.0, action) for action in actions]
    begun, last = max(dated, key=lambda item: item[0], default=(0.0, None))
    return last is not None and last.action == "stop" and not last.user_id and begun >= since


def _spoiled(server: Any, evacuations: Collection[Any]) -> bool:
    if getattr(server, guests.STATE, "") != "error":
        return False
    if getattr(server, "OS-EXT-STS:power_state", None) != RUNNING:
        return False
    error = times.epoch((getattr(server, "fault", None) or {}).get("created"))
    if error is None:
        return False
    return any(
        migration.instance_uuid == server.id and _within(error, migration)
        for migration in evacuations
    )


def _within(moment: float, migration: Any) -> bool:
    begun, ended = times.epoch(migration.created_at), times.epoch(migration.updated_at)
    if begun is None:
        return False
    return begun - TOLERANCE <= moment <= (ended or begun) + TOLERANCE
