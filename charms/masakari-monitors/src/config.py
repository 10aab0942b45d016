"""The charm's options, validated."""

from __future__ import annotations

import dataclasses

import networks
from instance_ha_common import options
from instance_ha_common.machine import hostname
from instance_ha_common.options import between
from workload import process_list


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Options as the charm uses them; intervals are in seconds.

    Raises:
        ValueError: an option has an impossible value; the text names it and the cure.
    """

    debug: bool
    use_syslog: bool
    region: str
    use_internal_endpoints: bool
    keystone_endpoint: str
    ssl_ca: str
    hostname: str
    enable_host_monitor: bool
    monitoring_interval: int = between(1, 3600)
    monitoring_samples: int = between(1, 60)
    consul_management_agents: str
    consul_tenant_agents: str
    consul_storage_agents: str
    network_matrix: str
    enable_instance_monitor: bool
    enable_process_monitor: bool
    process_list: str
    process_check_interval: int = between(1, 3600)
    process_restart_retries: int = between(0, 100)
    process_restart_interval: int = between(1, 3600)
    enable_introspective_instance_monitor: bool
    guest_monitoring_interval: int = between(1, 3600)
    guest_monitoring_timeout: int = between(1, 3600)
    guest_monitoring_failure_threshold: int = between(1, 100)
    notification_retries: int = between(0, 10000)
    notification_retry_interval: int = between(1, 3600)
    config_flags: str

    def __post_init__(self) -> None:
        for problem in options.out_of_range(self):
            raise ValueError(problem)
        if self.keystone_endpoint not in ("public", "admin"):
            raise ValueError("keystone-endpoint: must be public or admin")
        if not self.region.strip() or not self.region.isprintable():
            raise ValueError("region: must be a name")
        if self.hostname and not hostname.is_valid(self.hostname):
            raise ValueError(f"hostname: {self.hostname!r} is not a host name")
        options.config_flags(self.config_flags)
        options.base64_certificates("ssl_ca", self.ssl_ca)
        process_list.parse(self.process_list)
        for network, addresses in self.consul_agents().items():
            networks.parse_option(network, addresses)

    def consul_agents(self) -> dict[str, str]:
        """Addresses of each network's Consul agents, by Masakari's names of the networks."""
        return {
            "manage": self.consul_management_agents,
            "tenant": self.consul_tenant_agents,
            "storage": self.consul_storage_agents,
        }

    def flags(self) -> dict[str, str]:
        """What `config-flags` sets."""
        return options.config_flags(self.config_flags)

    def ca_certificates(self) -> str | None:
        """PEM text of `ssl_ca`, if any."""
        return options.base64_certificates("ssl_ca", self.ssl_ca)
