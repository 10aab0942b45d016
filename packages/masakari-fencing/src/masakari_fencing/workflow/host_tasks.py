"""The tasks of a host's recovery.

Only an adapter: who may do it is decided in `recovery_lock`, what proves the host dead in `proof`,
what is done with an instance in `evacuation`. The pause between a host's being taken out of
service and its first evacuation is Masakari's own (`wait_period_after_service_update`, the charm's
option `evacuation-delay`). Masakari finds the classes through the entry points
`masakari.task_flow.tasks`.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any, NoReturn

import masakari.conf
from masakari import exception, objects
from masakari.engine.drivers.taskflow import base
from oslo_log import log as logging

from masakari_fencing.commands import Subprocess
from masakari_fencing.openstack.compute_service import ComputeError
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records import progress
from masakari_fencing.records.recoveries import Superseded
from masakari_fencing.records.recovery import (
    FAILED,
    NOTHING,
    RECOVERED,
    REFUSED,
    Proof,
    Record,
    described,
    same_fence,
)
from masakari_fencing.workflow import options, returning
from masakari_fencing.workflow.attempt import REPORTED, Attempt, NoAnswer, without_cluster
from masakari_fencing.workflow.ending import conclude, end_maintenance
from masakari_fencing.workflow.instances import recovery, reserved_hosts
from masakari_fencing.workflow.proof.evidence import CloudEvidence
from masakari_fencing.workflow.proof.host_fence import (
    CameBack,
    HostFence,
    NotProvenDead,
    Withdrawn,
)
from masakari_fencing.workflow.proof.report_limit import ReportLimit
from masakari_fencing.workflow.recovery_lock import Busy, Ended, ProofLost

CONF = masakari.conf.CONF
options.register(CONF)
LOG = logging.getLogger(__name__)


class _HostTask(base.MasakariTask):
    """A task about a failed host."""

    def __init__(self, context: Any, novaclient: Any, **kwargs: Any) -> None:
        kwargs["requires"] = ["host_name", "notification_uuid"]
        super().__init__(context, novaclient, **kwargs)

    def tell(self, message: str, progress: float = 0.0) -> None:
        """Say something where an operator looks: in the log and in Masakari's details."""
        LOG.info("%s", message)
        self.update_details(message, progress)

    def fail(self, message: str) -> NoReturn:
        """End this attempt.

        Raises:
            masakari.exception.HostRecoveryFailureException: always.
        """
        LOG.error("%s", message)
        self.update_details(message, 1.0)
        raise exception.HostRecoveryFailureException(message=message)


