"""How many hosts of a segment have been reported failed, by Masakari's own database.

Where every host loses its storage, the storage has failed, not the hosts, and there is nowhere to
recover instances to. So the first recovery already has to see the whole extent.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from masakari_fencing import times


@dataclass(frozen=True)
class ReportLimit:
    """How many hosts of a segment may be fenced because of reports.

    Attributes:
        hosts: this many; 0 for no limit.
        window: seconds for which a report counts against those that follow.
    """

    hosts: int = 2
    window: float = 120

    def excess(self, context: Any, objects: Any, host_name: str, generated: float) -> str | None:
        """Return why a host must not be fenced; None when it may.

        What was too much when the host was reported stays so, however late it is tried again.

        Args:
            context: an admin context of Masakari.
            objects: the module `masakari.objects`.
            host_name: the host.
            generated: when the host was reported, in seconds since the epoch.
        """
        if not self.hosts:
            return None
        segment = objects.Host.get_by_name(context, host_name).failover_segment
        names = {
            host.uuid: host.name
            for host in objects.HostList.get_all(
                context, filters={"failover_segment_id": segment.uuid}
            )
        }
        reported = sorted(
            {
                names[notification.source_host_uuid]
                for notification in _failures(context, objects, generated - self.window)
                if notification.source_host_uuid in names and notification.status != "ignored"
            }
        )
        if len(reported) <= self.hosts:
            return None
        return (
            f"{len(reported)} of the {len(names)} hosts of segment {segment.name} were reported"
            f" failed within {self.window:g} s ({', '.join(reported[:5])}), the limit is"
            f" {self.hosts}"
        )


def _failures(context: Any, objects: Any, since: float) -> list[Any]:
    """Return the notifications that report the failure of a host, not a return, since a moment."""
    moment = datetime.datetime.fromtimestamp(since, datetime.timezone.utc)
    filters = {"generated-since": moment, "type": "COMPUTE_HOST"}
    return [
        notification
        for notification in objects.NotificationList.get_all(context, filters=filters)
        if str((notification.payload or {}).get("event", "")).upper() == "STOPPED"
        and times.noticed(notification.generated_time, notification.created_at) >= since
    ]
