"""The tasks that Masakari's host recovery starts with.

Only an adapter: the decisions are in `fence`, the service in `compute`. Masakari finds the
classes through the entry points `masakari.task_flow.tasks`.
"""

from __future__ import annotations

import contextlib
import datetime
import time
from pathlib import Path
from typing import Any, NoReturn

import masakari.conf
from masakari import exception, objects
from masakari.compute import nova
from masakari.engine.drivers.taskflow import base
from oslo_log import log as logging

from masakari_fencing import attempts, conf, guard, orphans, refusals, testimony
from masakari_fencing.commands import Subprocess
from masakari_fencing.compute import ComputeError, ComputeService
from masakari_fencing.fence import ComputeUnknown, HostFence, Refused, Report, Withdrawn
from masakari_fencing.pacemaker import PacemakerError
from masakari_fencing.reports import Limit
from masakari_fencing.turn import Busy, Turn

CONF = masakari.conf.CONF
conf.register(CONF)
LOG = logging.getLogger(__name__)

REQUEST_TIMEOUT = 20
"""Seconds that one request to Nova may take."""


class EnsureHostFencedTask(base.MasakariTask):
    """Goes on only when the failed host is proven dead, and nobody else recovers it."""

    def __init__(self, context: Any, novaclient: Any, **kwargs: Any) -> None:
        kwargs["requires"] = ["host_name", "notification_uuid"]
        super().__init__(context, novaclient, **kwargs)

    def execute(self, host_name: str, notification_uuid: str) -> None:
        """Wait for the proof.

        Raises:
            masakari.exception.HostRecoveryFailureException: there is none, or another recovery of
                the host does not end; nothing was started.
            masakari.exception.SkipHostRecoveryException: the host works again, and was not fenced.
        """
        self._take_turn(host_name, notification_uuid)
        self._ensure_fenced(host_name, notification_uuid)

    def _take_turn(self, host_name: str, notification_uuid: str) -> None:
        def waiting(holder: str) -> None:
            text = f"Waiting for another recovery of host '{host_name}' to end: {holder}"
            LOG.info("%s", text)
            self.update_details(text)

        try:
            turn = _turn(self.context, host_name, notification_uuid)
            turn.take(CONF.fencing.recovery_timeout, waiting=waiting)
        except (Busy, PacemakerError, ValueError) as error:
            if CONF.fencing.allow_unfenced_recovery and isinstance(error, PacemakerError):
                LOG.warning("Recovering host %s without a cluster: %s", host_name, error)
                return
            message = f"Another recovery of host '{host_name}' cannot be excluded: {error}"
            _refuse(self, host_name, message, message)

    def _ensure_fenced(self, host_name: str, notification_uuid: str) -> None:
        service = _service(self.context, host_name)
        gate = HostFence(
            Subprocess(),
            conf.policy(CONF),
            compute_seen=lambda: _last_seen(service),
            progress=self.update_details,
            excess=lambda: _excess(self.context, host_name),
            withdrawn=lambda: testimony.withdrawal(_others(host_name), host_name),
            confirmed=lambda: testimony.confirmed(_others(host_name), host_name),
        )
        try:
            proof = gate.ensure(_report(self.context, host_name, notification_uuid))
        except Refused as refusal:
            message = f"Refused to recover the guests: {refusal}"
            _refuse(self, host_name, message, refusal.reason)
        except Withdrawn as withdrawal:
            self._stand_down(host_name, f"Nothing to recover: {withdrawal}")
        with contextlib.suppress(OSError, ValueError):
            refusals.forget(Path(CONF.fencing.refusals_directory), host_name)
        message = f"Host '{host_name}': {proof}"
        LOG.info("%s", message)
        self.update_details(message, 1.0)

    def _stand_down(self, host_name: str, message: str) -> NoReturn:
        """End without a recovery; the host was put into maintenance when this one began."""
        LOG.warning("%s", message)
        self.update_details(message, 1.0)
        host = objects.Host.get_by_name(self.context, host_name)
        host.on_maintenance = False
        host.save()
        raise exception.SkipHostRecoveryException(message=message)


