"""The charm's options: typed, checked, and each problem with its cure."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import functools
import re
from collections.abc import Callable, Iterator

from instance_ha_common import options
from instance_ha_common.machine import hostname

import values
from workload import masakari_conf, package_sources

Address = values.Address
Network = values.Network

ENDPOINT_TYPES = ("public", "admin", "internal")
"""Kinds of endpoints, which are also the names of their bindings."""

_PLAIN_WORD = re.compile(r"[\x21-\x7e]+")
_INTERFACE = re.compile(r"[A-Za-z0-9_.:@-]{1,15}")
_CHOICES = {
    "fence_reported_failed": ("never", "confirmed", "always"),
    "recovery_workflow": ("fence-first", "stock"),
}

_AT_LEAST = {
    "vip_cidr": 1,
    "haproxy_server_timeout": 1,
    "haproxy_client_timeout": 1,
    "haproxy_queue_timeout": 1,
    "haproxy_connect_timeout": 1,
    "evacuation_delay": 0,
    "host_recovery_threads": 1,
    "duplicate_notification_interval": 0,
    "notification_expiration": 1,
    "check_expired_interval": 1,
    "fencing_timeout": 1,
    "remote_monitor_interval": 0,
    "remote_monitor_timeout": 1,
    "remote_start_timeout": 1,
    "remote_reconnect_interval": 1,
    "fencing_limit_hosts": 0,
    "fencing_limit_share": 0,
    "fencing_limit_window": 1,
    "report_limit_hosts": 0,
    "report_limit_window": 1,
}
_AT_MOST = {"vip_cidr": 128, "fencing_limit_share": 100}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the charm; see `charmcraft.yaml` for what each means.

    Raises:
        ValueError: options are unusable; the text names each of them and its cure.
    """

    openstack_origin: str = "distro"
    action_managed_upgrade: bool = False
    debug: bool = False
    use_syslog: bool = False
    config_flags: str = ""
    region: str = "RegionOne"
    use_internal_endpoints: bool = False
    worker_multiplier: float | None = None
    ssl_cert: str | None = None
    ssl_key: str | None = None
    ssl_ca: str | None = None
    os_public_network: str | None = None
    os_admin_network: str | None = None
    os_internal_network: str | None = None
    os_public_hostname: str | None = None
    os_admin_hostname: str | None = None
    os_internal_hostname: str | None = None
    vip: str = ""
    vip_iface: str = "eth0"
    vip_cidr: int = 24
    dns_ha: bool = False
    haproxy_server_timeout: int = 90000
    haproxy_client_timeout: int = 90000
    haproxy_queue_timeout: int = 9000
    haproxy_connect_timeout: int = 2000
    evacuation_delay: int = 0
    evacuate_all_instances: bool = True
    ignore_instances_in_error_state: bool = False
    add_reserved_host_to_aggregate: bool = False
    host_recovery_threads: int = 3
    host_ha_metadata_key: str = "HA_Enabled"
    process_all_instances: bool = False
    instance_ha_metadata_key: str = "HA_Enabled"
    duplicate_notification_interval: int = 30
    notification_expiration: int | None = None
    check_expired_interval: int | None = None
    allow_recovery_without_fencing: bool = False
    recovery_workflow: str = "fence-first"
    fencing_timeout: int = 120
    fence_reported_failed: str = "confirmed"
    report_limit_hosts: int = 2
    report_limit_window: int = 120
    fence_by_matrix: bool = False
    fencing_notifications: bool = True
    remote_monitor_interval: int = 1
    remote_monitor_timeout: int = 4
    remote_start_timeout: int = 4
    remote_reconnect_interval: int = 60
    fencing_limit_hosts: int = 2
    fencing_limit_share: int = 0
    fencing_limit_window: int = 120

    def __post_init__(self) -> None:
        """Check everything, so that the operator sees all problems at once."""
        problems = list(self._problems())
        if problems:
            raise ValueError("; ".join(problems))

    @functools.cached_property
    def origin(self) -> package_sources.Origin:
        """Where packages come from."""
        return package_sources.parse(self.openstack_origin)

    @functools.cached_property
    def flags(self) -> dict[str, str]:
        """Extra options for `[DEFAULT]`."""
        return options.config_flags(self.config_flags)

    @functools.cached_property
    def vips(self) -> tuple[Address, ...]:
        """Virtual addresses in the operator's order, without repetitions."""
        return tuple(dict.fromkeys(values.address(vip) for vip in self.vip.split()))

    @functools.cached_property
    def networks(self) -> dict[str, Network]:
        """Network of each endpoint type that has one by option."""
        found = ((kind, getattr(self, f"os_{kind}_network")) for kind in ENDPOINT_TYPES)
        return {kind: values.network(text.strip()) for kind, text in found if text}

    @property
    def stock_workflow(self) -> bool:
        """Whether Masakari's own recovery workflow is wanted, and its danger accepted."""
        return self.recovery_workflow == "stock" and self.allow_recovery_without_fencing

    def hostnames(self, application: str) -> dict[str, str]:
        """Host name of each endpoint type that has one; `application` is the charm's own name."""
        found = ((kind, getattr(self, f"os_{kind}_hostname")) for kind in ENDPOINT_TYPES)
        return {
            kind: text.strip().replace("{service_name}", application)
            for kind, text in found
            if text and text.strip()
        }

    @functools.cached_property
    def certificate(self) -> tuple[str, str] | None:
        """TLS certificate (with its chain) and private key, PEM, from the options."""
        certificate = options.base64_certificates("ssl_cert", self.ssl_cert)
        key = _private_key(self.ssl_key)
        if (certificate is None) != (key is None):
            raise ValueError("ssl_cert and ssl_key: set both or neither")
        return (certificate, key) if certificate and key else None

    @functools.cached_property
    def authorities(self) -> str | None:
        """Certificates of trusted authorities, PEM, from the option."""
        return options.base64_certificates("ssl_ca", self.ssl_ca)

    def _problems(self) -> Iterator[str]:
        checks: tuple[Callable[[], object], ...] = (
            lambda: self.origin,
            self._check_flags,
            self._check_vips,
            self._check_networks,
            self._check_hostnames,
            lambda: self.certificate,
            lambda: self.authorities,
            self._check_words,
            self._check_ha,
        )
        for check in checks:
            try:
                check()
            except ValueError as error:
                yield str(error)
        yield from self._numbers_out_of_range()

    def _numbers_out_of_range(self) -> Iterator[str]:
        for name, least in _AT_LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                yield f"{_option(name)}: must be at least {least}, is {value}"
        for name, most in _AT_MOST.items():
            if getattr(self, name) > most:
                yield f"{_option(name)}: must be at most {most}"
        # Written so that "not a number" is refused too.
        if self.worker_multiplier is not None and not 0 < self.worker_multiplier <= 64:
            yield "worker-multiplier: must be above 0 and at most 64"

    def _check_flags(self) -> None:
        taken = sorted(set(self.flags) & masakari_conf.OWN_OPTIONS)
        if taken:
            raise ValueError(f"config-flags: the charm itself sets {', '.join(taken)}")

    def _check_vips(self) -> None:
        for text in self.vip.split():
            try:
                values.address(text)
            except ValueError:
                raise ValueError(f"vip: {text!r} is not an IP address") from None

    def _check_networks(self) -> None:
        for kind in ENDPOINT_TYPES:
            text = getattr(self, f"os_{kind}_network")
            try:
                if text:
                    values.network(text.strip())
            except ValueError as error:
                raise ValueError(f"os-{kind}-network: {error}") from None

    def _check_hostnames(self) -> None:
        for kind, name in self.hostnames("x").items():
            if not hostname.is_valid(name):
                raise ValueError(f"os-{kind}-hostname: {name!r} is not a host name")

    def _check_words(self) -> None:
        for name in ("region", "host_ha_metadata_key", "instance_ha_metadata_key"):
            value = getattr(self, name)
            if not _PLAIN_WORD.fullmatch(value) or value == "None":
                raise ValueError(f"{name.replace('_', '-')}: must be one word, is {value!r}")
        if not _INTERFACE.fullmatch(self.vip_iface):
            raise ValueError(f"vip_iface: {self.vip_iface!r} is not an interface")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{_option(name)}: must be one of {', '.join(choices)}")

    def _check_ha(self) -> None:
        if self.vip.strip() and self.dns_ha:
            raise ValueError("vip and dns-ha exclude each other: unset one")
        if self.dns_ha and not self.hostnames("x"):
            raise ValueError(
                "dns-ha: set at least one of os-public-hostname, os-admin-hostname and"
                " os-internal-hostname"
            )


def _option(field: str) -> str:
    """Name of the option of a field; some keep the underscores of the older charms."""
    return field if field.startswith("vip_") else field.replace("_", "-")


def _private_key(text: str | None) -> str | None:
    """Decode `ssl_key`.

    Raises:
        ValueError: it is no base64 of a PEM private key.
    """
    if not text or not text.strip():
        return None
    try:
        decoded = base64.b64decode("".join(text.split()), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        decoded = ""
    key = values.private_key(decoded)
    if key is None:
        raise ValueError("ssl_key: not base64 of a PEM private key")
    return key
