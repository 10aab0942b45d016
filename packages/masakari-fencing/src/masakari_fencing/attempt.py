"""One attempt to recover a host's instances, as far as Masakari and Nova are concerned.

What must outlast the attempt is in the host's record (see `recovery_record`).
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import masakari.conf
from eventlet import greenpool
from masakari import objects
from masakari.compute import nova

from masakari_fencing import conf, evacuation, guests, moves, processes, refusals, reserved, times
from masakari_fencing.commands import Subprocess
from masakari_fencing.compute import ComputeService
from masakari_fencing.evacuation import Evacuation, Failed, Limits
from masakari_fencing.ownership import Ownership
from masakari_fencing.pacemaker import PacemakerError
from masakari_fencing.proof import Report
from masakari_fencing.recovery_record import (
    FAILED,
    REFUSED,
    Instance,
    Record,
    Records,
)

CONF = masakari.conf.CONF
conf.register(CONF)
LOG = logging.getLogger(__name__)

BOOT = 15.0
"""Seconds since its failure in which no host can have booted and looked after its instances."""

IN_FLIGHT = 5.0
"""Seconds after which a request of an engine that has died is visible in Nova, or never will be:
Nova's API records an evacuation before it answers."""


class NoAnswer(Exception):  # noqa: N818 - a missing answer
    """Nova does not say what is so."""


class Attempt:
    """What the tasks of one attempt share; each makes its own, from the same record.

    Args:
        context: an admin context of Masakari.
        host: Masakari's name of the host.
        notification: identifier of the notification.
    """

    def __init__(self, context: Any, host: str, notification: str) -> None:
        self.context = context
        self.host = host
        self.notification = notification
        self.store = Records(Subprocess(), CONF.fencing.command_timeout)
        engine = processes.identity()
        self._ownership = Ownership(self.store, host, notification, engine)
        self.take = self._ownership.take
        self.update = self._ownership.update

    def record(self) -> Record | None:
        """Return the record as it is; None without a cluster, where the operator allows that.

        Raises:
            Superseded: it is somebody else's.
            PacemakerError: the cluster does not answer.
        """
        try:
            return self._ownership.current()
        except PacemakerError:
            if not CONF.fencing.allow_unfenced_recovery:
                raise
            return None

    def check(self, record: Record | None = None) -> None:
        """Return where this attempt may go on; see `Ownership.check`.

        Raises:
            Superseded: the recovery is somebody else's.
            ProofLost: the host is back.
            PacemakerError: the cluster does not answer.
        """
        try:
            self._ownership.check(record or self._ownership.current())
        except PacemakerError:
            if not CONF.fencing.allow_unfenced_recovery:
                raise

    def client(self) -> Any:
        """Return a novaclient with a limit on each of its requests."""
        return nova.novaclient(self.context, timeout=guests.REQUEST_TIMEOUT)

    def service(self) -> ComputeService:
        """Return the host's compute service."""
        return ComputeService(self.client, self.host)

    def report(self) -> Report:
        """Return what was reported."""
        found = objects.Notification.get_by_uuid(self.context, self.notification)
        return Report(self.host, times.aware(found.generated_time).timestamp())

    def refuse(self, reason: str) -> None:
        """Leave a reason for the charm's status, whoever carries the recovery out."""
        with contextlib.suppress(OSError, ValueError):
            refusals.record(Path(CONF.fencing.refusals_directory), self.host, reason)

    def conclude(self, outcome: str, reason: str, **changes: Any) -> None:
        """End the recovery, if it is this attempt's: first what it leaves behind, then its record.

        Nothing is written where somebody else has taken it, or will.
        """
        try:
            record = self._ownership.current()
            if record.end is not None:
                return
            if outcome != FAILED:
                record = reserved.give_back(self, record)
            release(self, record)
            ended = self._ownership.end(outcome, reason, **changes)
        except Exception as error:  # a client library's, the cluster's, somebody else's recovery
            LOG.warning("The recovery of host %s has no end: %s", self.host, error)
            return
        if ended is None:
            return
        if outcome in (REFUSED, FAILED):
            self.refuse(reason)
        else:
            with contextlib.suppress(OSError, ValueError):
                refusals.forget(Path(CONF.fencing.refusals_directory), self.host)


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
    wanted = _listed(this, record)
    if record is not None and record.instances != wanted:
        record = this.update(record, instances=wanted)
    left = [item for item in wanted if not item.done]
    if not left:
        return []
    if target is not None:
        record = reserved.claim(this, record, target, use_up, tell)
    uuids = ", ".join(item.uuid for item in left)
    tell(f"Evacuating {len(left)} instances from host '{this.host}': {uuids}", 0.2)
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
        try:
            book.begin(item.uuid)
            where = _evacuation(this, record, item, target).run(fresh=fresh)
            book.end(item.uuid, where, "")
        except Failed as error:
            book.end(item.uuid, "", str(error))
            item = replace(item, outcome=str(error))
            return item, f"Instance {item.uuid} is not recovered: {error}"
        except Exception as error:
            stopped.append(error)
            return item, f"Instance {item.uuid} is left: {error}"
        outcome, state = ("recovered", f"up on {where}") if where else ("deleted", "gone")
        return replace(item, outcome=outcome), f"Instance {item.uuid} is {state}"

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