class ForceComputeServiceDownTask(base.MasakariTask):
    """Has Nova hold the host's compute service for down, so that it evacuates at once."""

    def __init__(self, context: Any, novaclient: Any, **kwargs: Any) -> None:
        kwargs["requires"] = ["host_name", "notification_uuid"]
        super().__init__(context, novaclient, **kwargs)

    def execute(self, host_name: str, notification_uuid: str) -> None:
        """Force the service down.

        Raises:
            masakari.exception.HostRecoveryFailureException: Nova did not do it in time, or
                another recovery of the host has begun.
        """
        self._check_turn(host_name, notification_uuid)
        self.update_details(f"Forcing the compute service on host '{host_name}' down")
        try:
            _service(self.context, host_name).force_down(CONF.fencing.nova_timeout)
        except ComputeError as error:
            message = f"The compute service on host '{host_name}' cannot be forced down: {error}"
            LOG.error("%s", message)
            self.update_details(message, 1.0)
            raise exception.HostRecoveryFailureException(message=message) from None
        self.update_details(f"The compute service on host '{host_name}' is forced down", 1.0)

    def _check_turn(self, host_name: str, notification_uuid: str) -> None:
        """Look once more before anything is changed: a fence may have been awaited for long."""
        try:
            mine = _turn(self.context, host_name, notification_uuid).held()
        except PacemakerError:
            mine = CONF.fencing.allow_unfenced_recovery
        if not mine:
            message = f"Another recovery of host '{host_name}' has taken over"
            _refuse(self, host_name, message, message)


class RestoreGuestStatesTask(base.MasakariTask):
    """Has Nova forget what earlier attempts of a recovery did to the guests' states."""

    def __init__(self, context: Any, novaclient: Any, **kwargs: Any) -> None:
        kwargs["requires"] = ["host_name"]
        super().__init__(context, novaclient, **kwargs)

    def execute(self, host_name: str) -> None:
        """Put guests whose evacuation has failed back to active; see `attempts`.

        What cannot be put back is no reason to recover nothing.
        """
        try:
            client = nova.novaclient(self.context, timeout=REQUEST_TIMEOUT)
            found = []
            # In this order: where nothing has failed, the guests need not be asked for.
            if failed := attempts.failed(client.migrations.list(host=host_name), host_name):
                options = {"host": host_name, "all_tenants": True}
                servers = client.servers.list(detailed=True, search_opts=options)
                found = [server.id for server in attempts.spoiled(servers, failed)]
            for server in found:
                client.servers.reset_state(server, "active")
        except Exception as error:  # whatever a client library raises
            message = f"The states of guests of host '{host_name}' may be wrong: {error}"
            LOG.warning("%s", message)
        else:
            message = f"Guests whose evacuation failed before: {', '.join(found) or 'none'}"
        self.update_details(message, 1.0)


def _refuse(task: Any, host_name: str, message: str, reason: str) -> NoReturn:
    """End the recovery, and say so wherever an operator looks."""
    LOG.error("%s", message)
    task.update_details(message, 1.0)
    with contextlib.suppress(OSError, ValueError):
        refusals.record(Path(CONF.fencing.refusals_directory), host_name, reason)
    raise exception.HostRecoveryFailureException(message=message)


def _turn(context: Any, host_name: str, notification_uuid: str) -> Turn:
    def active(uuid: str) -> bool:
        try:
            return bool(objects.Notification.get_by_uuid(context, uuid).status == "running")
        except exception.NotFound:
            return False

    limit = CONF.fencing.command_timeout
    return Turn(Subprocess(), host_name, notification_uuid, active, orphans.engine(), limit)


def _service(context: Any, host_name: str) -> ComputeService:
    return ComputeService(lambda: nova.novaclient(context, timeout=REQUEST_TIMEOUT), host_name)


def _excess(context: Any, host_name: str) -> str | None:
    """Return why the host must not be fenced because of reports; None when it may."""
    limit = Limit(CONF.fencing.report_limit_hosts, CONF.fencing.report_limit_window)
    reason = limit.excess(context, objects, host_name, time.time())
    if reason is not None and guard.lifted(Subprocess()):
        LOG.warning("Fencing %s all the same, as the operator allowed: %s", host_name, reason)
        return None
    return reason


def _others(host_name: str) -> list[str]:
    """Return the addresses of the other hypervisors, none where the cluster does not say."""
    try:
        return guard.others(Subprocess(), host_name)
    except PacemakerError as error:
        LOG.warning("Nobody can be asked whether %s works: %s", host_name, error)
        return []


def _last_seen(service: ComputeService) -> float | None:
    try:
        return service.last_seen()
    except ComputeError as error:
        raise ComputeUnknown(str(error)) from error


def _report(context: Any, host_name: str, notification_uuid: str) -> Report:
    notification = objects.Notification.get_by_uuid(context, notification_uuid)
    generated = notification.generated_time
    if generated.tzinfo is None:
        generated = generated.replace(tzinfo=datetime.timezone.utc)
    status = str((notification.payload or {}).get("cluster_status") or "OFFLINE").upper()
    return Report(host_name, generated.timestamp(), status)
