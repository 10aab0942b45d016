"""Recovering the instances of a host by evacuating them; see `returning` for one that is back."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

import masakari.conf
from eventlet import greenpool
from masakari import objects

from masakari_fencing import times
from masakari_fencing.openstack import instances, restart_order
from masakari_fencing.records import progress
from masakari_fencing.records.progress import Moved
from masakari_fencing.records.recovery import Instance, Record, lacks_room
from masakari_fencing.records.storage_fences import StorageFence
from masakari_fencing.workflow.attempt import REPORTED, Attempt, NoAnswer
from masakari_fencing.workflow.instances import (
    destinations,
    disks,
    moves,
    reserved_hosts,
    selection,
)
from masakari_fencing.workflow.instances.evacuation import Evacuation
from masakari_fencing.workflow.instances.evacuation import wanted as goal
from masakari_fencing.workflow.instances.reading import Reading
from masakari_fencing.workflow.instances.requests import Failed, Limits
from masakari_fencing.workflow.instances.restart_groups import NotYet, RestartGroups
from masakari_fencing.workflow.options import scope

CONF = masakari.conf.CONF
LOG = logging.getLogger(__name__)

Task = TypeVar("Task", bound=Evacuation)

ARRIVING = 90.0
"""Seconds for which instances are waited for that are about to arrive on a dead host: the source
of a live migration waits for it for a minute (`rpc_response_timeout` of Nova)."""

IN_FLIGHT = 5.0
"""Seconds after which a request of an engine that has died is visible in Nova, or never will be:
Nova's API records an evacuation before it answers."""


def evacuate(
    this: Attempt,
    *,
    target: str | None,
    use_up: Callable[..., None] | None,
    tell: Callable[[str, float], None],
) -> list[Instance]:
    """Bring the instances up, and return those that are not.

    Args:
        this: the attempt.
        target: a reserved host.
        use_up: Masakari's function that says that a reserved host is none any more.
        tell: told what is done, and how much of it is.

    Raises:
        Superseded: the recovery is somebody else's.
        ProofLost: the host is back.
        PacemakerError: the cluster does not answer.
        NoAnswer: Nova does not.
    """
    record = this.record()
    fresh = record is None or (record.instances is None and not record.attempts)
    if not fresh:
        time.sleep(IN_FLIGHT)
    ended: dict[str, Instance] = {}
    begun: float | None = None
    while True:
        again = bool(ended) or begun is not None
        # First whether any arrives: then that it has is in the list.
        arriving = not again or _arrive(this)
        wanted = _listed(this, record, tell, every=again)
        listed = _waiting_since(this, record, wanted, tell)
        if record is not None and (record.instances, record.listed) != (wanted, listed):
            reported = REPORTED.pop(this.key, record.reported)
            record = this.update(record, instances=wanted, listed=listed, reported=reported)
        left = [item for item in wanted if not item.done and item.uuid not in ended]
        if left:
            if target is not None:
                target = reserved_hosts.chosen(this, record, target, left)
                record = reserved_hosts.claim(this, record, target, use_up, tell)
            record, found = _round(this, record, wanted, left, listed, target, fresh, tell)
            ended |= {item.uuid: item for item in found}
            continue
        begun = time.monotonic() if begun is None else begun
        # One list may lack instances: those of a part of Nova that does not answer.
        if time.monotonic() - begun > ARRIVING or not arriving:
            return [item for item in ended.values() if not item.done]
        time.sleep(IN_FLIGHT)


def _arrive(this: Attempt) -> bool:
    """Whether instances may be about to arrive on the host.

    The source of a live migration whose new host dies at its end does not hear of it any more, and
    writes down a minute later that the instance is there (`_post_live_migration_update_host` of
    nova.compute.manager, from 2024.1 on). A record that nobody ends, as the source has died, too,
    has not changed for longer.
    """
    try:
        found = this.client().migrations.list(host=this.host, status="running")
    except Exception as error:  # whatever a client library raises
        LOG.warning("Nova does not say whether an instance is on its way: %s", error)
        return True
    since = time.time() - 2 * ARRIVING
    mine = (m for m in found if str(m.dest_compute) == this.host)
    return any((times.epoch(m.updated_at) or 0.0) > since for m in mine)


