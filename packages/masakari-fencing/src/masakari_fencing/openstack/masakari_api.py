"""Requests to Masakari's API."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from masakari_fencing import times
from masakari_fencing.openstack.rest import (
    ApiError,
    BadRequest,
    Client,
    Session,
    text,
)

SERVICE_TYPE = "instance-ha"

PAYLOAD = {"event": "STOPPED", "cluster_status": "OFFLINE", "host_status": "NORMAL"}
"""What is reported: the same as Masakari's own host monitor reports for a powered-off host."""


class UnknownHost(ApiError):  # noqa: N818 - the API's answer, not an accident
    """The host is in no failover segment: it is not in the whole list of hosts."""


@dataclass(frozen=True)
class Host:
    """A host of a failover segment.

    Attributes:
        uuid: Masakari's identifier.
        segment: that of the segment.
        name: the host's name.
        on_maintenance: Masakari takes no reports about it.
        enabled: its segment is; releases before Xena have no other.
        segment_name: as an operator calls it; empty where nobody has asked.
    """

    uuid: str
    segment: str
    name: str
    on_maintenance: bool
    enabled: bool = True
    segment_name: str = ""


@dataclass(frozen=True)
class Notification:
    """A notification that the API has.

    Attributes:
        kind: `COMPUTE_HOST`, `PROCESS` or `VM`.
        event: `STOPPED`, `STARTED`, ...
        status: `new`, `running`, `error`, `failed`, `ignored` or `finished`.
        generated: when the failure was noticed, in seconds since the epoch; see `times.noticed`.
        updated: when its status last changed, in seconds since the epoch.
        uuid: its identifier.
        host: the identifier of the host that it is about.
        instance: that of the instance that it is about, or empty.
        ahead: seconds by which it says to be from later than Masakari was told.
    """

    kind: str
    event: str
    status: str
    generated: float
    updated: float
    uuid: str = ""
    host: str = ""
    instance: str = ""
    ahead: float = 0.0


class MasakariApi(Client):
    """The Masakari API; see `Client`."""

    def __init__(
        self,
        session: Session,
        endpoints: Sequence[str],
        timeout: float,
        options: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            "Masakari",
            session,
            endpoints,
            timeout,
            {"service_type": SERVICE_TYPE, **(options or {})},
        )

    def notify(self, host: str, generated: float) -> str:
        """Report that a host has failed.

        Args:
            host: its name in Masakari.
            generated: when it failed, in seconds since the epoch.

        Returns:
            the identifier of the notification.

        Raises:
            UnknownHost: the host is in no failover segment.
            Conflict: the host is in maintenance, or an equal notification is there already.
            ApiError: it was not accepted for another reason.
        """
        moment = datetime.datetime.fromtimestamp(int(generated), datetime.timezone.utc)
        body = {
            "notification": {
                "type": "COMPUTE_HOST",
                "hostname": host,
                "generated_time": moment.strftime("%Y-%m-%dT%H:%M:%S"),
                "payload": PAYLOAD,
            }
        }
        try:
            answer = self.request("POST", "/notifications", json=body)
        except BadRequest:
            self.find_host(host)  # which says so where that is the reason
            raise
        return text(answer.get("notification"), "notification_uuid")

    def find_host(self, name: str) -> Host:
        """Look a host up by its name.

        Raises:
            UnknownHost: no segment has it.
            ApiError: the API did not answer.
        """
        for host in self.hosts():
            if host.name.lower() == name.lower():
                return host
        raise UnknownHost(f"host {name} is in no failover segment")

    def hosts(self) -> Iterator[Host]:
        """Yield the hosts of all segments; a segment is asked for when its turn comes.

        Raises:
            ApiError: the API did not answer.
        """
        for segment in self.listed("/segments", "segments"):
            uuid = text(segment, "uuid")
            for host in self.listed(f"/segments/{uuid}/hosts", "hosts"):
                yield Host(
                    uuid=text(host, "uuid"),
                    segment=uuid,
                    name=text(host, "name"),
                    on_maintenance=host.get("on_maintenance") is True,
                    enabled=segment.get("enabled") is not False,
                    segment_name=str(segment.get("name") or ""),
                )

    def notifications(self, host: Host) -> list[Notification]:
        """Return what was reported about a host, the latest report first.

        Raises:
            ApiError: the API did not answer.
        """
        found = self._notifications(source_host_uuid=host.uuid)
        return sorted(found, key=lambda item: item.generated, reverse=True)

    def running(self) -> list[Notification]:
        """Return the reports of failures that Masakari is working on.

        Raises:
            ApiError: the API did not answer.
        """
        found = self._notifications(status="running")
        # Should the filter not be known: what is done about the others would be wrong.
        return [item for item in found if item.status == "running" and item.event != "STARTED"]

    def failed_instances(self, since: float) -> list[Notification]:
        """Return the reports of instances that have failed, since a moment after the epoch.

        Raises:
            ApiError: the API did not answer.
        """
        moment = datetime.datetime.fromtimestamp(int(since), datetime.timezone.utc)
        query = {"generated-since": moment.strftime("%Y-%m-%dT%H:%M:%S")}
        found = self._notifications(status="failed", type="VM", **query)
        return [item for item in found if (item.status, item.kind) == ("failed", "VM")]

    def _notifications(self, **query: str) -> list[Notification]:
        items = self.listed("/notifications", "notifications", **query)
        return [_notification(item) for item in items]

    def end_maintenance(self, host: Host) -> None:
        """Make Masakari accept reports about a host again.

        Raises:
            Conflict: one of its notifications is still being worked on.
            ApiError: the API did not answer.
        """
        path = f"/segments/{host.segment}/hosts/{host.uuid}"
        self.request("PUT", path, json={"host": {"on_maintenance": False}})


def _notification(item: object) -> Notification:
    uuid = text(item, "notification_uuid")
    fields: dict[str, Any] = item if isinstance(item, dict) else {}
    payload = fields.get("payload")
    payload = payload if isinstance(payload, dict) else {}
    said = fields.get("generated_time")
    generated = times.noticed(said, fields.get("created_at"))
    return Notification(
        kind=str(fields.get("type", "")),
        event=str(payload.get("event", "")).upper(),
        status=str(fields.get("status", "")),
        generated=generated,
        updated=max(generated, times.epoch(fields.get("updated_at")) or 0.0),
        uuid=uuid,
        host=str(fields.get("source_host_uuid", "")),
        instance=str(payload.get("instance_uuid", "")),
        ahead=(times.epoch(said) or 0.0) - generated,
    )
