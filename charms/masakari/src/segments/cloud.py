"""The OpenStack APIs that the actions use."""

from __future__ import annotations

import dataclasses
import email.utils
import itertools
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from relations.keystone import Identity
from workload import haproxy

_TIMEOUT = 60  # seconds for one request
_SHORT_TIMEOUT = 20  # the same in a hook, which nobody waits for but which others wait behind
_CONNECT_RETRIES = 15  # an API that has just been started accepts connections some seconds later
_CONNECT_DELAY = 2.0  # seconds between them
_NOVA_VERSION = "2.53"  # compute services by UUID, forced_down in the same request
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


class CloudError(Exception):
    """A request was not carried out; the text names the API and its reason."""


class ConflictError(CloudError):
    """A request does not fit what goes on there at the moment (status 409)."""


class NotFoundError(CloudError):
    """There is no such thing (status 404), or no such API in the cloud."""


class ForbiddenError(CloudError):
    """The service user may not do that (status 403)."""


_REFUSALS = {403: ForbiddenError, 404: NotFoundError, 409: ConflictError}


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


@dataclasses.dataclass(frozen=True)
class ComputeService:
    """A nova-compute.

    Attributes:
        uuid: of the service.
        host: host name.
        enabled: whether Nova places instances there.
        up: whether Nova thinks that it works.
        forced_down: whether it has been told that it does not.
        updated: when it reported, or was changed, last, as Nova writes it; empty if unknown.
    """

    uuid: str
    host: str
    enabled: bool
    up: bool
    forced_down: bool
    updated: str = ""


