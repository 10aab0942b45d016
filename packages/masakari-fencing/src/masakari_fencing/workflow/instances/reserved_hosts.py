"""Reserved hosts: one that a recovery has taken is its own until it ends; the rest is given back.

Masakari gives a recovery the hosts that are reserved when it begins, and calls one used up before
anything has landed on it. An attempt that fails, or an engine that dies, would leave the next
attempt without any.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import masakari.conf
from masakari import exception, objects

from masakari_fencing.openstack import failure_domains, instances
from masakari_fencing.openstack.compute_service import BINARY
from masakari_fencing.openstack.failure_domains import Aggregate
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records.recoveries import Superseded
from masakari_fencing.records.recovery import Instance, Record, wants_another_host
from masakari_fencing.workflow.attempt import Attempt
from masakari_fencing.workflow.recovery_lock import regardless_of_proof

CONF = masakari.conf.CONF
LOG = logging.getLogger(__name__)

REASON = "Reserved by Masakari; no instance was recovered to it"
"""Why the compute service of a host is disabled that is given back."""


def available(context: Any, record: Record | None, listed: Iterable[str]) -> list[str]:
    """Return the reserved hosts of a recovery: first those that it has taken already.

    Args:
        context: an admin context of Masakari.
        record: the recovery.
        listed: those that Masakari has for it.
    """
    own = [name for name in (record.reserved if record else ()) if _serves(context, name)]
    return list(dict.fromkeys([*own, *listed]))


def nearest(this: Attempt, names: Iterable[str]) -> list[str]:
    """Return reserved hosts, those first that share most aggregates with the failed one.

    Where Nova does not answer, Masakari's order stays.

    Args:
        this: the attempt.
        names: of the reserved hosts.
    """
    found = list(names)
    if len(found) < 2:
        return found
    try:
        listed = this.client().aggregates.list()
        aggregates = [Aggregate(a.name, tuple(a.hosts), {}) for a in listed]
    except Exception as error:  # whatever a client library raises
        LOG.warning("Reserved hosts for %s are taken as they come: %s", this.host, error)
        return found
    return failure_domains.nearest(this.host, found, aggregates)


def chosen(this: Attempt, record: Record | None, following: str, left: Iterable[Instance]) -> str:
    """Return to which reserved host instances go: the following one only where that may help.

    After each attempt at one, Masakari goes on with the following, whatever has failed. An
    instance that fails for a reason of its own would use all of them up, one by one.

    Args:
        this: the attempt.
        record: the recovery.
        following: the one that Masakari has come to.
        left: the instances.
    """
    if record is None or following in record.reserved or wants_another_host(left):
        return following
    own = [name for name in record.reserved if _serves(this.context, name)]
    return own[-1] if own else following


def claim(
    this: Attempt,
    record: Record | None,
    name: str,
    use_up: Callable[..., None] | None,
    tell: Callable[[str, float], None],
) -> Record | None:
    """Take a reserved host for a recovery, and have Nova place instances on it.

    Args:
        this: the attempt.
        record: the recovery.
        name: the reserved host.
        use_up: Masakari's function that says that it is none any more.
        tell: told what is done.

    Raises:
        Superseded: the recovery is somebody else's.
        ProofLost: the failed host is back.
        PacemakerError: the cluster does not answer.
        Exception: whatever Nova's client or Masakari raises.
    """
    if record is not None and name not in record.reserved:
        record = this.update(record, reserved=(*record.reserved, name))
        # A member that was cut off a moment ago has written it for itself alone: nobody would ever
        # give the host back (see `cibadmin.QUORUM`).
        this.check(record)
    tell(f"Enabling reserved host: '{name}'", 0.1)
    client = this.client()
    if CONF.host_failure.add_reserved_host_to_aggregate:
        for aggregate in client.aggregates.list():
            if this.host in aggregate.hosts and name not in aggregate.hosts:
                client.aggregates.add_host(aggregate.id, name)
                tell(f"Added host {name} to aggregate {aggregate.name}", 0.1)
    client.services.enable(_service(client, name).id)
    if use_up is not None:
        use_up(this.context, name)
    return record


def give_back(this: Attempt, record: Record) -> tuple[str, ...]:
    """Reserve those again that nothing was recovered to; return the others.

    Raises:
        Superseded: the recovery is somebody else's.
        PacemakerError: the cluster does not answer.
    """
    return tuple(name for name in record.reserved if not _give_back(this, record, name))


def _give_back(this: Attempt, record: Record, name: str) -> bool:
    """Reserve one again; return whether it is, or need not be.

    Nobody would do that later, so it is tried for as long as any request to Nova.
    """
    end = time.monotonic() + CONF.fencing.nova_timeout
    while True:
        try:
            client = this.client()
            if list(instances.of_host(client, name)):
                return False
            regardless_of_proof(partial(this.check, record))
            client.services.disable_log_reason(_service(client, name).id, REASON)
            host = objects.Host.get_by_name(this.context, name)
            host.reserved = True
            host.save()
            return True
        except exception.NotFound:
            return True  # It was taken out of its segment.
        except (Superseded, PacemakerError):
            raise
        except Exception as error:  # whatever a client library raises
            if time.monotonic() >= end:
                LOG.warning("Reserved host %s is not given back: %s", name, error)
                return False
        time.sleep(CONF.fencing.poll_interval)


def _serves(context: Any, name: str) -> bool:
    with contextlib.suppress(exception.NotFound):
        return not objects.Host.get_by_name(context, name).on_maintenance
    return False


def _service(client: Any, name: str) -> Any:
    found = client.services.list(host=name, binary=BINARY)
    if len(found) != 1:
        raise LookupError(f"Nova has {len(found)} compute services on host {name}")
    return found[0]
