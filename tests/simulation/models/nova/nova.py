"""A model of Nova: its services, and what all parts of it share.

Where each rule was seen is said at it; files are those of openstack/nova (master, as since 2022).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from novaclient import exceptions

from simulation.core.kernel import Kernel
from simulation.models.nova.computes import Computes
from simulation.models.nova.evacuations import Evacuations
from simulation.models.nova.instances import Instances
from simulation.models.nova.messages import Messages
from simulation.models.nova.rebuilds import Rebuilds
from simulation.models.nova.records import (
    REPORT_INTERVAL,
    RPC_TIMEOUT,
    SERVICE_DOWN_TIME,
    Migration,
    Service,
)
from simulation.models.nova.requests import Requests
from simulation.world import Hypervisor, World


@dataclass
class Nova:
    """Nova as one service; its parts fail by faults at its calls."""

    world: World
    kernel: Kernel
    services: dict[str, Service] = field(default_factory=dict)
    migrations: list[Migration] = field(default_factory=list)
    away: bool = False
    broker_gone: float = 0.0
    waiting: set[str] = field(default_factory=set)
    broker_away: bool = False
    database_away: bool = False
    rebuild_time: tuple[float, float] = (2.0, 8.0)
    schedule_time: tuple[float, float] = (0.2, 1.0)
    scheduler_gone: float = 0.0
    suffix: str = ""
    held: float = 0.5
    queues: dict[str, list[Any]] = field(default_factory=dict)
    groups_since: float = 0.0
    group_timeout: float = 120.0
    known: dict[str, Hypervisor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.instances = Instances(self)
        self.messages = Messages(self)
        self.requests = Requests(self)
        self.evacuations = Evacuations(self)
        self.rebuilds = Rebuilds(self)
        self.computes = Computes(self)

    def seen(self, host: Hypervisor) -> float:
        """Return when a nova-compute last reported."""
        # Lab: test_a_service_counts_as_up_for_its_time
        # Lab: test_the_times_are_those_of_the_configuration
        # Its reports go through the broker, as all that it says to the database.
        # Source only: nova/conductor/rpcapi.py: object_action
        now, there = self.kernel.now, host.compute and host.reachable
        there = there and host.name not in self.waiting
        now = self.broker_gone if self.broker_away else now
        return now - now % REPORT_INTERVAL if there else host.last_seen

    def __setattr__(self, name: str, value: Any) -> None:
        # Source only: nova/conductor/rpcapi.py: object_action
        if name == "broker_away" and value and not getattr(self, name, False):
            super().__setattr__("broker_gone", self.kernel.now)
        super().__setattr__(name, value)

    def reported(self, binary: str) -> float:
        """Return when its conductor or scheduler last reported, be the broker away or not."""
        # Source only: nova/servicegroup/drivers/db.py: _report_state
        now = self.kernel.now
        if binary == "nova-scheduler" and self.scheduler_gone:
            now = self.scheduler_gone
        return now - now % REPORT_INTERVAL

    def is_up(self, name: str) -> bool:
        """`servicegroup/drivers/db.py: is_up`, which looks at `forced_down` first."""
        # Lab: test_a_service_counts_as_up_for_its_time
        # Lab: test_forced_down_counts_as_down_at_once
        service, host = self.services[name], self.host(name)
        if service.forced_down:
            return False
        return self.kernel.now - self.seen(host) <= SERVICE_DOWN_TIME

    def host(self, name: str) -> Hypervisor:
        if name not in self.known:
            self.known = {host.nova_name: host for host in self.world.hosts.values()}
        return self.known[name]

    def set_forced_down(self, service: Service, value: bool) -> None:
        """`api/openstack/compute/services.py: _check_for_evacuations` refuses the way back."""
        # Lab: test_forced_down_is_not_cleared_before_evacuations_are_cleaned_up
        # Lab: test_what_was_evacuated_is_cleaned_up_when_nova_compute_starts
        if not value and any(
            m.source_compute == service.host and m.status in ("done",) for m in self.migrations
        ):
            text = f"Unable to clear forced_down of {service.host}: evacuations are not cleaned up"
            raise exceptions.BadRequest(400, text)
        if service.forced_down != value:
            service.forced_down, service.since = value, self.kernel.now
            self.kernel.trace("nova", f"{service.host} forced_down={value}")
            self.kernel.changed("nova")

    def set_enabled(self, service: Service, value: bool) -> None:
        """Disabling waits for the nova-compute (`_update_compute_provider_status`)."""
        # Lab: test_a_service_counts_as_up_for_its_time
        if service.enabled != value:
            service.enabled, service.since = value, self.kernel.now
            self.kernel.trace("nova", f"{service.host} enabled={value}")
            self.kernel.changed("nova")
        if self.is_up(service.host) and not self.host(service.host).compute:
            self.kernel.sleep(RPC_TIMEOUT)

    def hypervisors(self, url: str) -> tuple[int, Any]:
        """`api/openstack/compute/hypervisors.py`: all of them, or what one says of its uptime."""
        # Source only: nova/virt/libvirt/driver.py: get_host_uptime
        name = url.rstrip("/").split("/")[2]
        if name.startswith("detail"):
            known = [] if "marker" in url else list(self.world.hosts.values())
            _, pattern, wanted = url.partition("hypervisor_hostname_pattern=")
            known = [h for h in known if wanted.lower() in h.name.lower()]
            if pattern and not known:
                return 404, {"itemNotFound": {"message": "No hypervisor matching it"}}
            items = [
                {"id": h.name, "hypervisor_hostname": h.name, "service": {"host": h.nova_name}}
                for h in known
            ]
            return 200, {"hypervisors": items}
        host = self.world.hosts[name]
        if not (self.is_up(host.nova_name) and host.compute and host.reachable):
            return 400, {"badRequest": {"message": "Compute service is unavailable"}}
        minutes = (self.kernel.now - host.booted) // 60
        return 200, {"hypervisor": {"uptime": f" 10:00:00 up {minutes:.0f} min,  0 users"}}
