"""The end of a host's recovery."""

from __future__ import annotations

import logging
import time
from typing import Any

import masakari.conf
from masakari import objects

from masakari_fencing.openstack.evacuations import SPAWN_LIMIT
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records.recoveries import Superseded, Unreadable
from masakari_fencing.records.recovery import (
    FAILED,
    FRUITLESS,
    RECOVERED,
    REFUSED,
    End,
    Record,
    described,
    lacks_room,
)
from masakari_fencing.workflow.attempt import Attempt, without_cluster
from masakari_fencing.workflow.instances import destinations, recovery, reserved_hosts
from masakari_fencing.workflow.options import retries

CONF = masakari.conf.CONF
LOG = logging.getLogger(__name__)

LOST = "lost"
"""The outcome of a recovery that is somebody else's by now, who says how it has ended."""

PAUSE = 5.0
"""Seconds before the end is written once more that the cluster did not take."""

HELD_ATTEMPTS = 12
"""After so many that have failed, which takes 40 minutes and more by default, or the last one that
is to be tried, a host is kept off no longer: there may be no other place for its instances. Where
no other host is up, there is none for certain, and it is not kept off at all."""


FULL_ATTEMPTS = 4
"""The same where nothing but room is missing, after three and a half minutes by default: those in
which another host that failed may be back. The host itself has room for its instances."""


def conclude(
    this: Attempt, outcome: str, reason: str, *, elsewhere: bool = False, **changes: Any
) -> str:
    """End a recovery, if it is this attempt's: first what it leaves behind, then its record.

    Nothing is written where somebody else has taken it, or will.

    Args:
        this: the attempt.
        outcome: how it ended; see `records.recovery`.
        reason: in a sentence for the operator.
        elsewhere: none of its instances is on the host any more: where all are as they were, or
            can be made so, they were recovered, by whichever engine.
        changes: what else is to be changed in the record.

    Returns:
        how it ended; `LOST`: it is somebody else's.
    """
    told = ""
    while True:
        try:
            ended = _end(this, outcome, reason, elsewhere, changes)
            break
        except PacemakerError as error:
            if str(error) != told:
                told = str(error)
                LOG.warning("The recovery of host %s has no end yet: %s", this.host, error)
            # Nobody takes it over while the engine lives that its record names. But of one that
            # cannot be read nobody knows whose it is, and the status names it.
            if CONF.fencing.allow_unfenced_recovery or isinstance(error, Unreadable):
                return outcome
        except Superseded as error:
            LOG.warning("The recovery of host %s has no end: %s", this.host, error)
            return LOST
        except Exception as error:  # a client library's
            LOG.warning("The recovery of host %s has no end: %s", this.host, error)
            return outcome
        time.sleep(PAUSE)
    if ended is None:
        return outcome
    this.count_ended(ended)
    end = ended.end or End(outcome, reason, 0.0)
    if end.outcome in (REFUSED, FAILED):
        this.refuse(end.reason, end.outcome)
    else:
        this.forget_refusal()
    return end.outcome


def _end(
    this: Attempt, outcome: str, reason: str, elsewhere: bool, changes: dict[str, Any]
) -> Record | None:
    # What nobody has begun, nobody would try again.
    record = this.claim() if outcome == FAILED else this.current()
    if record.end is not None:
        return None
    failures = record.attempts + 1
    given_up = retries(CONF).pause(failures) is None
    # Nobody tries again what was refused, or failed for the last time: what is on its way is
    # waited for.
    over = outcome == REFUSED or (outcome == FAILED and given_up)
    kept = recovery.release(this, record, patience=SPAWN_LIMIT if over else 0.0)
    if elsewhere and not kept:
        outcome, reason = RECOVERED, f"{reason}; they are as they were"
    if outcome == REFUSED and record.left:
        # Each once: first those of which there is something to be seen to.
        known = {item.uuid for item in kept}
        others = [i for i in record.left if i.uuid not in known and not elsewhere]
        reason = f"{reason}; not recovered: {described([*kept, *others])}"
    if outcome == FAILED and over and kept:
        reason = f"{reason}; {described(kept)}"
    if outcome != FAILED:
        # After that: it may have come to one of them.
        changes = changes | {"reserved": reserved_hosts.give_back(this, record)}
    most = FULL_ATTEMPTS if lacks_room(record.left) else HELD_ATTEMPTS
    last = failures >= most or given_up
    alone = record.proof is not None and destinations.alone(this)
    if outcome == FAILED and ((record.held and last) or alone):
        changes = changes | {"fruitless": FRUITLESS}
    return this.end(outcome, reason, **changes)


def others_end(this: Attempt) -> End | None:
    """Return how this very notification has ended, by another engine, too; None: nobody says.

    Masakari has two that carry it out: one to which it was sent, and one that takes up what is
    unfinished. Whatever is said by the one that has lost the recovery would take the place of the
    other's word, so the other's end is waited for.
    """
    engine, notification = this.key
    end = time.monotonic() + CONF.fencing.recovery_timeout
    while time.monotonic() < end:
        try:
            record = this.store.read(this.host)
            if record is None or record.notification != notification:
                return None
            if record.end is not None:
                return record.end
            if record.engine in ("", engine):
                return None
        except (Unreadable, ValueError):
            return None
        except PacemakerError as error:
            if without_cluster(error):
                return None
            LOG.debug("It is asked again whether %s was recovered: %s", this.host, error)
        time.sleep(PAUSE)
    return None


def end_maintenance(this: Attempt) -> None:
    """Let Masakari act on the host's next failure, where it is in service.

    Raises:
        ComputeError: Nova does not say whether it is.
    """
    if this.service().state(CONF.fencing.nova_timeout).in_service:
        host = objects.Host.get_by_name(this.context, this.host)
        host.on_maintenance = False
        host.save()
