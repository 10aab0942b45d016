"""What Nova says about the evacuation of one instance: whether one is under way, and where to.

An instance that is being rebuilt counts as one of its dead host until the very end. Masakari
resets and evacuates such an instance again, if an engine that died has begun it, or if it took
too long. But Nova does not end the first rebuild: the hypervisor starts the instance, Nova notices
that its record has changed, and leaves it running, on a host of which it knows nothing any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from masakari_fencing import times
from masakari_fencing.openstack.compute_service import BINARY
from masakari_fencing.openstack.faults import FAILED, GATED, Faults, asked, changed
from masakari_fencing.openstack.instances import TASK

ACCEPTED_LIMIT = 60.0
"""Seconds in which Nova finds a host for an instance. A request that is older was lost on its way,
if all that takes it further has been there for as long (`Steadiness`)."""

GATED_LIMIT = 120.0
"""Seconds in which a rebuild has begun to start the instance. Only then can it run twice: the new
host comes past each task by writing the next one where it finds the one before (`save` with
`expected_task_state` in nova.compute.manager, `_rebuild_default_impl`), and where the instance was
reset, it does not. So one that was broken off, as by a database that restarts, is asked for again
long before it is known to be dead."""

SPAWN_LIMIT = 360.0
"""Seconds in which a new host has started an instance whose disks are there: a minute more than it
waits for Neutron (`vif_plugging_timeout` of nova-compute, 300). One that was broken off, as by a
database that is away when its end is to be written, Nova never ends; it is asked for again where
it may run (`left_at`), and nowhere else."""

SPAWNING = "rebuild_spawning"
"""Nova's task of a rebuild that starts the instance."""

_LIMITS = {**dict.fromkeys(GATED, GATED_LIMIT), SPAWNING: SPAWN_LIMIT}

SERVICES = ("nova-conductor", "nova-scheduler", BINARY)
"""What takes a request for an evacuation further. The first two say so to the database themselves,
a nova-compute by the broker and a conductor."""

SILENT = 35.0
"""Seconds without a report of any of one kind after which that may have been away; each reports
every 10 s by default (`report_interval`). Where they do so less often, no request counts as lost
before a rebuild's own limit."""

AGAIN = 5.0
"""Seconds between two looks at these services, whoever asks."""

QUIET = 5.0
"""Seconds since the last instance came up for which others are taken to follow: whoever evacuated
it looks once a second whether it is there, and goes on to the next one."""

BOOT = 5.0
"""Seconds in which no host that was fenced runs a nova-compute again; the clocks of whoever wrote
the two times down may differ by as much."""

ENDED = frozenset({"done", "completed", "failed", "error", "cancelled"})
"""States of Nova's record of an evacuation in which nothing happens any more."""

_RESIZED = frozenset({"finished", "confirmed"})
"""States of the record of a resize, or a cold migration, that has brought an instance."""

UNENDED = frozenset({"accepted", "pre-migrating", "done"})
"""States of an evacuation for which a nova-compute that starts on its old host destroys what it
has of the instance, wherever that is by now, disks that are not shared included; of several of one
instance it ends the last alone (`_destroy_evacuated_instances` of nova.compute.manager; seen with
26.2.2)."""

CLEANED_UP = "completed"
"""What the old host's nova-compute calls the last evacuation of each instance as it starts, be it
that it goes on or was broken off (`_destroy_evacuated_instances` of nova.compute.manager): no word
of the new host's, as long as Nova has the instance on the old one."""

_WAITING = frozenset({"accepted", CLEANED_UP})
"""States of a request that no new host may have taken up yet: Nova goes on with one although the
old host's nova-compute has called it completed meanwhile."""

_NOT_THERE = ENDED - {CLEANED_UP} | {"accepted"}
"""Those in which it runs nowhere that Nova does not know of. A new host that takes a request up
says so before it starts anything (`_claim_existing_migration`, nova.compute.resource_tracker)."""


