"""Masakari's driver of recoveries, with an end to each recovery of a host.

Masakari finds it by `[DEFAULT] notification_driver` and the entry points `masakari.driver`. The
option is set in the engine's environment alone: masakari-manage loads the driver, too, and has it
not on its path.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import time
from typing import Any

import masakari.conf
from masakari import exception, objects
from masakari.engine.drivers.taskflow import driver
from masakari.objects.fields import FailoverSegmentRecoveryMethod

from masakari_fencing import times
from masakari_fencing.commands import Subprocess
from masakari_fencing.openstack import instances
from masakari_fencing.openstack.compute_service import ComputeError
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records import disarmed
from masakari_fencing.records.recovery import FAILED, NOTHING, RECOVERED, REFUSED
from masakari_fencing.workflow import lost_hosts, options
from masakari_fencing.workflow.attempt import Attempt
from masakari_fencing.workflow.ending import LOST, conclude, end_maintenance, others_end
from masakari_fencing.workflow.instances import destinations, reserved_hosts, selection
from masakari_fencing.workflow.instances.reading import Reading
from masakari_fencing.workflow.recovery_lock import Busy, Ended

CONF = masakari.conf.CONF
LOG = logging.getLogger(__name__)

ACTED_UPON = "nova-compute"
"""The only process about which Masakari's own driver does something (13, 17 and 18 by their
source). But its manager has a host in maintenance before that, whichever process has failed."""

GOING_ON = ("new", "running", "error")
"""States of a notification whose recovery has no end yet."""

SOON = 2.0
"""Seconds by which the clocks of a hypervisor and of Nova's database may be off where an instance
fails as soon as it is started: that start is before the failure."""


class FencingDriver(driver.TaskFlowDriver):
    """Masakari's own, whose flows begin with a proof that the host is dead."""

    def execute_host_failure(
        self,
        context: Any,
        host_name: str,
        recovery_method: str,
        notification_uuid: str,
        **kwargs: Any,
    ) -> None:
        """Recover a host; see Masakari's driver for the arguments.

        Raises:
            masakari.exception.MasakariException: it failed, or there was nothing to recover.
        """
        this = Attempt(context, host_name, notification_uuid)
        if kwargs.get("reserved_host_list") is not None:
            try:
                record = this.store.read(host_name)
            except (PacemakerError, ValueError):
                record = None
            near = destinations.within(this, kwargs["reserved_host_list"])
            kwargs["reserved_host_list"] = reserved_hosts.available(
                context, record, reserved_hosts.nearest(this, near)
            )
            if record is not None and record.down:
                # What is started where it is needs no reserved host; without any, it would not be.
                recovery_method, kwargs = FailoverSegmentRecoveryMethod.AUTO, {}
        try:
            super().execute_host_failure(
                context, host_name, recovery_method, notification_uuid, **kwargs
            )
        except exception.SkipHostRecoveryException:
            raise
        except Exception as error:
            text = str(error)
            if isinstance(error, exception.ReservedHostsUnavailable):
                # It ends before any task of ours; one that has failed is tried again.
                with contextlib.suppress(Busy, Ended, PacemakerError, ValueError):
                    this.take(0, waiting=lambda holder: None)
                text = f"{error} Add one to its segment: add-hosts reserved-hosts=..."
            # Where there is no quorum now, it is written once there is.
            conclude(this, FAILED, text)
            end = others_end(this)
            if end is not None and end.outcome in (RECOVERED, NOTHING):
                # Masakari has put it in maintenance for this attempt; it may have been returned.
                with contextlib.suppress(ComputeError):
                    end_maintenance(this)
                text = f"Host '{host_name}' was recovered by another engine"
                raise exception.SkipHostRecoveryException(message=text) from error
            raise
        outcome = conclude(this, RECOVERED, f"Host '{host_name}' is recovered")
        end = others_end(this) if outcome == LOST else None
        if end is not None and end.outcome in (FAILED, REFUSED):
            # Masakari would call it finished, and nobody would look at it again.
            text = f"The recovery of host '{host_name}' was taken over, and failed: {end.reason}"
            raise exception.HostRecoveryFailureException(message=text)

    def execute_instance_failure(
        self, context: Any, instance_uuid: str, notification_uuid: str
    ) -> None:
        """Recover an instance; see Masakari's driver for the arguments.

        Raises:
            masakari.exception.MasakariException: it failed, or must not be recovered now.
        """
        report = objects.Notification.get_by_uuid(context, notification_uuid)
        host = objects.Host.get_by_uuid(context, report.source_host_uuid)
        if reason := _switched_off(host):
            LOG.warning("Instance %s on %s is not recovered: %s", instance_uuid, host.name, reason)
            raise exception.IgnoreInstanceRecoveryException(reason)
        this = Attempt(context, host.name, notification_uuid)
        _judge(this, instance_uuid)
        super().execute_instance_failure(context, instance_uuid, notification_uuid)

    def execute_process_failure(
        self, context: Any, process_name: str, host_name: str, notification_uuid: str
    ) -> None:
        """Take a host out of service whose process has failed; see Masakari's driver.

        Raises:
            masakari.exception.MasakariException: it failed, or must not be done now.
        """
        if reason := _switched_off(objects.Host.get_by_name(context, host_name)):
            LOG.warning("%s on %s failed, nothing is done: %s", process_name, host_name, reason)
            _end_maintenance(Attempt(context, host_name, notification_uuid))
            raise exception.SkipProcessRecoveryException()
        if process_name != ACTED_UPON:
            LOG.warning("%s on %s failed; Masakari does nothing about it", process_name, host_name)
            _end_maintenance(Attempt(context, host_name, notification_uuid))
            raise exception.SkipProcessRecoveryException()
        super().execute_process_failure(context, process_name, host_name, notification_uuid)


