"""The end of a host's recovery."""

from __future__ import annotations

import logging
from typing import Any

from masakari_fencing.records.recovery import FAILED, FRUITLESS, REFUSED
from masakari_fencing.workflow.attempt import Attempt
from masakari_fencing.workflow.instances import recovery, reserved_hosts

LOG = logging.getLogger(__name__)

HELD_ATTEMPTS = 12
"""After so many that have failed, which takes 40 minutes and more, a host is kept off no longer:
there may be no other place for its instances."""


def conclude(this: Attempt, outcome: str, reason: str, **changes: Any) -> None:
    """End a recovery, if it is this attempt's: first what it leaves behind, then its record.

    Nothing is written where somebody else has taken it, or will.

    Args:
        this: the attempt.
        outcome: how it ended; see `records.recovery`.
        reason: in a sentence for the operator.
        changes: what else is to be changed in the record.
    """
    try:
        record = this.current()
        if record.end is not None:
            return
        if outcome != FAILED:
            reserved_hosts.give_back(this, record)
        recovery.release(this, record)
        if outcome == FAILED and record.held and record.attempts + 1 >= HELD_ATTEMPTS:
            changes |= {"fruitless": FRUITLESS}
        ended = this.end(outcome, reason, **changes)
    except Exception as error:  # a client library's, the cluster's, somebody else's recovery
        LOG.warning("The recovery of host %s has no end: %s", this.host, error)
        return
    if ended is None:
        return
    if outcome in (REFUSED, FAILED):
        this.refuse(reason)
    else:
        this.forget_refusal()