def _round(
    this: Attempt,
    record: Record | None,
    wanted: tuple[Instance, ...],
    left: list[Instance],
    listed: float,
    target: str | None,
    fresh: bool,
    tell: Callable[[str, float], None],
) -> tuple[Record | None, list[Instance]]:
    """Evacuate those that are left of a list; return the record, and what became of each."""
    tell(progress.evacuating(this.host, left), 0.2)
    stopped: list[Exception] = []
    groups = RestartGroups(
        wanted,
        since=listed,
        patience=CONF.fencing.restart_group_timeout,
        pause=CONF.fencing.restart_group_pause,
        stagger=CONF.fencing.evacuation_stagger,
        stopped=lambda: bool(stopped),
    )
    ended = _evacuate_all(this, record, left, groups, target, fresh, stopped, tell)
    if record is not None:
        both = {item.uuid: item for item in (*wanted, *ended)}
        moved = any(item.done for item in ended)
        record = this.update(
            record,
            instances=tuple(both.values()),
            fruitless=0 if moved else record.fruitless,
        )
    if stopped:
        raise stopped[0]
    return record, ended


def _evacuate_all(
    this: Attempt,
    record: Record | None,
    left: list[Instance],
    groups: RestartGroups,
    target: str | None,
    fresh: bool,
    stopped: list[Exception],
    tell: Callable[[str, float], None],
) -> list[Instance]:
    """Evacuate some at a time; what has stopped one of them stops all that have not begun.

    Returns:
        what became of each.
    """
    cut_off = this.storage_fence(record)
    book = moves.Moves(this.context, objects, this.notification, this.host)
    full = record is not None and lacks_room(record.left)
    hosts = destinations.of(this, target, record.attempts if record and full else 0)

    def one(item: Instance) -> tuple[Instance, str]:
        try:
            groups.wait(item)
        except NotYet as reason:
            ended = replace(item, outcome=str(reason))
            message = progress.moved(Moved(item.uuid, item.vm_state, problem=str(reason)))
        else:
            ended, message = done_with(item, place, stopped)
        groups.end(ended)
        return ended, message

    def place(item: Instance) -> str:
        book.begin(item.uuid)
        try:
            _check_disks(this, item.uuid, cut_off)
            where = hosts.place(item.uuid, functools.partial(to, item))
        except Failed as error:
            book.end(item.uuid, "", str(error))
            raise
        book.end(item.uuid, where, "")
        return where

    def to(item: Instance, host: str | None) -> str:
        return task_of(this, record, item, target or host, Evacuation).run(fresh=fresh)

    return side_by_side(left, one, tell)


def done_with(
    item: Instance, run: Callable[[Instance], str], stopped: list[Exception]
) -> tuple[Instance, str]:
    """Do what there is to do with an instance; return what became of it, and that in words.

    Args:
        item: the instance.
        run: does it, and returns the host on which it is then; empty where it was deleted.
        stopped: what keeps all from going on that have not begun; added to where it comes from
            this one, and not empty: nothing is done.
    """
    if stopped:
        return item, f"Instance {item.uuid} is not begun"
    begun = time.monotonic()
    try:
        where = run(item)
    except Failed as error:
        seconds, problem = time.monotonic() - begun, str(error)
        found = Moved(item.uuid, item.vm_state, seconds=seconds, problem=problem)
        return replace(item, outcome=problem), progress.moved(found)
    except Exception as error:
        stopped.append(error)
        return item, f"Instance {item.uuid} is left: {error}"
    found = Moved(item.uuid, item.vm_state, goal(item), where, time.monotonic() - begun)
    return replace(item, outcome="recovered" if where else "deleted"), progress.moved(found)


def side_by_side(
    items: Iterable[Instance],
    one: Callable[[Instance], tuple[Instance, str]],
    tell: Callable[[str, float], None],
) -> list[Instance]:
    """Do something with some instances at a time, tell of each, and return what became of them."""
    done = []
    # Only this thread tells: TaskFlow's lock on its details never comes free for others.
    for item, message in greenpool.GreenPool(CONF.host_failure_recovery_threads).imap(one, items):
        tell(message, 0.5)
        done.append(item)
    return done


def _check_disks(this: Attempt, uuid: str, cut_off: StorageFence | None) -> None:
    if cut_off is None:
        return
    text = disks.outside(this.server(uuid), cut_off, functools.partial(this.volumes, uuid))
    if text is not None:
        raise Failed(text)


def task_of(
    this: Attempt,
    record: Record | None,
    item: Instance,
    target: str | None,
    kind: type[Task],
) -> Task:
    """Return what is to be done with one instance of an attempt; see `Evacuation`."""
    return kind(
        this.client,
        this.host,
        item,
        target=target,
        check=lambda: this.check(record),
        silent=lambda: this.check_silent(record),
        steady=this.steadiness().seconds,
        fenced=this.fenced_at,
        limits=Limits(
            request=CONF.fencing.nova_timeout,
            arrival=CONF.wait_period_after_evacuation,
            power=CONF.wait_period_after_power_off,
            rebuild=CONF.fencing.rebuild_timeout,
            interval=CONF.verify_interval,
        ),
    )


