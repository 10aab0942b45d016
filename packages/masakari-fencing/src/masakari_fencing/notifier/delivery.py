"""Getting one completed fencing into Masakari: once, and for certain.

Each member of the cluster has the event. The one that is first in rank reports it; the others
find that report and are done, or report it themselves when it does not come.
"""

from __future__ import annotations

import dataclasses
import enum
import logging
import time
from collections.abc import Callable

from masakari_fencing.openstack.masakari_api import Host, MasakariApi, Notification, UnknownHost
from masakari_fencing.openstack.rest import ApiError, Conflict
from masakari_fencing.records.spool import EXPIRED, Event

LOG = logging.getLogger(__name__)

TOLERANCE = 10.0
"""Seconds by which two members' clocks may differ, and a report be older than the fence."""

PATIENCE = 300.0
"""Seconds after a fence in which Masakari takes its report for another one's without that being
said: by its own default three minutes."""

UNHEARD = 120.0
"""Seconds after which an engine would have begun what it was told of: Masakari takes up by itself
what is new only once it is as old as it says to be, which one from ahead is not for long."""

UNFINISHED = frozenset({"new", "running", "error"})
"""States of a notification that the engine is working on or will work on again."""


class Outcome(enum.Enum):
    """What became of an attempt."""

    DONE = "done"
    AGAIN = "again"


class Expired(ApiError):  # noqa: N818 - nothing went wrong now
    """Masakari would not act upon an event any more, and nobody has seen to its host."""


