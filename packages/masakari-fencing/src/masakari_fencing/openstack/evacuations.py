"""What Nova says about the evacuation of a host's instances: those that are under way.

An instance that is being rebuilt counts as one of its dead host until the very end. Masakari
resets and evacuates such an instance again, if an engine that died has begun it, or if it took
too long. But Nova does not end the first rebuild: the hypervisor starts the instance, Nova notices
that its record has changed, and leaves it running, on a host of which it knows nothing any more.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable
from typing import Any

from masakari_fencing.openstack import times
from masakari_fencing.openstack.compute_service import BINARY

ACCEPTED_LIMIT = 60.0
"""Seconds in which Nova finds a host for an instance. A request that is older was lost on its way,
if there was a conductor to take it: else it may still be in the broker's queue."""

GATED_LIMIT = 120.0
"""Seconds in which a rebuild has begun to start the instance. Only then can it run twice: the new
host comes past each task by writing the next one where it finds the one before (`save` with
`expected_task_state` in nova.compute.manager, `_rebuild_default_impl`), and where the instance was
reset, it does not. So one that was broken off, as by a database that restarts, is asked for again
long before it is known to be dead."""

GATED = frozenset({"rebuilding", "rebuild_block_device_mapping"})
"""Nova's tasks of a rebuild that has not begun to start the instance."""

SPAWN_LIMIT = 360.0
"""Seconds in which a new host has started an instance whose disks are there: a minute more than it
waits for Neutron (`vif_plugging_timeout` of nova-compute, 300). One that was broken off, as by a
database that is away when its end is to be written, Nova never ends; it is asked for again where
it may run (`left_at`), and nowhere else."""

SPAWNING = "rebuild_spawning"
"""Nova's task of a rebuild that starts the instance."""

_LIMITS = {**dict.fromkeys(GATED, GATED_LIMIT), SPAWNING: SPAWN_LIMIT}

CONDUCTOR = "nova-conductor"

QUIET = 5.0
"""Seconds since the last instance came up for which others are taken to follow: whoever evacuated
it looks once a second whether it is there, and goes on to the next one."""

ENDED = frozenset({"done", "completed", "failed", "error", "cancelled"})
"""States of Nova's record of an evacuation in which nothing happens any more."""

CLEANED_UP = "completed"
"""What the old host's nova-compute calls each evacuation as it starts, whether it goes on or was
broken off (`_destroy_evacuated_instances` of nova.compute.manager): no word of the new host's,
as long as Nova has the instance on the old one."""

_NOT_THERE = ENDED - {CLEANED_UP} | {"accepted"}
"""Those in which it runs nowhere that Nova does not know of. A new host that takes a request up
says so before it starts anything (`_claim_existing_migration`, nova.compute.resource_tracker)."""


def under_way(
    migrations: Iterable[Any],
    host: str,
    *,
    now: float,
    limit: float,
    dead: Collection[str] = (),
    accepted: float = ACCEPTED_LIMIT,
    rebuilding: bool = False,
) -> list[str]:
    """Return the instances of a host that somebody is evacuating, and where to.

    Args:
        migrations: novaclient's migrations from the host or to it (microversion 2.23).
        host: Nova's name of the host.
        now: seconds since the epoch.
        limit: seconds after which a rebuild that has not ended is taken for dead.
        dead: hosts on which no rebuild goes on, whatever the record says.
        accepted: seconds after which a request that nobody has taken is taken for lost.
        rebuilding: Nova has the instances on the host, and calls them being rebuilt.
    """
    found = []
    for migration in migrations:
        if migration.source_compute == host and migration.migration_type == "evacuation":
            target = getattr(migration, "dest_compute", None)
            patience = _patience(migration.status, limit, accepted)
            if rebuilding and migration.status == CLEANED_UP:
                patience = limit
            begun = times.epoch(migration.updated_at) or times.epoch(migration.created_at)
            if target not in dead and (begun is None or now - begun < patience):
                found.append(f"{migration.instance_uuid} to {target or 'a host yet to be found'}")
    return found


def _patience(status: str, limit: float, accepted: float) -> float:
    """Return for how many seconds since its last change a record in that state counts."""
    if status == "accepted":
        return accepted
    if status == "done":
        return QUIET
    return 0.0 if status in ENDED else limit


def under_way_now(
    nova: Any, host: str, *, now: float, limit: float, only: str = "", task: str = ""
) -> list[str]:
    """Ask Nova for the evacuations of a host's instances that go on; see `under_way`.

    Args:
        nova: a novaclient (microversion 2.53), which says what is raised.
        host: Nova's name of the host.
        now: seconds since the epoch.
        limit: seconds after which a rebuild that has not ended is taken for dead.
        only: this instance's alone.
        task: Nova's task of that instance, seen before this is asked.
    """
    migrations = [
        item for item in nova.migrations.list(host=host) if not only or item.instance_uuid == only
    ]
    found = functools.partial(
        under_way,
        migrations,
        host,
        now=now,
        limit=min(limit, _LIMITS.get(task, limit)),
        rebuilding=task.startswith("rebuild"),
    )
    if not found(accepted=limit):
        return []
    dead = _fenced(nova)
    accepted = min(ACCEPTED_LIMIT, limit)
    if not any(service.state == "up" for service in nova.services.list(binary=CONDUCTOR)):
        accepted = limit
    return found(dead=dead, accepted=accepted)


def left_at(nova: Any, host: str, instance: str, *, migrating: bool = False) -> str:
    """Return the host on which an instance may run whose way there has never ended, or empty.

    An evacuation that is broken off after the instance was started leaves it running where Nova
    knows nothing of it, and so does a live migration whose source dies at its end. There, and only
    there, it may be evacuated to once more: Nova refuses to where it runs
    (`_check_instance_exists` of nova.compute.manager).

    Args:
        nova: a novaclient (microversion 2.53), which says what is raised.
        host: Nova's name of the host that it was on.
        instance: its identifier.
        migrating: it was being migrated when its host failed.
    """
    kinds = ("evacuation", "live-migration") if migrating else ("evacuation",)
    own = [item for item in nova.migrations.list(host=host) if item.instance_uuid == instance]
    came = max(
        (_asked(one) for one in own if getattr(one, "dest_compute", "") == host), default=0.0
    )
    found = [
        item
        for item in own
        # From before it came to this host again, all is over.
        if item.source_compute == host and item.migration_type in kinds and _asked(item) >= came
    ]
    last = max(found, key=_asked, default=None)
    target = str(getattr(last, "dest_compute", None) or "")
    # One that was asked for later, and of another host, was asked for with good reason.
    open_there = any(m.dest_compute == target and m.status not in _NOT_THERE for m in found)
    return target if target and open_there and target not in _fenced(nova) else ""


def _asked(migration: Any) -> float:
    return times.epoch(migration.created_at) or 0.0


def _fenced(nova: Any) -> set[str]:
    """Return the hosts that are forced down: they were fenced, and nothing goes on there."""
    services = nova.services.list(binary=BINARY)
    return {service.host for service in services if getattr(service, "forced_down", False)}