def _waiting_since(
    this: Attempt,
    record: Record | None,
    wanted: tuple[Instance, ...],
    tell: Callable[[str, float], None],
) -> float:
    """Return since when groups of instances wait for each other; 0 where there is one at most."""
    phases = restart_order.phases(wanted)
    if len(phases) < 2:
        return 0.0
    if record is None or not record.listed:
        tell(progress.ordered(this.host, phases, CONF.fencing.restart_group_timeout), 0.15)
    return (record.listed if record is not None else 0.0) or time.time()


def _listed(
    this: Attempt,
    record: Record | None,
    tell: Callable[[str, float], None],
    *,
    every: bool,
) -> tuple[Instance, ...]:
    """Return the instances to recover in their order, as they were before the failure.

    Those that an earlier attempt has written down are as it says; others may have come to the
    host since, as the last step of a migration.
    """
    known = {item.uuid: item for item in (record.instances if record else None) or ()}
    since = this.failed_at(record)
    if record is None or record.instances is None:
        tell(progress.lost(this.host, since), 0.1)
        if record is not None:
            this.count_begun(record, since)
    fenced, end = this.fenced_at(this.host), time.monotonic() + CONF.fencing.nova_timeout
    reported = REPORTED.get(this.key, record.reported if record else 0.0)
    while True:
        try:
            client = this.client()
            reading = Reading(client)
            found, left = chosen(client, this.host, reading, every=every)
            new = [server for server in found if server.id not in known]
            awaits = functools.partial(
                selection.awaits_host, client, since=since, fenced=fenced, reported=reported
            )
            waiting = {server.id: selection.WAITS for server in new if awaits(server)}
            new = [server for server in new if server.id not in waiting]
            located = reading.places(new, CONF.fencing.restart_order_from)
            locked = record is not None and any(getattr(s, "locked", False) for s in new)
            halfway = this.store.halfway(this.host) if locked else {}
            before = functools.partial(selection.before_failure, client)
            fresh = (before(s, since, located[s.id], halfway.get(s.id)) for s in new)
            listed = [*known.values(), *fresh]
            break
        except Exception as error:  # whatever a client library raises
            if time.monotonic() >= end:
                raise NoAnswer(f"Nova does not list its instances: {error}") from error
        time.sleep(CONF.fencing.poll_interval)
    if record is None or record.instances is None:
        for uuid, reason in (left | waiting).items():
            tell(progress.left_alone(uuid, reason), 0.1)
    for uuid, place in located.items():
        for note in place.notes:
            tell(progress.unheeded(uuid, note), 0.1)
    return tuple(item for phase in restart_order.phases(listed) for item in phase)


def chosen(
    client: Any, host: str, reading: Reading, *, every: bool = True
) -> tuple[list[Any], dict[str, str]]:
    """Return the instances of a host to recover, and why each other one is left alone.

    Args:
        client: a novaclient.
        host: Nova's name of the host.
        reading: what is asked for once in an attempt.
        every: not only those of Nova's first page.
    """
    options = CONF.host_failure
    key = getattr(options, "ha_enabled_instance_metadata_key", "HA_Enabled")
    servers = [
        s for s in instances.of_host(client, host, every=every) if not instances.is_going(s)
    ]
    found = selection.to_recover(
        servers,
        key=key,
        everyone=options.evacuate_all_instances,
        skip_errors=options.ignore_instances_in_error_state,
    )
    left = {s.id: selection.why_left(s, key) for s in servers if s not in found}
    left |= reading.objections(found, scope(CONF), host)
    return [s for s in found if s.id not in left], left


def release(this: Attempt, record: Record, *, patience: float = 0.0) -> list[Instance]:
    """Unlock what is not recovered, as far as Nova answers; the next attempt locks it anew.

    Args:
        this: the attempt.
        record: the recovery.
        patience: see `Evacuation.release`; for all of them together, each is looked at once.

    Returns:
        those that stay locked, as they may run elsewhere, or may, as Nova does not answer or
        refuses; their outcome says where, or why.

    Raises:
        Superseded: the recovery is somebody else's.
        PacemakerError: the cluster does not answer.
    """
    kept = []
    end = time.monotonic() + patience
    for item in record.left:
        # What was asked for of the others goes on meanwhile.
        rest = max(end - time.monotonic(), CONF.verify_interval / 2) if patience else 0.0
        try:
            evacuation = task_of(this, record, item, None, Evacuation)
            if why := evacuation.release(patience=rest):
                kept.append(replace(item, outcome=why))
        except Failed as error:
            LOG.warning("Instance %s may stay locked: %s", item.uuid, error)
            kept.append(replace(item, outcome=f"it may stay locked: {error}"))
    return kept