class EnsureHostFencedTask(_HostTask):
    """Goes on only when the failed host is proven dead, and nobody else recovers it."""

    def execute(self, host_name: str, notification_uuid: str) -> None:
        """Take the recovery, and wait for the proof.

        Raises:
            masakari.exception.HostRecoveryFailureException: there is none, or another recovery of
                the host does not end; nothing was started.
            masakari.exception.SkipHostRecoveryException: there is nothing to recover: the host
                works, or another recovery has done it.
        """
        this = Attempt(self.context, host_name, notification_uuid)
        record = self._take(this)
        if record is None:
            return
        record, proof, late = self._prove(this, record)
        if record.down:
            # By the segment's method, which this attempt need not have.
            with contextlib.suppress(Superseded, PacemakerError):
                this.write(record, record.failed_again())
            self.fail(
                f"Host '{host_name}' has failed again before its instances were started there"
            )
        before = record.proof
        # That the power followed is no other fence; nor was one back that is only switched off.
        again = before is not None and not before.storage and proof.fenced > 0 and not late
        again = again and not same_fence(before.fenced if before else 0.0, proof.fenced)
        try:
            found = replace(record.fenced_by(proof), fruitless=record.fruitless + again)
            this.write(record, found)
        except (Superseded, PacemakerError) as error:
            if not (isinstance(error, PacemakerError) and without_cluster(error)):
                self.fail(f"The recovery of host '{host_name}' cannot go on: {error}")
        self.tell(progress.proven(host_name, proof.how), 1.0)

    def _prove(self, this: Attempt, record: Record) -> tuple[Record, Proof, bool]:
        def hold(held: bool) -> None:
            nonlocal record
            if record.held != held:
                # What failed while the host was on is no reason to keep it off for less.
                attempts = 0 if held else record.attempts
                record = this.update(record, held=held, attempts=attempts)

        report = this.report()
        limit = ReportLimit(CONF.fencing.report_limit_hosts, CONF.fencing.report_limit_window)
        evidence = CloudEvidence(
            Subprocess(), self.context, objects, this.service(), this.client, report, limit
        )
        fence = HostFence(
            Subprocess(),
            options.policy(CONF),
            evidence,
            record,
            hold=hold,
            progress=self.update_details,
        )
        try:
            proof = fence.ensure(report)
        except Superseded as error:
            self.fail(f"The recovery of host '{this.host}' cannot go on: {error}")
        except NotProvenDead as refusal:
            outcome = FAILED if refusal.unknown else REFUSED
            elsewhere = refusal.elsewhere
            if conclude(this, outcome, refusal.reason, elsewhere=elsewhere) == RECOVERED:
                self._end_maintenance(this)
                self._skip(f"The instances of host '{this.host}' were recovered: {refusal.reason}")
            self.fail(f"Refused to recover the instances: {refusal}")
        except Withdrawn as withdrawal:
            self._stand_down(this, f"Nothing to recover: {withdrawal}")
        except CameBack as back:
            self._restart(this, record, back)
        return record, proof, fence.late

    def _restart(self, this: Attempt, record: Record, back: CameBack) -> NoReturn:
        """Start the instances where they are, instead of cutting off a host that works."""
        try:
            # It proves nothing any more.
            record = this.update(record, proof=None, lost=0.0, down=back.since, used=back.fenced)
            this.check(record)
            left = returning.restart(this, record, tell=self.tell)
            if record.reserved:
                # Those of its instances that did not get there stay where they are.
                record = this.current()
                this.update(record, reserved=reserved_hosts.give_back(this, record))
        except (Superseded, PacemakerError, NoAnswer) as error:
            self.fail(f"The recovery of host '{this.host}' cannot go on: {error}")
        # First: nobody takes up again what has ended.
        self._end_maintenance(this)
        if left:
            self.fail(f"{back}, but not all its instances run: {described(left)}")
        message = f"{back}; its instances were started there"
        conclude(this, RECOVERED, message, used=back.fenced, down=0.0)
        self._skip(message)

    def _take(self, this: Attempt) -> Record | None:
        """Return the record; None without a cluster, where recovery without one is allowed."""
        host = this.host

        def waiting(holder: str) -> None:
            self.tell(f"Waiting for another recovery of host '{host}' to end: {holder}")

        try:
            return this.take(CONF.fencing.recovery_timeout, waiting=waiting)
        except Ended as ended:
            self._stand_down(this, f"Host '{host}' was recovered already: {ended}")
        except (Busy, PacemakerError, ValueError) as error:
            if isinstance(error, PacemakerError) and without_cluster(error):
                LOG.warning("Recovering host %s without a cluster: %s", host, error)
                return None
            message = f"Another recovery of host '{host}' cannot be excluded: {error}"
            this.refuse(message)
            self.fail(message)

    def _stand_down(self, this: Attempt, message: str) -> NoReturn:
        """End without a recovery; the host was put into maintenance when this one began."""
        self._end_maintenance(this)
        conclude(this, NOTHING, message)
        self._skip(message)

    def _skip(self, message: str) -> NoReturn:
        LOG.warning("%s", message)
        self.update_details(message, 1.0)
        raise exception.SkipHostRecoveryException(message=message)

    def _end_maintenance(self, this: Attempt) -> None:
        try:
            end_maintenance(this)
        except ComputeError as error:
            self.fail(f"Host '{this.host}' stays in maintenance: {error}")


class ForceComputeServiceDownTask(_HostTask):
    """Has Nova hold the host's compute service for down, so that it evacuates at once."""

    def execute(self, host_name: str, notification_uuid: str) -> None:
        """Force the service down.

        Raises:
            masakari.exception.HostRecoveryFailureException: Nova did not do it in time, or
                the recovery is not this engine's any more.
        """
        this = Attempt(self.context, host_name, notification_uuid)
        self.update_details(f"Forcing the compute service on host '{host_name}' down")
        try:
            before = this.service().force_down(CONF.fencing.nova_timeout, this.check)
        except (Superseded, ProofLost, PacemakerError) as error:
            self.fail(f"The recovery of host '{host_name}' cannot go on: {error}")
        except ComputeError as error:
            self.fail(f"The compute service on host '{host_name}' cannot be forced down: {error}")
        if before.in_service and before.changed is not None:
            # Else somebody may have disabled it since.
            REPORTED[this.key] = before.changed
        self.update_details(f"The compute service on host '{host_name}' is forced down", 1.0)


class RecoverInstancesTask(_HostTask):
    """Brings the instances of the dead host up elsewhere, in the states that they had."""

    def __init__(self, context: Any, novaclient: Any, **kwargs: Any) -> None:
        self._use_up = kwargs.get("update_host_method")
        super().__init__(context, novaclient, **kwargs)

    def execute(
        self, host_name: str, notification_uuid: str, reserved_host: str | None = None
    ) -> None:
        """Bring them up; with reserved hosts, Masakari calls it for one after the other.

        Raises:
            masakari.exception.HostRecoveryFailureException: not all are up; it is tried again.
        """
        this = Attempt(self.context, host_name, notification_uuid)
        try:
            left = recovery.evacuate(
                this, target=reserved_host, use_up=self._use_up, tell=self.tell
            )
        except (Superseded, ProofLost, PacemakerError, NoAnswer) as error:
            self.fail(f"The recovery of host '{host_name}' cannot go on: {error}")
        if left:
            self.fail(f"Instances left behind on host '{host_name}': {described(left)}")
        self.tell(f"No instance is left to recover of host '{host_name}'", 1.0)
