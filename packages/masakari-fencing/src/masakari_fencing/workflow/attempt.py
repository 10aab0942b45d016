"""One attempt to recover a host's instances, as far as Masakari and Nova are concerned.

What must outlast the attempt is in the host's record (see `records.recovery`).
"""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path
from typing import Any

import masakari.conf
from masakari import objects
from masakari.compute import nova

from masakari_fencing import processes, times
from masakari_fencing.commands import Subprocess
from masakari_fencing.openstack import evacuations, instances, volumes
from masakari_fencing.openstack.compute_service import ComputeService
from masakari_fencing.pacemaker import cibadmin, crm_mon, remote_nodes
from masakari_fencing.pacemaker.remote_nodes import PORT
from masakari_fencing.pacemaker.shared_looks import SharedLooks
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records import refusals, tally
from masakari_fencing.records.recoveries import Records, Superseded, all_of
from masakari_fencing.records.recovery import REFUSED, Record
from masakari_fencing.records.storage_fences import StorageFence
from masakari_fencing.workflow import options
from masakari_fencing.workflow.proof.decision import Report
from masakari_fencing.workflow.recovery_lock import ProofLost, RecoveryLock

CONF = masakari.conf.CONF
options.register(CONF)
LOG = logging.getLogger(__name__)


BOOT = 10.0
"""Seconds after its fence in which no host has booted."""

SILENCE = 0.5
"""Seconds after which a host does not answer; an evacuation waits for that."""


STEADY: dict[str, evacuations.Steadiness] = {}
"""What is known of Nova's services, by the engine's process: from one attempt to the next."""


REPORTED: dict[tuple[str, str], float] = {}
"""When nova-computes had reported last as they were forced down, by the engine's process and the
notification: it is written down with the instances, which wait for no change of the record so."""


class NoAnswer(Exception):  # noqa: N818 - a missing answer
    """Nova does not say what is so."""


