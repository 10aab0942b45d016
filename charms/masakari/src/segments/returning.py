"""Taking a recovered hypervisor back into service."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

from masakari_fencing.openstack.nova_api import Service
from masakari_fencing.openstack.rest import ApiError, Conflict

from segments.cloud import Cloud, SegmentHost
from segments.lookup import ActionError, Lookup
from segments.results import Results, describe_host, result

RESERVED = "Reserved host of a failover segment"
"""Why Nova's compute service of a reserved host is disabled."""

_POLL = 2.0  # seconds


class Returning:
    """What has to happen before a host may run instances again.

    Args:
        cloud: access to the APIs.
        sleep: waits for so many seconds.
        absence: says why a host is not in the cluster yet; None when it is, or where nothing
            but Nova can tell.
        mark_returned: writes down that a host is being taken back, or that it is not after all,
            so that no failed recovery of it is begun again meanwhile.
    """

    def __init__(
        self,
        cloud: Cloud,
        sleep: Callable[[float], None] = time.sleep,
        absence: Callable[[str], str | None] = lambda name: None,
        mark_returned: Callable[[str, bool], None] = lambda name, returned: None,
    ) -> None:
        self._cloud = cloud
        self._sleep = sleep
        self._absence = absence
        self._mark_returned = mark_returned
        self._lookup = Lookup(cloud)

    def run(self, name: str, *, reserved: bool, timeout: float) -> Results:
        """Take a recovered hypervisor back into service.

        Nothing changes while its instances are still being recovered: Nova evacuates only from a
        host that is down. Neither does it before the cluster has the host back: it could not be
        fenced if it failed again.
        """
        host, service = self._lookup.find_hypervisor(name)
        if not self._wait(lambda: not self._cloud.is_recovering(host), timeout):
            raise ActionError(
                f"the recovery of {name} is still going on (see `openstack notification list`);"
                " run this action again when its notifications are finished or failed"
            )
        if not self._wait(lambda: self._absence(name) is None, timeout):
            raise ActionError(
                f"{name} is not back: {self._absence(name)}; start the host and its"
                " pacemaker_remote, repair its networks, then run this action again"
            )
        self._mark_returned(name, True)
        try:
            self._end_outage(host, service, reserved=reserved, timeout=timeout)
        except BaseException:
            self._mark_returned(name, False)
            raise
        return result(
            "returned",
            host=describe_host(self._lookup.find_host(name), self._lookup.services().get(name)),
        )

    def _end_outage(
        self, host: SegmentHost, service: Service, *, reserved: bool, timeout: float
    ) -> None:
        name = host.name
        earlier = ""
        if service.forced_down:
            self._end_forced_down(service, timeout)
            earlier = self._lookup.services()[name].updated
        if not self._wait(lambda: self._is_up(name, since=earlier), timeout):
            if service.forced_down:  # its instances may be running elsewhere: as it was
                self._cloud.update_compute_service(service, forced_down=True)
            raise ActionError(
                f"nova-compute of {name} does not report; start the host and its nova-compute,"
                " then run this action again"
            )
        changes: dict[str, object] = {"status": "enabled"}
        if reserved:
            changes = {"status": "disabled", "disabled_reason": RESERVED}
        self._cloud.update_compute_service(service, **changes)
        self._end_maintenance(host, reserved=reserved, timeout=timeout)

    def _end_forced_down(self, service: Service, timeout: float) -> None:
        """Have Nova believe the compute service again, as soon as Nova lets it.

        It does not before the host's nova-compute has been started again and has cleaned up after
        the instances that were evacuated. One that came back before all of them were evacuated, as
        where a recovery is interrupted and taken up again, has to be restarted by hand; so has one
        from which several evacuations of one instance were asked for, as requests were lost.
        """
        change = functools.partial(self._cloud.end_forced_down, service)
        if refusal := self._refusal(change, ApiError, timeout):
            raise ActionError(
                f"{service.host} is not back ({refusal}); restart its nova-compute (`systemctl"
                " restart nova-compute` there), then run this action again"
            ) from refusal

    def _end_maintenance(self, host: SegmentHost, *, reserved: bool, timeout: float) -> None:
        """Clear the maintenance flag as soon as Masakari lets it be cleared.

        It changes no host of a segment in which a notification of any host is worked on, such as
        one of this host, which may fail meanwhile.
        """

        def change() -> None:
            service = self._lookup.services().get(host.name)
            if service is None or service.forced_down:
                raise ActionError(
                    f"{host.name} has failed again, and was recovered; run this action again once"
                    " it is back"
                )
            self._cloud.update_host(host, on_maintenance=False, reserved=reserved)

        if refusal := self._refusal(change, Conflict, timeout):
            raise ActionError(
                f"{host.name} works again, but its maintenance cannot end yet: {refusal}. Run"
                " this action again when the segment's notifications are finished or failed"
            ) from refusal

    def _refusal(
        self, change: Callable[[], None], expected: type[ApiError], timeout: float
    ) -> ApiError | None:
        """Ask for a change until it is accepted; return why it is not, after the timeout."""
        refusal: ApiError | None = None

        def accepted() -> bool:
            nonlocal refusal
            try:
                change()
            except expected as error:
                refusal = error
                return False
            return True

        return None if self._wait(accepted, timeout) else refusal

    def _is_up(self, name: str, *, since: str) -> bool:
        """Whether Nova calls its nova-compute up, and not for what it reported before it died.

        Nova does so for a minute, when it does not hold it for down any more.
        """
        service = self._lookup.services().get(name)
        return service is not None and service.up and (not since or service.updated != since)

    def _wait(self, done: Callable[[], bool], timeout: float) -> bool:
        """Ask until it is so, or the timeout, in seconds, has passed; return which."""
        waited = 0.0
        while not done():
            if waited >= timeout:
                return False
            self._sleep(_POLL)
            waited += _POLL
        return True
