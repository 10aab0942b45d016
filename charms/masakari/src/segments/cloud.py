"""The OpenStack APIs that the actions use."""

from __future__ import annotations

import dataclasses
import itertools
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from masakari_fencing.openstack.masakari_api import SERVICE_TYPE
from masakari_fencing.openstack.nova_api import VERSION, NovaApi, Service
from masakari_fencing.openstack.rest import (
    CATALOG,
    ApiError,
    Client,
    Forbidden,
    Unfit,
    make_session,
)

from relations.keystone import Identity
from workload import haproxy

_TIMEOUT = 60  # seconds for one request
_SHORT_TIMEOUT = 20  # the same in a hook, which nobody waits for but which others wait behind
_CONNECT_RETRIES = 15  # an API that has just been started accepts connections some seconds later
_UNFINISHED = ("new", "running", "error")  # states of a notification; `error` is retried
_PAGE = 200  # notifications in one answer, where not all of them are wanted
# Masakari ignores all other events of instances, such as that one was shut off by its owner
# (masakari.engine.instance_events).
_INSTANCE_FAILURES = ("STOPPED_FAILED", "IO_ERROR_REPORT")
_MASAKARI_VERSION = "1.2"  # segments that can be disabled
_OTHERS = {
    "Placement": "placement",
    "Glance": "image",
    "Cinder": "block-storage",
    "Barbican": "key-manager",
}
_VERSIONS = {"Placement": "1.29"}  # all that a provider has, in the answer for any candidates


@dataclasses.dataclass(frozen=True)
class Segment:
    """A failover segment."""

    uuid: str
    name: str
    recovery_method: str
    description: str
    enabled: bool


@dataclasses.dataclass(frozen=True)
class SegmentHost:
    """A host of a failover segment; `segment` is the segment's UUID."""

    uuid: str
    name: str
    segment: str
    reserved: bool
    on_maintenance: bool


