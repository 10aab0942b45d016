"""Recovering the instances of a host: evacuating them, or starting them where they are."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import masakari.conf
from eventlet import greenpool
from masakari import objects

from masakari_fencing.openstack import instances
from masakari_fencing.records import progress
from masakari_fencing.records.progress import Moved
from masakari_fencing.records.recovery import Instance, Record
from masakari_fencing.workflow.attempt import Attempt, NoAnswer
from masakari_fencing.workflow.instances import moves, reserved_hosts, selection
from masakari_fencing.workflow.instances.evacuation import Evacuation
from masakari_fencing.workflow.instances.evacuation import wanted as goal
from masakari_fencing.workflow.instances.requests import Failed, Limits

CONF = masakari.conf.CONF
LOG = logging.getLogger(__name__)


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
    wanted = _listed(this, record, tell)
    if record is not None and record.instances != wanted:
        record = this.update(record, instances=wanted)
    left = [item for item in wanted if not item.done]
    if not left:
        return []
    if target is not None:
        record = reserved_hosts.claim(this, record, target, use_up, tell)
    tell(progress.evacuating(this.host, left), 0.2)
    ended, stopped = _evacuate_all(this, record, left, target, fresh, tell)
    if record is not None:
        both = {item.uuid: item for item in (*wanted, *ended)}
        moved = any(item.done for item in ended)
        this.update(
            record,
            instances=tuple(both.values()),
            fruitless=0 if moved else record.fruitless,
        )
    if stopped is not None:
        raise stopped
    return [item for item in ended if not item.done]


def _evacuate_all(
    this: Attempt,
    record: Record | None,
    left: list[Instance],
    target: str | None,
    fresh: bool,
    tell: Callable[[str, float], None],
) -> tuple[list[Instance], Exception | None]:
    """Evacuate some at a time; what stops one of them stops all that have not begun.

    Returns:
        what became of each, and what has stopped the rest.
    """
    stopped: list[Exception] = []
    book = moves.Moves(this.context, objects, this.notification, this.host)

    def one(item: Instance) -> tuple[Instance, str]:
        if stopped:
            return item, f"Instance {item.uuid} is not begun"
        begun = time.monotonic()
        try:
            book.begin(item.uuid)
            where = _evacuation(this, record, item, target).run(fresh=fresh)
            book.end(item.uuid, where, "")
        except Failed as error:
            book.end(item.uuid, "", str(error))
            item = replace(item, outcome=str(error))
            seconds = time.monotonic() - begun
            found = Moved(item.uuid, item.vm_state, seconds=seconds, problem=str(error))
            return item, progress.moved(found)
        except Exception as error:
            stopped.append(error)
            return item, f"Instance {item.uuid} is left: {error}"
        seconds = time.monotonic() - begun
        found = Moved(item.uuid, item.vm_state, goal(item), where, seconds)
        outcome = "recovered" if where else "deleted"
        return replace(item, outcome=outcome), progress.moved(found)

    done = []
    # Only this thread tells: TaskFlow's lock on its details never comes free for others.
    for item, message in greenpool.GreenPool(CONF.host_failure_recovery_threads).imap(one, left):
        tell(message, 0.5)
        done.append(item)
    return done, stopped[0] if stopped else None


def _evacuation(
    this: Attempt, record: Record | None, item: Instance, target: str | None
) -> Evacuation:
    return Evacuation(
        this.client,
        this.host,
        item,
        target=target,
        check=lambda: this.check(record),
        limits=Limits(
            request=CONF.fencing.nova_timeout,
            arrival=CONF.wait_period_after_evacuation,
            power=CONF.wait_period_after_power_off,
            rebuild=CONF.fencing.rebuild_timeout,
            interval=CONF.verify_interval,
        ),
    )


def _listed(
    this: Attempt, record: Record | None, tell: Callable[[str, float], None]
) -> tuple[Instance, ...]:
    """Return the instances to recover, as they were before the failure.

    Those that an earlier attempt has written down are as it says; others may have come to the
    host since, as the last step of a migration.
    """
    known = {item.uuid: item for item in (record.instances if record else None) or ()}
    since = this.failed_at()
    if record is None or record.instances is None:
        tell(progress.lost(this.host, since), 0.1)
        if record is not None:
            this.count_begun(record, since)
    end = time.monotonic() + CONF.fencing.nova_timeout
    while True:
        try:
            client = this.client()
            found = _chosen(client, this.host)
            new = [server for server in found if server.id not in known]
            return (
                *known.values(),
                *(selection.before_failure(client, server, since) for server in new),
            )
        except Exception as error:  # whatever a client library raises
            if time.monotonic() >= end:
                raise NoAnswer(f"Nova does not list its instances: {error}") from error
        time.sleep(CONF.fencing.poll_interval)


def _chosen(client: Any, host: str) -> list[Any]:
    options = CONF.host_failure
    return selection.to_recover(
        instances.of_host(client, host),
        key=getattr(options, "ha_enabled_instance_metadata_key", "HA_Enabled"),
        everyone=options.evacuate_all_instances,
        skip_errors=options.ignore_instances_in_error_state,
    )


def restart(this: Attempt, fenced: float, *, tell: Callable[[str, float], None]) -> list[str]:
    """Start the instances of a host that is back, where they are.

    Args:
        this: the attempt.
        fenced: when the host was fenced, in seconds since the epoch.
        tell: told what is done.

    Returns:
        those that do not run, and why.

    Raises:
        NoAnswer: Nova does not list them.
    """
    try:
        client = this.client()
        servers = [s for s in _chosen(client, this.host) if selection.is_down(client, s, fenced)]
    except Exception as error:  # whatever a client library raises
        raise NoAnswer(f"Nova does not list its instances: {error}") from error
    left = []
    for server in servers:
        task = _evacuation(this, None, selection.before(server, running=True), None)
        try:
            task.restart()
            tell(f"Instance {server.id} was started where it is", 0.5)
        except Failed as error:
            left.append(f"{server.id} ({error})")
    return left


def release(this: Attempt, record: Record) -> None:
    """Unlock what is not recovered, as far as Nova answers; the next attempt locks it anew."""
    for item in record.left:
        try:
            _evacuation(this, record, item, None).release()
        except Failed as error:
            LOG.warning("Instance %s may stay locked: %s", item.uuid, error)