def _listed(this: Attempt, record: Record | None) -> tuple[Instance, ...]:
    """Return the instances to recover, as they were before the failure.

    Those that an earlier attempt has written down are as it says; others may have come to the
    host since, as the last step of a migration.
    """
    known = {item.uuid: item for item in (record.instances if record else None) or ()}
    since = this.report().generated
    end = time.monotonic() + CONF.fencing.nova_timeout
    while True:
        try:
            client = this.client()
            found = _chosen(client, this.host)
            new = [server for server in found if server.id not in known]
            return (*known.values(), *(_before(client, server, since) for server in new))
        except Exception as error:  # whatever a client library raises
            if time.monotonic() >= end:
                raise NoAnswer(f"Nova does not list its instances: {error}") from error
        time.sleep(CONF.fencing.poll_interval)


def _chosen(client: Any, host: str) -> list[Any]:
    options = CONF.host_failure
    return guests.to_recover(
        guests.of_host(client, host),
        key=getattr(options, "ha_enabled_instance_metadata_key", "HA_Enabled"),
        everyone=options.evacuate_all_instances,
        skip_errors=options.ignore_instances_in_error_state,
    )


def _before(client: Any, server: Any, since: float) -> Instance:
    """Return an instance as it was before the failure.

    Nova stops an instance that does not run although it should. A host that boots after its
    fencing, before they are listed, has many of those.
    """
    stopped = getattr(server, guests.STATE, "") == "stopped"
    late = time.time() - since >= BOOT
    ran = stopped and late and powered_off(client.instance_action.list(server), since)
    return guests.before(server, running=ran)


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
        servers = [s for s in _chosen(client, this.host) if _is_down(client, s, fenced)]
    except Exception as error:  # whatever a client library raises
        raise NoAnswer(f"Nova does not list its instances: {error}") from error
    left = []
    for server in servers:
        task = _evacuation(this, None, guests.before(server, running=True), None)
        try:
            task.restart()
            tell(f"Instance {server.id} was started where it is", 0.5)
        except Failed as error:
            left.append(f"{server.id} ({error})")
    return left


def _is_down(client: Any, server: Any, fenced: float) -> bool:
    """Whether an instance ran when its host was fenced, and does not now.

    Nova looks every ten minutes, by default, and stops what does not run; before, it takes it for
    running. What anybody has done with it since the fence has started it, or was meant not to.
    """
    state = getattr(server, guests.STATE, "")
    ran = evacuation.wanted(guests.before(server, running=False)) == "active"
    if not (ran or state == "stopped") or getattr(server, guests.TASK, None) is not None:
        return False
    actions = list(client.instance_action.list(server))
    if state == "stopped":
        return powered_off(actions, fenced)
    return not any((times.epoch(action.start_time) or 0.0) >= fenced for action in actions)


def powered_off(actions: Iterable[Any], since: float) -> bool:
    """Whether Nova by itself has stopped an instance, and nobody has touched it after that.

    Nova does so with `compute_api.stop` in `_sync_instance_power_state` of its compute manager,
    in a context without a user.

    Args:
        actions: novaclient's actions of the instance.
        since: seconds since the epoch; it may have been shut down from inside before.
    """
    dated = [(times.epoch(action.start_time) or 0.0, action) for action in actions]
    begun, last = max(dated, key=lambda item: item[0], default=(0.0, None))
    return last is not None and last.action == "stop" and not last.user_id and begun >= since


def release(this: Attempt, record: Record) -> None:
    """Unlock what is not recovered, as far as Nova answers; the next attempt locks it anew."""
    for item in record.left:
        try:
            _evacuation(this, record, item, None).release()
        except Failed as error:
            LOG.warning("Instance %s may stay locked: %s", item.uuid, error)


def described(host: str, left: Iterable[Instance]) -> str:
    """Return which instances are not recovered, for the operator."""
    found = [f"{item.uuid} ({item.outcome or 'not begun'})" for item in left]
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return f"Instances left behind on host '{host}': {', '.join(found[:5])}{more}"