def _end_maintenance(this: Attempt) -> None:
    """End the maintenance that Masakari has a host in since it heard of one of its processes.

    It takes no report of a host in maintenance, and its death would not be recovered. One that it
    was in before this report was worked on, or is in for a failure of its own, stays.
    """
    begun = _changed(objects.Notification.get_by_uuid(this.context, this.notification))
    host = objects.Host.get_by_name(this.context, this.host)
    if _changed(host) < begun:
        return
    filters = {"source_host_uuid": host.uuid}
    known = objects.NotificationList.get_all(this.context, filters=filters)
    others = (one for one in known if one.notification_uuid != this.notification)
    if any(_changed(one) >= begun or one.status in GOING_ON for one in filter(_takes_out, others)):
        return
    host.on_maintenance = False
    host.save()


def _takes_out(report: Any) -> bool:
    """Whether a report is one for which a host is put into maintenance, and stays there."""
    acted_upon = (report.payload or {}).get("process_name") == ACTED_UPON
    return report.type == "COMPUTE_HOST" or (report.type == "PROCESS" and acted_upon)


def _changed(found: Any) -> datetime.datetime:
    """Return when something of Masakari's was changed last, by the clock that wrote it down."""
    return times.aware(found.updated_at or found.created_at)


def _judge(this: Attempt, uuid: str) -> None:
    """Look whether an instance that died is to be restarted now; where nobody says, it is.

    Raises:
        masakari.exception.MasakariException: it is not.
    """
    nova = server = None
    alone = ""
    try:
        nova = this.client()
        server = nova.servers.get(uuid)
        alone = _elsewhere(this, nova, server) or _out_of_scope(this, nova, server)
    except Exception as error:  # whatever a client library raises
        LOG.warning("Whether instance %s is to be left alone is not known: %s", uuid, error)
    if alone:
        LOG.info("Instance %s on %s is not restarted: %s", uuid, this.host, alone)
        raise exception.IgnoreInstanceRecoveryException(alone)
    try:
        started = server is not None and _was_started(nova, server, this.report().generated)
    except Exception as error:  # whatever a client library raises
        LOG.warning("Whether instance %s was started since is not known: %s", uuid, error)
        started = False
    if started:
        LOG.info("Instance %s on %s was started since", uuid, this.host)
        raise exception.SkipInstanceRecoveryException()
    there = str(getattr(server, instances.HOST, None) or this.host)
    if reason := lost_hosts.reason(there, this.client):
        # What is asked of it now would wait for a nova-compute that is dead, and its recovery for
        # that. Where it is taken back, this is tried again.
        LOG.warning("Instance %s is not restarted yet: %s", uuid, reason)
        raise exception.InstanceRecoveryFailureException(message=reason)


def _was_started(nova: Any, server: Any, failed: float) -> bool:
    """Whether an instance runs that was started since its failure: its report is an old one.

    Several engines have carried it out, or one has died after that; or it was not taken for a
    while, and somebody else has seen to it.
    """
    state, task = getattr(server, instances.STATE, ""), getattr(server, instances.TASK, None)
    if task or state != "active":
        return False
    return selection.was_started(selection.deeds(nova, server), failed + SOON)


def _elsewhere(this: Attempt, nova: Any, server: Any) -> str:
    """Return on which other host Nova has an instance; empty where it has not.

    What died here was left by an evacuation that broke off, and was stopped as the status says, or
    the instance has left meanwhile. There, a host that is off would never end what it is asked
    for, so that the recovery of that host would wait for it, and one that works would stop it.
    What does not run there, and has come from here, failed before it left, and is started there.
    """
    other = str(getattr(server, instances.HOST, None) or "")
    if other.lower() in ("", this.host.lower()):
        return ""
    try:
        objects.Host.get_by_name(this.context, other)
    except exception.HostNotFound:
        return ""  # Nova may know this host under another name, which no segment has.
    stopped = getattr(server, instances.STATE, "") == "stopped"
    if stopped and instances.has_moved(nova, this.host, other, server.id):
        return ""
    return f"Nova has it on {other}"


def _out_of_scope(this: Attempt, nova: Any, server: Any) -> str:
    """Return why the operator does not want an instance restarted; empty where that is not so."""
    scope = options.scope(CONF)
    if not (scope.only or scope.never or CONF.instance_failure.process_all_instances):
        return ""  # Those alone are restarted of which somebody has said so.
    return Reading(nova).objections([server], scope, this.host).get(server.id, "")


def _switched_off(found: Any) -> str | None:
    """Return why nothing is recovered on a host now; None where something is, or nobody says.

    Masakari itself looks at the segment where a notification arrives, and not where it takes one
    up again.
    """
    host, segment = found.name, found.failover_segment
    # Releases before Wallaby cannot disable one.
    if not getattr(segment, "enabled", True):
        return f"its segment {segment.name} is disabled"
    try:
        runner, timeout = Subprocess(), CONF.fencing.command_timeout
        pause = disarmed.in_force(disarmed.read(runner, timeout=timeout), host, time.time())
    except PacemakerError:
        return None
    return None if pause is None else str(pause)