class Cloud:
    """Authenticated access to the APIs."""

    def __init__(
        self,
        identity: Identity,
        *,
        region: str,
        internal: bool,
        ca_bundle: str | None,
        masakari_url: str = f"http://127.0.0.1:{haproxy.API_PORT}/v1",
        patient: bool = True,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            identity: the service user.
            region: region of the endpoints.
            internal: prefer internal endpoints.
            ca_bundle: file of trusted authorities; None for the library's own.
            masakari_url: the API on this unit, up to its version.
            patient: wait for an API that does not listen yet, as somebody who runs an action does.
        """
        login = {
            "auth_url": identity.auth_url(internal=internal),
            "username": identity.username,
            "password": identity.password,
            "project_name": identity.project,
            "user_domain_name": identity.domain,
            "project_domain_name": identity.domain,
            "cafile": ca_bundle or "",
        }
        timeout = _TIMEOUT if patient else _SHORT_TIMEOUT
        self._session = make_session(login, timeout)
        patience = {"connect_retries": _CONNECT_RETRIES if patient else 0}
        listed = {"interface": "internal" if internal else "public", "region_name": region}
        own = {"service_type": SERVICE_TYPE}
        self._masakari = Client(
            "Masakari", self._session, [masakari_url], timeout, own, _MASAKARI_VERSION, **patience
        )
        self._nova = NovaApi(self._session, timeout, listed, **patience)
        self._others = {
            name: Client(
                name,
                self._session,
                [CATALOG],
                timeout,
                {"service_type": kind, **listed},
                _VERSIONS.get(name),
                **patience,
            )
            for name, kind in _OTHERS.items()
        }

    @property
    def clocks(self) -> dict[str, float]:
        """By how many seconds the clock of each API that has answered is ahead; see `Client`."""
        clients = {"Masakari": self._masakari, "Nova": self._nova, **self._others}
        return {name: api.ahead for name, api in clients.items() if api.ahead is not None}

    def segments(self) -> list[Segment]:
        """All failover segments, by name."""
        found = self._masakari.listed("/segments", "segments")
        return sorted((_segment(item) for item in found), key=lambda segment: segment.name)

    def create_segment(
        self, name: str, recovery_method: str, description: str | None, enabled: bool | None
    ) -> Segment:
        """Create a failover segment."""
        body = _given(
            name=name,
            recovery_method=recovery_method,
            service_type="COMPUTE",
            description=description,
            enabled=enabled,
        )
        return _segment(
            self._masakari.request("POST", "/segments", json={"segment": body})["segment"]
        )

    def update_segment(self, uuid: str, **changes: object) -> Segment:
        """Change the given properties of a failover segment."""
        answer = self._masakari.request("PUT", f"/segments/{uuid}", json={"segment": changes})
        return _segment(answer["segment"])

    def delete_segment(self, uuid: str) -> None:
        """Delete a failover segment and its hosts."""
        self._masakari.request("DELETE", f"/segments/{uuid}")

    def hosts(self, segment: str) -> list[SegmentHost]:
        """Hosts of a failover segment, by name."""
        found = self._masakari.listed(f"/segments/{segment}/hosts", "hosts")
        return sorted((_host(item, segment) for item in found), key=lambda host: host.name)

    def add_host(self, segment: str, name: str, *, reserved: bool) -> SegmentHost:
        """Put a host into a failover segment."""
        body = {
            "name": name,
            "type": "COMPUTE",
            "control_attributes": "SSH",
            "reserved": reserved,
        }
        answer = self._masakari.request("POST", f"/segments/{segment}/hosts", json={"host": body})
        return _host(answer["host"], segment)

    def update_host(self, host: SegmentHost, **changes: bool) -> None:
        """Change the given properties of a host."""
        path = f"/segments/{host.segment}/hosts/{host.uuid}"
        self._masakari.request("PUT", path, json={"host": changes})

    def remove_host(self, host: SegmentHost) -> None:
        """Take a host out of its failover segment."""
        self._masakari.request("DELETE", f"/segments/{host.segment}/hosts/{host.uuid}")

    def is_recovering(self, host: SegmentHost) -> bool:
        """Whether a failure of the host itself is still worked on, or will be tried again."""
        found = self._notifications(source_host_uuid=host.uuid, type="COMPUTE_HOST")
        return any(item["status"] in _UNFINISHED for item in found)

    def host_failures(self, limit: int) -> list[dict[str, Any]]:
        """The latest notifications about failed hosts, as the API gives them, so many at most."""
        every = self._notifications(
            type="COMPUTE_HOST", sort_key="generated_time", sort_dir="desc", limit=str(_PAGE)
        )
        # Monitors also tell that a host is back.
        failed = (
            dict(item)
            for item in every
            if str((item.get("payload") or {}).get("event", "")).upper() == "STOPPED"
        )
        return list(itertools.islice(failed, limit))

    def ignored_instances(self, since: str) -> list[tuple[str, str, str]]:
        """The failed instances that Masakari has left alone since a time, in ISO 8601.

        Returns:
            The UUIDs of each and of its host, and when it failed, as the API writes it.
        """
        query = {"type": "VM", "status": "ignored", "generated-since": since}
        return [
            (
                str(item["payload"].get("instance_uuid") or ""),
                str(item["source_host_uuid"]),
                str(item["generated_time"]),
            )
            for item in self._notifications(**query)
            if item["payload"].get("vir_domain_event") in _INSTANCE_FAILURES
        ]

    def notification(self, uuid: str) -> dict[str, Any]:
        """One notification, with the details of its recovery."""
        found = self._masakari.request(
            "GET", f"/notifications/{urllib.parse.quote(uuid, safe='')}"
        )
        return dict(found.get("notification", {}))

    def _notifications(self, **query: str) -> Iterator[Mapping[str, Any]]:
        return self._masakari.listed("/notifications", "notifications", **query)

    def compute_services(self) -> list[Service]:
        """All nova-compute services, by host name."""
        return self._nova.services()

    def hypervisors(self) -> Iterator[Mapping[str, Any]]:
        """All hypervisors with their details, as Nova has them in version 2.53."""
        return self._nova.hypervisor_details()

    def own_project(self) -> str | None:
        """The service user's project, which is that of OpenStack's other services."""
        from keystoneauth1 import exceptions

        try:
            return str(self._session.get_project_id() or "") or None
        except (exceptions.ClientException, OSError) as error:
            raise ApiError(f"Keystone: {error}") from error

    def ask_nova(self, path: str, version: str = VERSION) -> dict[str, Any]:
        """What Nova answers to a question, in a microversion."""
        return self._nova.request("GET", path, microversion=version)

    def tell_nova(
        self, method: str, path: str, body: Mapping[str, object] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Have Nova do something, by default in the version of all others; return its answer."""
        if body is not None:
            options["json"] = body
        return self._nova.request(method, path, **options)

    def ask(self, api: str, path: str) -> dict[str, Any]:
        """What one of `_OTHERS` answers to a question."""
        return self._others[api].request("GET", path)

    def may_read(self, api: str, path: str) -> bool:
        """Whether one of `_OTHERS` lets the service user read something, which is not read."""
        try:
            self._others[api].request("HEAD", path)
        except (Forbidden, Unfit) as refusal:
            return isinstance(refusal, Unfit)
        return True

    def end_forced_down(self, service: Service) -> None:
        """Have Nova believe a nova-compute again; see `NovaApi.end_forced_down`."""
        self._nova.end_forced_down(service)

    def update_compute_service(self, service: Service, **changes: object) -> None:
        """Change the given properties: `status`, `disabled_reason`, `forced_down`."""
        self.tell_nova("PUT", f"/os-services/{service.uuid}", changes)


def _segment(item: Mapping[str, Any]) -> Segment:
    return Segment(
        uuid=str(item["uuid"]),
        name=str(item["name"]),
        recovery_method=str(item["recovery_method"]),
        description=str(item.get("description") or ""),
        enabled=item.get("enabled") is not False,
    )


def _host(item: Mapping[str, Any], segment: str) -> SegmentHost:
    return SegmentHost(
        uuid=str(item["uuid"]),
        name=str(item["name"]),
        segment=segment,
        reserved=item.get("reserved") is True,
        on_maintenance=item.get("on_maintenance") is True,
    )


def _given(**values: object) -> dict[str, object]:
    return {key: value for key, value in values.items() if value is not None}