def without_cluster(error: PacemakerError) -> bool:
    """Whether the operator wants a recovery to go on although the cluster did not answer so.

    A member without quorum answers: another part of the cluster may have the same recovery.
    """
    return CONF.fencing.allow_unfenced_recovery and not isinstance(error, cibadmin.NoQuorum)


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
        self._ownership = RecoveryLock(self.store, host, notification, engine)
        self.take = self._ownership.take
        self.write = self._ownership.write
        self.update = self._ownership.update
        self.end = self._ownership.end
        self._address: tuple[str, int] | None = None
        # Each instance of an attempt asks once a second.
        self._looks = SharedLooks(Subprocess())
        self.current = self._ownership.current

    def claim(self) -> Record:
        """Return the record, or take it where nobody could as the cluster did not answer.

        Raises:
            Superseded: somebody else has.
            PacemakerError: the cluster does not answer.
        """
        try:
            return self.current()
        except Superseded:
            record = self._ownership.claim(self.report().generated)
            if record is None:
                raise
            return record

    def record(self) -> Record | None:
        """Return the record as it is; None without a cluster, where the operator allows that.

        Raises:
            Superseded: it is somebody else's.
            PacemakerError: the cluster does not answer.
        """
        try:
            return self.current()
        except PacemakerError as error:
            if not without_cluster(error):
                raise
            return None

    def check(self, record: Record | None = None) -> None:
        """Return where this attempt may go on; see `RecoveryLock.check`.

        Raises:
            Superseded: the recovery is somebody else's.
            ProofLost: the host is back.
            PacemakerError: the cluster does not answer.
        """
        try:
            self._ownership.check(record or self.current())
        except PacemakerError as error:
            if not without_cluster(error):
                raise

    def check_silent(self, record: Record | None) -> None:
        """Return where the host does not answer, as one that is off.

        Pacemaker's record shows seconds later only that it has booted (see `SparedHosts`).

        Raises:
            ProofLost: it answers.
            PacemakerError: the cluster does not answer.
        """
        proof = record.proof if record else None
        if proof is None or proof.storage or not 0 < proof.fenced < time.time() - BOOT:
            return
        if not self._address:
            configuration = cibadmin.configuration(Subprocess())
            node = proof.node or self.host
            self._address = remote_nodes.addresses(configuration).get(node, (node, PORT))
        if remote_nodes.answers(*self._address, timeout=SILENCE):
            text = "answers again, and Pacemaker has not connected to its pacemaker_remote yet"
            raise ProofLost(f"host {self.host} {text}")

    def storage_fence(self, record: Record | None) -> StorageFence | None:
        """Return how the host is cut off, where that is all that proves it dead.

        Raises:
            ProofLost: it is not any more.
            PacemakerError: the cluster does not answer.
        """
        proof = record.proof if record else None
        if record is None or proof is None or not proof.storage:
            return None
        _, fenced = self.store.held(record)
        if fenced:
            return None
        found = self.store.storage_fence(proof.node or self.host)
        if found is None:
            raise ProofLost(f"host {self.host}: its storage was given back to it")
        return found

    def volumes(self, instance: str) -> dict[str, dict[str, Any]]:
        """Return how each volume of an instance is reached, by Cinder's word."""
        return volumes.connections(self.client().client, instance, instances.REQUEST_TIMEOUT)

    def client(self) -> Any:
        """Return a novaclient with a limit on each of its requests."""
        return nova.novaclient(self.context, timeout=instances.REQUEST_TIMEOUT)

    def steadiness(self) -> evacuations.Steadiness:
        """Return since when Nova's services are known to be there."""
        return STEADY.setdefault(processes.identity(), evacuations.Steadiness(times.uptime))

    def server(self, instance: str) -> Any:
        """Return novaclient's server of an instance.

        Raises:
            NoAnswer: Nova does not show it.
        """
        try:
            return self.client().servers.get(instance)
        except Exception as error:  # whatever a client library raises
            raise NoAnswer(f"Nova does not show instance {instance}: {error}") from error

    def service(self) -> ComputeService:
        """Return the host's compute service."""
        return ComputeService(self.client, self.host)

    @property
    def key(self) -> tuple[str, str]:
        """What is remembered in this process goes by this."""
        return processes.identity(), self.notification

    def report(self) -> Report:
        """Return what was reported."""
        found = objects.Notification.get_by_uuid(self.context, self.notification)
        return Report(self.host, times.noticed(found.generated_time, found.created_at))

    def failed_at(self, record: Record | None) -> float:
        """Return when the host failed, in seconds since the epoch, as far as anybody knows.

        It may have been lost for long before it was fenced, which is what was reported. It may
        also have been fenced, and back, and fenced again, before anybody could be told of that:
        what it did not start in between is down since the first time.

        Args:
            record: its recovery.
        """
        generated, runner = self.report().generated, Subprocess()
        known = [record.lost] if record and record.lost else []
        with contextlib.suppress(PacemakerError, ValueError):
            status = crm_mon.status(runner, timeout=CONF.fencing.command_timeout)
            for node in status.named(self.host):
                fences = record.unused(status.fenced_at(node.name)) if record else []
                since = [f for f in fences if f > generated - CONF.fencing.fence_max_age]
                lost = status.lost_at(node.name)
                # An older failure is of an earlier loss: they stay until they are cleaned up.
                if lost and lost > (cibadmin.connected_since(runner, node.name) or 0.0):
                    since.append(lost)
                return min([generated, *since, *known])
        return min([generated, *known])

    def fenced_at(self, host: str) -> float:
        """Return when a host was fenced last, in seconds since the epoch; 0: nobody knows.

        Pacemaker's history may have been cleared, and in 2.1.2 has no times (`TIMELESS`). What
        else is on record may be of an earlier fence: more may run then, and not less.

        Raises:
            PacemakerError: the cluster does not answer, which does not say that nobody knows.
        """
        limit = CONF.fencing.command_timeout
        try:
            status = crm_mon.status(self._looks, timeout=limit)
            names = [node.name for node in status.named(host) if node.kind == "remote"]
            fences = [fence for name in names for fence in status.fenced_at(name)]
            if not fences:
                marks = [
                    cibadmin.remote_record(self._looks, name, timeout=limit) for name in names
                ]
                fences = [mark.fenced or 0.0 for mark in marks]
                known = all_of(cibadmin.configuration(self._looks, timeout=limit))
                own = [record.proof for record in known if record.host == host.lower()]
                fences += [proof.fenced for proof in own if proof and not proof.storage]
        except PacemakerError as error:
            if not without_cluster(error):
                raise
            return 0.0
        return max(fences, default=0.0)

    def refuse(self, reason: str, outcome: str = REFUSED) -> None:
        """Leave a reason for the charm's status, whoever carries the recovery out."""
        with contextlib.suppress(OSError, ValueError):
            refusals.record(Path(CONF.fencing.refusals_directory), self.host, reason, outcome)

    def forget_refusal(self) -> None:
        """Have the charm's status say nothing more about an earlier attempt."""
        with contextlib.suppress(OSError, ValueError):
            refusals.forget(Path(CONF.fencing.refusals_directory), self.host)

    def count_begun(self, record: Record, lost: float) -> None:
        """Have the metrics count how soon the evacuation begins.

        Args:
            record: the recovery.
            lost: when the host was lost, in seconds since the epoch.
        """
        with contextlib.suppress(OSError):
            tally.begun(tally.FILE, record, lost, time.time())

    def count_ended(self, record: Record) -> None:
        """Have the metrics count how this attempt has ended."""
        with contextlib.suppress(OSError):
            tally.ended(tally.FILE, record)
