"""The charm's options: typed, checked, and each problem with its cure."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

import ops
from instance_ha_common import options
from instance_ha_common.juju import addresses
from instance_ha_common.machine import hostname
from instance_ha_common.options import at_least, one_of
from masakari_fencing.maas.access import Access
from masakari_fencing.openstack import failure_domains, restart_order
from masakari_fencing.openstack.scope import Scope, parse
from masakari_fencing.retries import Retries
from masakari_fencing.retries import parse as parse_retries

import key_secret
import power_key
import values
from workload import masakari_conf, package_sources

Address = addresses.Address
Network = values.Network
_Found = TypeVar("_Found")

ENDPOINT_TYPES = ("public", "admin", "internal")
"""Kinds of endpoints, which are also the names of their bindings."""

_PLAIN_WORD = re.compile(r"[\x21-\x7e]+")
_INTERFACE = re.compile(r"[A-Za-z0-9_.:@-]{1,15}")
_LONGEST_TIMEOUT = 2**31 - 1
"""Milliseconds that HAProxy takes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Options of the charm; see `charmcraft.yaml` for what each means.

    Raises:
        ValueError: options are unusable; the text names each of them and its cure.
    """

    openstack_origin: str
    action_managed_upgrade: bool
    debug: bool
    use_syslog: bool
    config_flags: str = ""
    region: str
    service_roles: str = ""
    use_internal_endpoints: bool
    worker_multiplier: float | None = None
    ssl_cert: str | None = None
    ssl_key: str | None = None
    ssl_key_secret: ops.Secret | None = None
    ssl_ca: str | None = None
    os_public_network: str | None = None
    os_admin_network: str | None = None
    os_internal_network: str | None = None
    os_public_hostname: str | None = None
    os_admin_hostname: str | None = None
    os_internal_hostname: str | None = None
    vip: str = ""
    vip_iface: str
    vip_cidr: int = at_least(1, 128)
    dns_ha: bool
    haproxy_server_timeout: int = at_least(1, _LONGEST_TIMEOUT, default=90000)
    haproxy_client_timeout: int = at_least(1, _LONGEST_TIMEOUT, default=90000)
    haproxy_queue_timeout: int = at_least(1, _LONGEST_TIMEOUT, default=9000)
    haproxy_connect_timeout: int = at_least(1, _LONGEST_TIMEOUT, default=2000)
    maas_credentials_secret: ops.Secret | None = None
    evacuation_delay: int = at_least(0)
    evacuate_all_instances: bool
    ignore_instances_in_error_state: bool
    add_reserved_host_to_aggregate: bool
    recovery_destination: str = ""
    recovery_destination_fallback: bool
    host_recovery_threads: int = at_least(1)
    host_ha_metadata_key: str
    process_all_instances: bool
    instance_ha_metadata_key: str
    duplicate_notification_interval: int = at_least(0)
    notification_expiration: int | None = at_least(1, default=None)
    check_expired_interval: int | None = at_least(1, default=None)
    allow_recovery_without_fencing: bool
    recovery_workflow: str = one_of("fence-first", "stock")
    fencing_timeout: int = at_least(1)
    fence_reported_failed: str = one_of("never", "confirmed", "always")
    host_recovery_stagger: int = at_least(0)
    recover_only: str = ""
    recover_never: str = ""
    recover_amphorae: bool
    restart_order_from: str
    restart_group_timeout: int = at_least(1)
    restart_group_pause: int = at_least(0)
    recovery_retries: str
    report_limit_hosts: int = at_least(0)
    report_limit_window: int = at_least(1)
    fence_by_matrix: bool
    fencing_notifications: bool
    remote_monitor_interval: int = at_least(0)
    remote_monitor_timeout: int = at_least(1)
    remote_start_timeout: int = at_least(1)
    remote_reconnect_interval: int = at_least(1)
    storage_fencing: str = one_of("off", "after-power", "parallel")
    kdump_fencing_timeout: int = at_least(0, 600)
    fencing_limit_hosts: int = at_least(0)
    fencing_limit_share: int = at_least(0, 100)
    fencing_limit_window: int = at_least(1)
    fencing_limit_domains: str = ""
    segment_host_failures: int = at_least(0, 10)
    auto_return: int = at_least(0, 10080)
    auto_return_failures: int = at_least(1)

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
    def flags(self) -> dict[str, dict[str, str]]:
        """Extra options, by section."""
        return options.sectioned_flags(self.config_flags)

    @functools.cached_property
    def scope(self) -> Scope:
        """Which instances are recovered."""
        only, never = (self._parsed(name, parse) for name in ("recover_only", "recover_never"))
        return Scope(only, never, self.recover_amphorae)

    def _parsed(self, option: str, read: Callable[[str], _Found]) -> _Found:
        try:
            return read(getattr(self, option))
        except ValueError as error:
            raise ValueError(f"{options.name(option)}: {error}") from None

    @functools.cached_property
    def roles(self) -> tuple[str, ...]:
        """Further roles of the service user, without repetitions."""
        found = [part.strip() for part in self.service_roles.split(",") if part.strip()]
        if wrong := [name for name in found if not _PLAIN_WORD.fullmatch(name) or name == "None"]:
            raise ValueError(f"service-roles: each must be one word, found {wrong[0]!r}")
        return tuple(dict.fromkeys(found))

    @functools.cached_property
    def domain_limits(self) -> tuple[failure_domains.Limit, ...]:
        """How many hypervisors of each failure domain may be lost."""
        return self._parsed("fencing_limit_domains", failure_domains.parse_limits)

    @functools.cached_property
    def destination(self) -> tuple[failure_domains.Kind, ...]:
        """What hosts share with a failed one to which its instances may go."""
        return self._parsed("recovery_destination", failure_domains.parse_kinds)

    @functools.cached_property
    def retries(self) -> Retries:
        """How often a recovery that has failed is begun again, and after which pauses."""
        return self._parsed("recovery_retries", parse_retries)

    @functools.cached_property
    def order_sources(self) -> tuple[str, ...]:
        """Where the order of instances is looked for, of `restart_order.SOURCES`."""
        return self._parsed("restart_order_from", restart_order.parse_sources)

    @functools.cached_property
    def vips(self) -> tuple[Address, ...]:
        """Virtual addresses in the operator's order, without repetitions."""
        return tuple(dict.fromkeys(addresses.address(vip) for vip in self.vip.split()))

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
        if self.ssl_key_secret is not None:
            if key is not None:
                raise ValueError("ssl_key and ssl-key-secret exclude each other: unset one")
            key = key_secret.private_key(self.ssl_key_secret)
        if (certificate is None) != (key is None):
            raise ValueError("ssl_cert and ssl_key (or ssl-key-secret): set both or neither")
        return (certificate, key) if certificate and key else None

    @functools.cached_property
    def power(self) -> Access | None:
        """The MAAS to fence with and its key; None for hacluster's own."""
        secret = self.maas_credentials_secret
        return None if secret is None else power_key.of_secret(secret)

    @functools.cached_property
    def authorities(self) -> str | None:
        """Certificates of trusted authorities, PEM, from the option."""
        return options.base64_certificates("ssl_ca", self.ssl_ca)

    def _problems(self) -> Iterator[str]:
        checks: tuple[Callable[[], object], ...] = (
            lambda: self.origin,
            lambda: self.order_sources,
            lambda: self.retries,
            lambda: self.scope,
            lambda: self.roles,
            lambda: self.domain_limits,
            lambda: self.destination,
            self._check_flags,
            lambda: _check_vips(self),
            lambda: _check_networks(self),
            self._check_hostnames,
            lambda: self.certificate,
            lambda: self.power,
            lambda: self.authorities,
            self._check_words,
            self._check_ha,
        )
        for check in checks:
            try:
                check()
            except ValueError as error:
                yield str(error)
        yield from options.out_of_range(self)
        # Written so that "not a number" is refused too.
        if self.worker_multiplier is not None and not 0 < self.worker_multiplier <= 64:
            yield "worker-multiplier: must be above 0 and at most 64"

    def _check_flags(self) -> None:
        taken = sorted(
            option if section == "DEFAULT" else f"{section}/{option}"
            for section, flags in self.flags.items()
            for option in set(flags) & masakari_conf.OWN_OPTIONS.get(section, frozenset())
        )
        if taken:
            raise ValueError(f"config-flags: remove {', '.join(taken)}: the charm itself sets it")

    def _check_hostnames(self) -> None:
        for kind, name in self.hostnames("x").items():
            if not hostname.is_valid(name):
                raise ValueError(f"os-{kind}-hostname: {name!r} is not a host name")

    def _check_words(self) -> None:
        for name in ("region", "host_ha_metadata_key", "instance_ha_metadata_key"):
            value = getattr(self, name)
            if not _PLAIN_WORD.fullmatch(value) or value == "None":
                raise ValueError(f"{options.name(name)}: must be one word, is {value!r}")
        if not _INTERFACE.fullmatch(self.vip_iface):
            raise ValueError(f"vip_iface: {self.vip_iface!r} is not an interface")

    def _check_ha(self) -> None:
        if self.vip.strip() and self.dns_ha:
            raise ValueError("vip and dns-ha exclude each other: unset one")
        if self.dns_ha and not self.hostnames("x"):
            raise ValueError(
                "dns-ha: set at least one of os-public-hostname, os-admin-hostname and"
                " os-internal-hostname"
            )


def _check_vips(config: Config) -> None:
    for text in config.vip.split():
        try:
            addresses.address(text)
        except ValueError:
            raise ValueError(f"vip: {text!r} is not an IP address") from None
    if config.vip_cidr > 32 and any(vip.version == 4 for vip in config.vips):
        raise ValueError(f"vip_cidr: must be at most 32 for an IPv4 vip, is {config.vip_cidr}")


def _check_networks(config: Config) -> None:
    for kind in ENDPOINT_TYPES:
        text = getattr(config, f"os_{kind}_network")
        try:
            if text:
                values.network(text.strip())
        except ValueError as error:
            raise ValueError(f"os-{kind}-network: {error}") from None


def _private_key(text: str | None) -> str | None:
    """Decode `ssl_key`.

    Raises:
        ValueError: it is no base64 of a PEM private key.
    """
    if not text or not text.strip():
        return None
    key = values.private_key(key_secret.decoded(text))
    if key is None:
        raise ValueError("ssl_key: not base64 of a PEM private key")
    return key