class Delivery:
    """Delivers events; it keeps nothing in memory, so that a restart loses nothing.

    Args:
        api: the Masakari API.
        redrive_within: seconds within which an earlier, failed recovery of the same host is
            started again by its fencing.
        has_instances: whether any instance is on a host; see `NovaApi.has_instances`.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        api: MasakariApi,
        *,
        redrive_within: float,
        has_instances: Callable[[str], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._has_instances = has_instances
        self._redrive_within = redrive_within
        self._clock = clock

    def deliver(self, event: Event, *, first: bool) -> Outcome:
        """Report an event, unless somebody has.

        Args:
            event: the completed fencing.
            first: nobody else can have reported it yet, so do not ask.

        Returns:
            whether the event has been dealt with.

        Raises:
            UnknownHost: the host is in no segment, now.
            ApiError: the API did not answer or refused; try again later.
        """
        # The clock may have been set back since.
        event = dataclasses.replace(event, time=min(event.time, self._clock()))
        if not first and self._reported(event, self._history(event)):
            return Outcome.DONE
        try:
            return self._notify(event, event.time)
        except Conflict as conflict:
            return self._resolve(event, conflict)

    def settle(self, event: Event) -> Outcome:
        """Find out whether anything is left to do about an event that is too old to be reported.

        Returns:
            that there is not: its host was reported all the same, or once more since, has no
            instances, or is in no segment.

        Raises:
            Expired: its instances are still there.
            ApiError: an API did not answer.
        """
        event = dataclasses.replace(event, time=min(event.time, self._clock()))
        try:
            host = self._api.find_host(event.node)
        except UnknownHost:
            LOG.error("NOT REPORTED: the fencing of %s, which is in no segment", event.node)
            return Outcome.DONE
        history = self._api.notifications(host)
        if self._reported(event, history) or any(
            _tells_failure(item) and item.status == "finished" and item.updated >= event.time
            for item in history
        ):
            return Outcome.DONE
        if self._has_instances(host.name):
            raise Expired(EXPIRED)
        return Outcome.DONE

    def adopt(self, event: Event) -> None:
        """Have a host that was in no segment, and that is back, be in one.

        Then there is nothing to report any more: a host that works was put into that segment.

        Raises:
            UnknownHost: the host is still in no segment.
            ApiError: the API did not answer.
        """
        self._api.find_host(event.node)
        LOG.warning("%s is back, and in a segment now: nothing is recovered", event.node)

    def _notify(self, event: Event, generated: float) -> Outcome:
        uuid = self._api.notify(event.node, generated)
        LOG.info("Reported the fencing of %s (%s): notification %s", event.node, event.id, uuid)
        return Outcome.DONE

    def _history(self, event: Event) -> list[Notification]:
        return self._api.notifications(self._api.find_host(event.node))

    def _reported(self, event: Event, history: list[Notification]) -> bool:
        """Whether there is a report of this very failure."""
        for item in history:
            of_this = _tells_failure(item) and item.generated >= event.time - TOLERANCE
            if of_this and not self._is_unheard(item):
                LOG.info("The fencing of %s is reported already (%s)", event.node, item.status)
                return True
        return False

    def _is_unheard(self, item: Notification) -> bool:
        """Whether no engine was told of it, and none asks for it yet."""
        waits = item.status == "new" and item.ahead > 0
        return waits and self._clock() - item.generated > UNHEARD

    def _resolve(self, event: Event, conflict: Conflict) -> Outcome:
        """Find out what the API's refusal means for this event."""
        host = self._api.find_host(event.node)
        history = self._api.notifications(host)
        if self._reported(event, history):
            return Outcome.DONE
        if not host.on_maintenance:
            earlier = next((item for item in history if _takes_out_of_service(item)), None)
            begins = earlier if earlier and earlier.status in UNFINISHED else None
            if begins is not None and not self._is_unheard(begins):
                # Its recovery has yet to begin, and will find this fence.
                return Outcome.AGAIN
            # An equal report of an earlier failure is too recent for Masakari's comparison, which
            # goes by the time of the report: give this one the present time until it is let in.
            LOG.debug("Masakari takes the fencing of %s for an old one: %s", event.node, conflict)
            return self._notify_late(event, history)
        return self._in_maintenance(event, host, history)

    def _notify_late(self, event: Event, history: list[Notification]) -> Outcome:
        now = max(event.time, self._clock())
        # After one of a monitor whose clock is ahead, Masakari lets in what is later by that clock
        # only. Nobody takes such a time for when it was: see `times.noticed`.
        ahead = [
            item.ahead
            for item in history
            if _tells_failure(item) and item.generated + item.ahead > now
        ]
        try:
            return self._notify(event, now + max(ahead, default=0.0))
        except Conflict:
            if self._clock() - event.time > PATIENCE:
                raise
            return Outcome.AGAIN

    def _in_maintenance(self, event: Event, host: Host, history: list[Notification]) -> Outcome:
        """Decide about a host that Masakari holds in maintenance, not because of this event."""
        earlier = next((item for item in history if _takes_out_of_service(item)), None)
        if earlier is None:
            LOG.warning("Host %s is in maintenance: its instances stay where they are", host.name)
            return Outcome.DONE
        if earlier.status in UNFINISHED:
            # A report from before the fence; its recovery may be waiting for exactly this fence.
            return Outcome.AGAIN
        if earlier.kind == "COMPUTE_HOST" and earlier.status in ("finished", "ignored"):
            # An evacuation that had waited for it may have come to it since.
            if earlier.updated >= event.time:
                return Outcome.DONE
            if not self._has_instances(host.name):
                LOG.info("Host %s was recovered before, and has no instances", host.name)
                return Outcome.DONE
        elif event.time - earlier.generated > self._redrive_within:
            LOG.warning("Host %s has long been in maintenance: nothing is recovered", host.name)
            return Outcome.DONE
        LOG.warning(
            "Host %s is in maintenance from a %s report whose recovery %s; it is fenced now: "
            "recovering its instances",
            host.name,
            earlier.kind,
            earlier.status,
        )
        try:
            self._api.end_maintenance(host)
        except Conflict:
            return Outcome.AGAIN
        try:
            # When it failed says which fence it is for, whatever has happened since.
            return self._notify(event, event.time)
        except Conflict:
            return self._notify_late(event, history)


def _tells_failure(item: Notification) -> bool:
    """Whether it reports that a host has failed."""
    return item.kind == "COMPUTE_HOST" and item.event == "STOPPED"


def _takes_out_of_service(item: Notification) -> bool:
    """Whether the engine puts the host in maintenance for such a notification."""
    return item.kind in ("COMPUTE_HOST", "PROCESS") and item.event == "STOPPED"
