"""What Masakari, Nova and the network's witnesses know about a host that was reported failed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from masakari_fencing import witnesses
from masakari_fencing.commands import Runner
from masakari_fencing.openstack import instances
from masakari_fencing.openstack.compute_service import ComputeError, ComputeService, ServiceState
from masakari_fencing.pacemaker import crm_mon, properties, remote_nodes
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records import disarmed
from masakari_fencing.records.disarmed import Left
from masakari_fencing.workflow.instances.requests import status_of
from masakari_fencing.workflow.proof.decision import Report
from masakari_fencing.workflow.proof.host_fence import ComputeUnknown
from masakari_fencing.workflow.proof.report_limit import ReportLimit

LOG = logging.getLogger(__name__)

NOT_FOUND = 404


class CloudEvidence:
    """See `host_fence.Evidence`.

    Args:
        runner: runs Pacemaker's commands.
        context: an admin context of Masakari.
        objects: the module `masakari.objects`.
        service: the host's compute service.
        client: makes a novaclient with a limit on each of its requests.
        report: the notification.
        limit: how many hosts may be fenced because of reports.
    """

    def __init__(
        self,
        runner: Runner,
        context: Any,
        objects: Any,
        service: ComputeService,
        client: Callable[[], Any],
        report: Report,
        limit: ReportLimit,
    ) -> None:
        self._runner = runner
        self._context = context
        self._objects = objects
        self._service = service
        self._client = client
        self._report = report
        self._limit = limit

    def switched_off(self) -> str | None:
        """Masakari asks this where a notification arrives, and not where it takes one up later."""
        try:
            host = self._objects.Host.get_by_name(self._context, self._report.host)
            segment = host.failover_segment
        except Exception as error:  # the database's, or it was taken out of its segment
            raise ComputeUnknown(
                f"Masakari does not say in which segment it is: {error}"
            ) from None
        # Releases before Wallaby cannot disable one.
        if not getattr(segment, "enabled", True):
            return f"its segment {segment.name} is disabled"
        return self._disarmed()

    def _disarmed(self) -> str | None:
        """Return why the operator wants no recovery of it now, and have that outlast the work."""
        host, reported, now = self._report.host, self._report.generated, time.time()
        said = disarmed.read(self._runner)
        if (pause := disarmed.in_force(said, host, now)) is None:
            withheld = disarmed.withheld(said, host, now)
            return withheld or disarmed.unreported(said, host, reported)
        status = crm_mon.status(self._runner)
        node = next((node.name for node in status.named(host)), host)
        works = status.works(node)
        entry = Left(node, reported if works else now, reported=works)
        disarmed.leave(self._runner, said, entry)
        return str(pause)

    def compute(self) -> ServiceState:
        """From Nova."""
        try:
            return self._service.state()
        except ComputeError as error:
            raise ComputeUnknown(str(error)) from error

    def instances(self) -> set[str]:
        """From Nova."""
        try:
            found = instances.of_host(self._client(), self._report.host)
        except Exception as error:  # whatever a client library raises
            raise ComputeUnknown(f"Nova does not list its instances: {error}") from error
        return {str(server.id) for server in found if not instances.is_going(server)}

    def exists(self, instance: str) -> bool:
        """From Nova."""
        try:
            return not instances.is_going(self._client().servers.get(instance))
        except Exception as error:  # whatever a client library raises
            if status_of(error) == NOT_FOUND:
                return False
            raise ComputeUnknown(f"Nova does not show {instance}: {error}") from error

    def newest_report_of_others(self) -> float | None:
        """From Nova."""
        try:
            return self._service.newest_report_of_others()
        except ComputeError as error:
            raise ComputeUnknown(str(error)) from error

    def excess(self) -> str | None:
        """From the other notifications, unless the operator has lifted the limits."""
        report = self._report
        reason = self._limit.excess(self._context, self._objects, report.host, report.generated)
        if reason is not None and properties.lifted(self._runner):
            LOG.warning("Fencing %s all the same, as was allowed: %s", report.host, reason)
            return None
        return reason

    def withdrawn(self) -> str | None:
        """From the witnesses on the other hypervisors."""
        return witnesses.withdrawal(self._others(), self._report.host)

    def confirmed(self) -> bool:
        """From the witnesses on the other hypervisors."""
        return witnesses.confirmed(self._others(), self._report.host)

    def _others(self) -> list[str]:
        """Return the addresses of the other hypervisors, none where the cluster does not say."""
        try:
            return remote_nodes.others(self._runner, self._report.host)
        except PacemakerError as error:
            LOG.warning("Nobody can be asked whether %s works: %s", self._report.host, error)
            return []