class Cloud:
    """Authenticated access to the APIs.

    Attributes:
        clocks: by how many seconds each API's clock is ahead of this machine's, as far as a date
            in whole seconds shows; 0 where they may agree.
    """

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
        # Not at the top of the module: hooks, unlike actions, need none of it, and it is slow.
        from keystoneauth1 import adapter, session
        from keystoneauth1.identity import v3

        auth = v3.Password(
            auth_url=identity.auth_url(internal=internal),
            username=identity.username,
            password=identity.password,
            project_name=identity.project,
            user_domain_name=identity.domain,
            project_domain_name=identity.domain,
        )
        shared = session.Session(
            auth=auth, verify=ca_bundle or True, timeout=_TIMEOUT if patient else _SHORT_TIMEOUT
        )
        patience: dict[str, Any] = {
            "connect_retries": _CONNECT_RETRIES if patient else 0,
            "connect_retry_delay": _CONNECT_DELAY,
        }
        self._masakari = adapter.Adapter(
            shared,
            **patience,
            service_type="instance-ha",
            endpoint_override=masakari_url,
            default_microversion=_MASAKARI_VERSION,
        )
        listed = {
            **patience,
            "interface": "internal" if internal else "public",
            "region_name": region,
        }
        self._nova = adapter.Adapter(
            shared, **listed, service_type="compute", default_microversion=_NOVA_VERSION
        )
        self._others = {
            name: adapter.Adapter(
                shared, **listed, service_type=kind, default_microversion=_VERSIONS.get(name)
            )
            for name, kind in _OTHERS.items()
        }
        self.clocks: dict[str, float] = {}

    def segments(self) -> list[Segment]:
        """All failover segments, by name."""
        found = self._list("/segments", "segments")
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
        return _segment(self._on_masakari("POST", "/segments", {"segment": body})["segment"])

    def update_segment(self, uuid: str, **changes: object) -> Segment:
        """Change the given properties of a failover segment."""
        answer = self._on_masakari("PUT", f"/segments/{uuid}", {"segment": changes})
        return _segment(answer["segment"])

    def delete_segment(self, uuid: str) -> None:
        """Delete a failover segment and its hosts."""
        self._on_masakari("DELETE", f"/segments/{uuid}")

    def hosts(self, segment: str) -> list[SegmentHost]:
        """Hosts of a failover segment, by name."""
        found = self._list(f"/segments/{segment}/hosts", "hosts")
        return sorted((_host(item, segment) for item in found), key=lambda host: host.name)

    def add_host(self, segment: str, name: str, *, reserved: bool) -> SegmentHost:
        """Put a host into a failover segment."""
        body = {
            "name": name,
            "type": "COMPUTE",
            "control_attributes": "SSH",
            "reserved": reserved,
        }
        answer = self._on_masakari("POST", f"/segments/{segment}/hosts", {"host": body})
        return _host(answer["host"], segment)

    def update_host(self, host: SegmentHost, **changes: bool) -> None:
        """Change the given properties of a host."""
        path = f"/segments/{host.segment}/hosts/{host.uuid}"
        self._on_masakari("PUT", path, {"host": changes})

    def remove_host(self, host: SegmentHost) -> None:
        """Take a host out of its failover segment."""
        self._on_masakari("DELETE", f"/segments/{host.segment}/hosts/{host.uuid}")

    def is_recovering(self, host: SegmentHost) -> bool:
        """Whether a failure of the host itself is still worked on, or will be tried again."""
        query = f"/notifications?source_host_uuid={host.uuid}&type=COMPUTE_HOST"
        return any(item["status"] in _UNFINISHED for item in self._list(query, "notifications"))

    def host_failures(self, limit: int) -> list[dict[str, Any]]:
        """The latest notifications about failed hosts, as the API gives them, so many at most."""
        order = f"sort_key=generated_time&sort_dir=desc&limit={_PAGE}"
        every = self._list(f"/notifications?type=COMPUTE_HOST&{order}", "notifications")
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
        query = f"/notifications?type=VM&status=ignored&generated-since={since}"
        return [
            (
                str(item["payload"].get("instance_uuid") or ""),
                str(item["source_host_uuid"]),
                str(item["generated_time"]),
            )
            for item in self._list(query, "notifications")
            if item["payload"].get("vir_domain_event") in _INSTANCE_FAILURES
        ]

    def notification(self, uuid: str) -> dict[str, Any]:
        """One notification, with the details of its recovery."""
        found = self._on_masakari("GET", f"/notifications/{urllib.parse.quote(uuid, safe='')}")
        return dict(found.get("notification", {}))

    def compute_services(self) -> list[ComputeService]:
        """All nova-compute services, by host name."""
        answer = self.tell_nova("GET", "/os-services?binary=nova-compute")
        found = (_service(item) for item in answer.get("services", []))
        return sorted(found, key=lambda service: service.host)

    def hypervisors(self) -> Iterator[Mapping[str, Any]]:
        """All hypervisors with their details, as Nova has them in version 2.53."""
        path = "/os-hypervisors/detail"
        while page := self.tell_nova("GET", path).get("hypervisors"):
            yield from page
            path = f"/os-hypervisors/detail?marker={page[-1]['id']}"

    def own_project(self) -> str | None:
        """The service user's project, which is that of OpenStack's other services."""
        from keystoneauth1 import exceptions

        try:
            return str(self._nova.get_project_id() or "") or None
        except (exceptions.ClientException, OSError) as error:
            raise CloudError(f"Keystone: {error}") from error

    def ask_nova(self, path: str, version: str = _NOVA_VERSION) -> dict[str, Any]:
        """What Nova answers to a question, in a microversion."""
        return self._send("Nova", self._nova, "GET", path, microversion=version)

    def tell_nova(
        self, method: str, path: str, body: Mapping[str, object] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Have Nova do something, by default in the version of all others; return its answer."""
        return self._send("Nova", self._nova, method, path, body, **options)

    def ask(self, api: str, path: str) -> dict[str, Any]:
        """What one of `_OTHERS` answers to a question."""
        return self._send(api, self._others[api], "GET", path)

    def update_compute_service(self, service: ComputeService, **changes: object) -> None:
        """Change the given properties: `status`, `disabled_reason`, `forced_down`."""
        self.tell_nova("PUT", f"/os-services/{service.uuid}", changes)

    def _list(self, path: str, key: str) -> Iterator[Mapping[str, Any]]:
        """All entries of one of Masakari's lists, of which it gives a thousand at once.

        The next ones are asked for by the number of the last, not by its UUID as elsewhere.
        """
        sign = "&" if "?" in path else "?"
        page = self._on_masakari("GET", path).get(key, [])
        while page:
            yield from page
            page = self._on_masakari("GET", f"{path}{sign}marker={page[-1]['id']}").get(key, [])

    def _on_masakari(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> dict[str, Any]:
        return self._send("Masakari", self._masakari, method, path, body)

    def _send(
        self,
        api: str,
        client: Any,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        from keystoneauth1 import exceptions

        if body is not None:
            options["json"] = body
        begin = time.time()
        try:
            answer = client.request(path, method, raise_exc=False, **options)
        except exceptions.EndpointNotFound as error:
            raise NotFoundError(f"{api}: {error}") from error
        except (exceptions.ClientException, OSError) as error:  # the latter: no authorities
            raise CloudError(f"{api}: {error}") from error
        self.clocks[api] = _ahead(answer.headers.get("Date"), begin, time.time())
        if answer.status_code >= 400:
            refused = _REFUSALS.get(answer.status_code, CloudError)
            raise refused(f"{api}: {_message(answer)}")
        try:
            data = answer.json() if answer.content else {}
        except ValueError:
            raise CloudError(f"{api}: the answer to {method} {path} is not JSON") from None
        return data if isinstance(data, dict) else {}


def _ahead(date: str | None, begin: float, end: float) -> float:
    """By how many seconds at least another clock is ahead (behind: negative) of this one.

    Args:
        date: the other's, in an answer of HTTP: some moment of a whole second.
        begin: when the request was sent, by this machine's clock.
        end: when the answer was here.
    """
    try:
        moment = email.utils.parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError):
        return 0.0
    if moment > end:
        return moment - end
    return min(0.0, moment + 1 - begin)


def _message(answer: Any) -> str:
    """What an API says in its error document, which has one entry of any name."""
    try:
        [error] = answer.json().values()
        return str(error["message"])
    except (ValueError, AttributeError, KeyError, TypeError):
        return f"HTTP status {answer.status_code}"


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


def _service(item: Mapping[str, Any]) -> ComputeService:
    return ComputeService(
        uuid=str(item["id"]),
        host=str(item["host"]),
        enabled=item.get("status") == "enabled",
        up=item.get("state") == "up",
        forced_down=item.get("forced_down") is True,
        updated=str(item.get("updated_at") or ""),
    )


def _given(**values: object) -> dict[str, object]:
    return {key: value for key, value in values.items() if value is not None}
