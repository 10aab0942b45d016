"""The tasks that Masakari's host recovery starts with.

Only an adapter: the decisions are in `fence`, the service in `compute`. Masakari finds the
classes through the entry points `masakari.task_flow.tasks`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, NoReturn

import masakari.conf
from masakari import exception, objects
from masakari.compute import nova
from masakari.engine.drivers.taskflow import base
from oslo_log import log as logging

from masakari_fencing import (
    attempts,
    conf,
    evacuations,
    guard,
    guests,
    orphans,
    refusals,
    testimony,
    times,
)
from masakari_fencing.commands import Subprocess
from masakari_fencing.compute import BINARY, ComputeError, ComputeService
from masakari_fencing.fence import ComputeUnknown, HostFence, Refused, Report, Withdrawn
from masakari_fencing.pacemaker import PacemakerError
from masakari_fencing.reports import Limit, recovered
from masakari_fencing.turn import Busy, Turn

CONF = masakari.conf.CONF
conf.register(CONF)
LOG = logging.getLogger(__name__)


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
        report = _report(self.context, host_name, notification_uuid)
        gate = HostFence(
            Subprocess(),
            conf.policy(CONF),
            compute_seen=lambda: _last_seen(service),
            progress=self.update_details,
            excess=lambda: _excess(self.context, report),
            recovered=lambda: _recovered(self.context, notification_uuid),
            withdrawn=lambda: testimony.withdrawal(_others(host_name), host_name),
            confirmed=lambda: testimony.confirmed(_others(host_name), host_name),
        )
        try:
            proof = gate.ensure(report)
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
    """Begins an attempt to evacuate the guests where no earlier one can get into its way."""

    def __init__(self, context: Any, novaclient: Any, **kwargs: Any) -> None:
        kwargs["requires"] = ["host_name", "notification_uuid"]
        super().__init__(context, novaclient, **kwargs)

    def execute(self, host_name: str, notification_uuid: str) -> None:
        """Wait for evacuations that are under way, and make good what failed ones have done.

        Raises:
            masakari.exception.HostRecoveryFailureException: Nova does not say what is under way.
        """
        self._await_evacuations(host_name)
        self._forget_moves(notification_uuid)
        self._restore_states(host_name, notification_uuid)

    def _await_evacuations(self, host_name: str) -> None:
        """Let nobody evacuate a guest that is being rebuilt; see `evacuations`."""
        told: list[str] = []
        while found := self._under_way(host_name):
            if found != told:
                message = f"Waiting for evacuations that have begun: {', '.join(found)}"
                LOG.info("Host %s: %s", host_name, message)
                self.update_details(message)
                told = found
            time.sleep(CONF.fencing.poll_interval)

    def _under_way(self, host_name: str) -> list[str]:
        end = time.monotonic() + CONF.fencing.nova_timeout
        while True:
            try:
                return _under_way(self.context, host_name)
            except Exception as error:  # whatever a client library raises
                if time.monotonic() >= end:
                    message = f"Nova does not say what it evacuates from '{host_name}': {error}"
                    _refuse(self, host_name, message, message)
            time.sleep(CONF.fencing.poll_interval)

    def _forget_moves(self, notification_uuid: str) -> None:
        """Have Masakari judge this attempt, and make its moves, by itself.

        It would take the failed moves of an earlier attempt for this one's, and make those once
        more that were planned and not made. Releases before 2023.1 keep no record of moves.
        """
        if not hasattr(objects, "VMoveList"):
            return
        for status in ("pending", "ongoing", "failed"):
            moves = objects.VMoveList.get_all_vmoves(
                self.context, notification_uuid, status=status
            )
            for move in moves:
                move.status = "ignored"
                move.message = "Of an earlier attempt; the recovery was started again."
                move.save()

    def _restore_states(self, host_name: str, notification_uuid: str) -> None:
        """Put guests that ran, and that Nova has given up since, back to active; see `attempts`.

        What cannot be put back is no reason to recover nothing.
        """
        try:
            client = nova.novaclient(self.context, timeout=guests.REQUEST_TIMEOUT)
            failed = attempts.failed(client.migrations.list(host=host_name), host_name)
            report = _report(self.context, host_name, notification_uuid)
            old = time.time() - report.generated >= attempts.BOOT
            # Where nothing has failed or can have booted, the guests need not be asked for.
            servers = list(guests.of_host(client, host_name)) if failed or old else []
            broken = [server.id for server in attempts.spoiled(servers, failed)]
            stopped = [
                server.id
                for server in servers
                if getattr(server, guests.STATE, "") == "stopped"
                and attempts.powered_off(client.instance_action.list(server), report.generated)
            ]
            for server in (*broken, *stopped):
                client.servers.reset_state(server, "active")
        except Exception as error:  # whatever a client library raises
            message = f"The states of guests of host '{host_name}' may be wrong: {error}"
            LOG.warning("%s", message)
        else:
            message = f"Guests whose evacuation failed before: {', '.join(broken) or 'none'}"
            if stopped:
                message += f"; that were stopped since by a boot of the host: {', '.join(stopped)}"
        self.update_details(message, 1.0)


class ConfirmEvacuationTask(base.MasakariTask):
    """Ends an attempt with a failure where guests were left behind.

    Masakari does not notice when a request to Nova fails at the wrong moment: the guest is
    evacuated by nobody, and the recovery counts as finished.
    """

    def __init__(self, context: Any, novaclient: Any, **kwargs: Any) -> None:
        kwargs["requires"] = ["host_name"]
        super().__init__(context, novaclient, **kwargs)

    def execute(self, host_name: str) -> None:
        """Look for guests that Nova still has on the host.

        Raises:
            masakari.exception.HostRecoveryFailureException: there are some, or Nova does not
                answer; Masakari will try again.
        """
        options = CONF.host_failure
        client = nova.novaclient(self.context, timeout=guests.REQUEST_TIMEOUT)
        left = evacuations.left_behind(
            guests.of_host(client, host_name),
            key=getattr(options, "ha_enabled_instance_metadata_key", "HA_Enabled"),
            everyone=options.evacuate_all_instances,
            skip_errors=options.ignore_instances_in_error_state,
        )
        if left:
            message = f"Guests left behind on host '{host_name}': {', '.join(left)}"
            LOG.error("%s", message)
            self.update_details(message, 1.0)
            raise exception.HostRecoveryFailureException(message=message)
        self.update_details(f"No guest is left behind on host '{host_name}'", 1.0)


def _under_way(context: Any, host_name: str) -> list[str]:
    client = nova.novaclient(context, timeout=guests.REQUEST_TIMEOUT)
    migrations = list(client.migrations.list(host=host_name))

    def under_way(dead: Collection[str]) -> list[str]:
        limit = CONF.fencing.rebuild_timeout
        return evacuations.under_way(
            migrations, host_name, now=time.time(), limit=limit, dead=dead
        )

    if not under_way(()):
        return []
    # A host that is forced down was fenced: nothing goes on there.
    services = client.services.list(binary=BINARY)
    return under_way({found.host for found in services if getattr(found, "forced_down", False)})


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
    return ComputeService(
        lambda: nova.novaclient(context, timeout=guests.REQUEST_TIMEOUT), host_name
    )


def _excess(context: Any, report: Report) -> str | None:
    """Return why the host must not be fenced because of reports; None when it may."""
    limit = Limit(CONF.fencing.report_limit_hosts, CONF.fencing.report_limit_window)
    reason = limit.excess(context, objects, report.host, report.generated)
    if reason is not None and guard.lifted(Subprocess()):
        LOG.warning("Fencing %s all the same, as the operator allowed: %s", report.host, reason)
        return None
    return reason


def _recovered(context: Any, notification_uuid: str) -> float | None:
    """Return when another recovery of the host ended, if it was for a fence that still counts."""
    return recovered(context, objects, notification_uuid, 2 * CONF.fencing.fence_max_age)


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
    generated = times.aware(notification.generated_time)
    status = str((notification.payload or {}).get("cluster_status") or "OFFLINE").upper()
    return Report(host_name, generated.timestamp(), status)
