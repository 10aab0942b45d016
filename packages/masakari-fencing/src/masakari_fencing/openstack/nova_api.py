"""Requests to Nova's API."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from masakari_fencing.openstack.evacuations import UNENDED
from masakari_fencing.openstack.failure_domains import Aggregate
from masakari_fencing.openstack.instances import LOCKING, POWERING, STATE, TASK
from masakari_fencing.openstack.rest import (
    CATALOG,
    ApiError,
    Client,
    NotFound,
    Session,
    text,
)

_UPTIME = re.compile(r"up\s+(?:(\d+) days?,\s+)?(?:(\d+):(\d+)|(\d+) min)")
"""As procps prints it: `up 12 days,  3:04`, `up 5 min`."""

VERSION = "2.53"
"""The first one in which services have UUIDs, and one request changes all of them. The
engine's novaclient is Masakari's own, with a version of its own (`workflow.attempt`)."""


@dataclass(frozen=True)
class Service:
    """The nova-compute of a host, as Nova sees it.

    Attributes:
        uuid: Nova's identifier.
        host: Nova's name of the host.
        enabled: instances may be placed there.
        up: Nova thinks that it works.
        forced_down: Nova was told to hold it for down.
        reason: why it is disabled, in the words of whoever did it.
        updated: when it reported, or was changed, last, as Nova writes it.
    """

    uuid: str
    host: str
    enabled: bool
    up: bool
    forced_down: bool
    reason: str = ""
    updated: str = ""


class NovaApi(Client):
    """Requests to Nova's API; see `Client`."""

    def __init__(
        self,
        session: Session,
        timeout: float,
        options: Mapping[str, str] | None = None,
        *,
        connect_retries: int = 0,
    ) -> None:
        super().__init__(
            "Nova",
            session,
            [CATALOG],
            timeout,
            {"service_type": "compute", **(options or {})},
            microversion=VERSION,
            connect_retries=connect_retries,
        )

    def services(self) -> list[Service]:
        """Return the nova-compute of every host, by its name.

        Raises:
            ApiError: the API did not answer.
        """
        answer = self.request("GET", "/os-services?binary=nova-compute")
        found = (
            Service(
                uuid=str(item.get("id", "")),
                host=text(item, "host"),
                enabled=item.get("status") == "enabled",
                up=item.get("state") == "up",
                forced_down=item.get("forced_down") is True,
                reason=str(item.get("disabled_reason") or ""),
                updated=str(item.get("updated_at") or ""),
            )
            for item in answer.get("services") or []
        )
        return sorted(found, key=lambda service: service.host)

    def hypervisors(self) -> dict[str, str]:
        """Return the hypervisors' own names by the names of their nova-compute's hosts.

        Raises:
            ApiError: the API did not answer.
        """
        return {
            text(item.get("service"), "host"): text(item, "hypervisor_hostname")
            for item in self.hypervisor_details()
        }

    def aggregates(self) -> list[Aggregate]:
        """Return all host aggregates.

        Raises:
            ApiError: the API did not answer.
        """
        return [
            Aggregate(
                name=text(item, "name"),
                hosts=tuple(map(str, item.get("hosts") or ())),
                metadata=dict(item.get("metadata") or {}),
            )
            for item in self.request("GET", "/os-aggregates").get("aggregates") or []
        ]

    def up_for(self, host: str) -> float:
        """Return for how many seconds a host is up; 0 where its nova-compute does not say.

        To the minute, as its `uptime` says, which nova-compute runs for whoever asks.

        Raises:
            ApiError: the API itself did not answer.
        """
        found = self._identifiers(self._like(host), host)
        # A hypervisor may have another name than its host.
        found = found or self._identifiers(self.hypervisor_details(), host)
        said = None
        with contextlib.suppress(ApiError):
            for identifier in found:
                answer = self.request("GET", f"/os-hypervisors/{identifier}/uptime")
                said = _UPTIME.search(text(answer.get("hypervisor"), "uptime"))
        if said is None:
            return 0.0
        days, hours, minutes, alone = (float(part or 0) for part in said.groups())
        return 60 * (minutes + alone + 60 * (hours + 24 * days))

    def _like(self, host: str) -> list[dict[str, Any]]:
        """Return the hypervisors in whose names a host's occurs."""
        query = urlencode({"hypervisor_hostname_pattern": host})
        try:
            found = self.request("GET", f"/os-hypervisors/detail?{query}").get("hypervisors")
        except NotFound:
            return []
        return list(found or ())

    @staticmethod
    def _identifiers(hypervisors: Iterable[dict[str, Any]], host: str) -> list[str]:
        return [
            text(item, "id")
            for item in hypervisors
            if text(item.get("service"), "host").lower() == host.lower()
        ]

    def has_instances(self, host: str) -> bool:
        """Whether any instance is on a host, by Nova's word, be it up or down.

        Raises:
            ApiError: the API did not answer.
        """
        query = urlencode({"all_tenants": 1, "host": host, "limit": 1})
        return bool(self.request("GET", f"/servers?{query}").get("servers"))

    def stays_down(self, instance: str) -> bool:
        """Whether an instance is off, or was told to stop or start, and no user has seen to that.

        Raises:
            ApiError: Nova does not know it, or did not answer.
        """
        server = self.request("GET", f"/servers/{instance}").get("server") or {}
        if server.get(STATE) != "stopped" and server.get(TASK) not in POWERING:
            return False
        answer = self.request("GET", f"/servers/{instance}/os-instance-actions")
        actions = answer.get("instanceActions") or []
        actions = [item for item in actions if item.get("action") not in LOCKING]
        users = [item.get("user_id") for item in sorted(actions, key=lambda a: a["start_time"])]
        return users[-1:] in ([], [None], [self._session.get_user_id()])

    def hypervisor_details(self) -> Iterator[dict[str, Any]]:
        """Yield all hypervisors with their details, as Nova has them.

        Raises:
            ApiError: the API did not answer.
        """
        path = "/os-hypervisors/detail"
        while page := self.request("GET", path).get("hypervisors"):
            yield from page
            path = f"/os-hypervisors/detail?marker={text(page[-1], 'id')}"

    def open_evacuations(self, host: str) -> list[str]:
        """Return the instances with an evacuation from a host that has no end on record.

        The next start of its nova-compute ends what it runs of them; see `evacuations.UNENDED`,
        of which Nova itself looks at `done`.

        Raises:
            ApiError: the API did not answer.
        """
        found = set()
        for status in sorted(UNENDED - {"done"}):
            values = {"source_compute": host, "migration_type": "evacuation", "status": status}
            answer = self.request("GET", f"/os-migrations?{urlencode(values)}")
            found |= {text(item, "instance_uuid") for item in answer.get("migrations") or []}
        return sorted(found)

    def end_forced_down(self, service: Service) -> None:
        """Have Nova believe a nova-compute again.

        Raises:
            ApiError: Nova refuses, as it does until a nova-compute whose instances were evacuated
                has been started again; or its next start would end what runs there then (see
                `open_evacuations`); or it did not answer.
        """
        if left := self.open_evacuations(service.host):
            raise ApiError(
                f"Nova has no end on record of evacuations of {len(left)} of its instances, such"
                f" as {left[0]}; each start of nova-compute ends one of each"
            )
        self.request("PUT", f"/os-services/{service.uuid}", json={"forced_down": False})

    def enable(self, service: Service) -> None:
        """Have Nova place instances on the host of a nova-compute again.

        Raises:
            ApiError: Nova refuses, or did not answer.
        """
        if not service.enabled:
            self.request("PUT", f"/os-services/{service.uuid}", json={"status": "enabled"})