class Steadiness:
    """Since when all that takes a request further reports without a break, as far as it is known.

    While the broker is away, a process of Nova's API waits with a request, however long ago its
    client has given up (oslo.messaging tries for ever), and the conductor waits for the scheduler,
    a minute for one that is away (seen with 26.2.2). It is carried out then: it was not lost.

    Args:
        clock: seconds, only ever compared with each other.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[frozenset[Any], float]] = {}
        self._looked = float("-inf")
        self._since = 0.0

    def seconds(self, nova: Any) -> float:
        """Look, and return for how long they have been there.

        Args:
            nova: a novaclient, which says what is raised.
        """
        now = self._clock()
        # All that recover an instance here share it: another may have looked a moment later.
        if not abs(now - self._looked) < AGAIN:
            breaks = [self._is_break(nova, binary, now) for binary in SERVICES]
            if any(breaks) or not abs(now - self._looked) <= SILENT:
                self._since = now
            self._looked = now
        return now - self._since

    def _is_break(self, nova: Any, binary: str, now: float) -> bool:
        """Whether none of a kind has reported for a while."""
        services = nova.services.list(binary=binary)
        reports = frozenset((s.host, str(getattr(s, "updated_at", ""))) for s in services)
        known, moment = self._seen.get(binary, (None, now))
        if reports != known:
            self._seen[binary] = reports, now
        return now - moment > SILENT or not reports


def goes_on(
    nova: Any,
    host: str,
    instance: str,
    *,
    now: float,
    limit: float,
    task: str,
    steady: Callable[[Any], float],
    fenced: Callable[[str], float],
    there: str = "",
) -> bool:
    """Whether an evacuation of an instance is under way.

    Args:
        nova: a novaclient (microversion 2.53), which says what is raised.
        host: Nova's name of its host, which is dead.
        instance: its identifier.
        now: seconds since the epoch.
        limit: seconds after which a rebuild that has not ended is taken for dead.
        task: Nova's task of that instance, seen before this is asked.
        steady: returns for how long all that takes a request further has been there.
        fenced: returns when a host was fenced last, in seconds since the epoch; 0: nobody knows.
        there: Nova's name of the host on which it is up by now; what has ended there has
            brought it.
    """
    own = nova.migrations.list(instance_uuid=instance)
    found = [
        m
        for m in _since_it_came(own, host)
        if m.migration_type == "evacuation"
        and not (there and _target(m) == there and m.status in ENDED)
    ]
    rebuilding = task.startswith("rebuild")
    begun = min(limit, _LIMITS.get(task, limit))
    if not any(_is_fresh(m, now, begun, limit, rebuilding) for m in found):
        return False
    over = _ended_by_fence(nova, found, now, fenced)
    accepted = limit
    if any(m.status in _WAITING for m in found) and steady(nova) >= ACCEPTED_LIMIT:
        accepted = min(ACCEPTED_LIMIT, limit)
    found = [m for m in found if m not in over]
    return any(_is_fresh(m, now, begun, accepted, rebuilding) for m in found)


def _is_fresh(migration: Any, now: float, limit: float, accepted: float, rebuilding: bool) -> bool:
    """Whether a record has changed so lately that somebody may be at it."""
    patience = 0.0 if migration.status in ENDED else limit
    if migration.status in _WAITING:
        patience = accepted
    elif migration.status == "done":
        patience = QUIET
    if migration.status == CLEANED_UP and rebuilding:
        patience = max(patience, limit)
    since = changed(migration)
    return patience > 0 and (not since or now - since < patience)


def is_unended(nova: Any, host: str, instance: str) -> bool:
    """Whether a host's nova-compute, once it starts again, ends what it runs of an instance.

    Args:
        nova: a novaclient (microversion 2.53), which says what is raised.
        host: Nova's name of the host.
        instance: its identifier.
    """
    return any(
        m.source_compute == host and m.migration_type == "evacuation" and m.status in UNENDED
        for m in nova.migrations.list(instance_uuid=instance)
    )


def left_at(
    nova: Any,
    host: str,
    server: Any,
    *,
    now: float,
    fenced: Callable[[str], float],
    migrating: bool = False,
) -> list[str]:
    """Return the hosts on which an instance may run whose way there has never ended.

    An evacuation that is broken off after the instance was started leaves it running where Nova
    knows nothing of it, and so does a live migration whose source dies at its end. Where there is
    but one such host, it may be evacuated to there once more: Nova refuses to where it runs
    (`_check_instance_exists` of nova.compute.manager).

    Args:
        nova: a novaclient (microversion 2.53), which says what is raised.
        host: Nova's name of the host that it was on.
        server: novaclient's server of it.
        now: seconds since the epoch.
        fenced: as for `goes_on`.
        migrating: it was being migrated when its host failed.
    """
    kinds = ("evacuation", "live-migration") if migrating else ("evacuation",)
    own = nova.migrations.list(instance_uuid=server.id)
    found = [m for m in _since_it_came(own, host) if m.migration_type in kinds]
    # Those that have not got anywhere say nothing of where it may run, nor does another host's
    # nova-compute, which has called them completed.
    taken = [
        m
        for m in found
        if _target(m)
        and m.status != "accepted"
        and (m.status != CLEANED_UP or m.source_compute == host)
    ]
    fault = Faults(nova, server, found)
    last = [m for m in taken if not any(_is_settled_by(m, other, fault) for other in taken)]
    if getattr(server, TASK, None) in GATED and last == [max(found, key=asked, default=None)]:
        # The task is that of the last request, which has not started it.
        last = [m for m in last if m.status in ENDED]
    may_run = [
        m
        for m in last
        if m.status not in _NOT_THERE or (m.status == FAILED and fault.is_unclear(m))
    ]
    over = _ended_by_fence(nova, may_run, now, fenced)
    return sorted({_target(m) for m in may_run if m not in over})


def _is_settled_by(migration: Any, other: Any, fault: Faults) -> bool:
    """Whether another was asked for with good reason, after all that became of this one.

    Of one that has failed, its own host has shown that as well, once it has looked: nothing is
    started where it runs.
    """
    if asked(other) <= changed(migration):
        return False
    elsewhere = _target(other) != _target(migration)
    return elsewhere or (migration.status == FAILED and fault.has_looked(other))


def _since_it_came(own: Iterable[Any], host: str) -> list[Any]:
    """Return the records of an instance's ways from a host; what was before it came is over.

    Any of them may say that it is from another host. Nova's conductor goes on with the first
    record of an instance that is accepted: where the message of an earlier request was lost, that
    is not the one of this request (`migration_get_by_instance_and_status` of nova.db.main.api).
    """
    known = list(own)
    arrivals = [m for m in known if _target(m) == host]
    came = max(map(asked, arrivals), default=0.0)
    over = ENDED | _RESIZED
    ended = max((changed(m) for m in arrivals if m.status in over), default=0.0)
    return [
        m
        for m in known
        if m not in arrivals
        and (changed(m) >= ended or (m.source_compute == host and asked(m) >= came))
        and (m.source_compute == host or _target(m))
    ]


def _target(migration: Any) -> str:
    return str(getattr(migration, "dest_compute", None) or "")


def _ended_by_fence(
    nova: Any, migrations: Iterable[Any], now: float, fenced: Callable[[str], float]
) -> list[Any]:
    """Return those whose new host was fenced since: nothing of them goes on, nor runs.

    What a host that is back has taken up since then may run, be it held for down or not: requests
    wait for its nova-compute. Where nobody knows when it was fenced, one that is held for down
    counts as dead, but for what has changed lately while it reports.
    """
    known = {_target(m): fenced(_target(m)) for m in migrations if _target(m)}
    over = [
        m
        for m in migrations
        if known.get(_target(m)) and 0 < changed(m) < known[_target(m)] + BOOT
    ]
    rest = [m for m in migrations if _target(m) and not known[_target(m)]]
    if rest:
        lately = {_target(m) for m in rest if now - changed(m) < SPAWN_LIMIT}
        dead = {
            service.host
            for service in nova.services.list(binary=BINARY)
            if getattr(service, "forced_down", False)
            and not (service.host in lately and now - _reported(service) < SILENT)
        }
        over += [m for m in rest if _target(m) in dead]
    return over


def _reported(service: Any) -> float:
    return times.epoch(getattr(service, "updated_at", None)) or 0.0
