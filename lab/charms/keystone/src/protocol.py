"""The databags of `identity-service` and `identity-credentials`, as the real charm has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SERVICES = {
    "glance": "image",
    "keystone": "identity",
    "masakari": "instance-ha",
    "neutron": "network",
    "nova": "compute",
    "placement": "placement",
}
"""The type of every service that may be registered, by its name."""

FIELDS = frozenset({"service", "region", "public_url", "admin_url", "internal_url"})


@dataclass(frozen=True)
class Endpoint:
    """One service that a client registers in the catalog.

    Attributes:
        service: its name.
        region: the region of its endpoints.
        urls: URL by interface: public, internal, admin.
    """

    service: str
    region: str
    urls: dict[str, str]

    @property
    def kind(self) -> str:
        """The service's type in the catalog."""
        return SERVICES[self.service]


def endpoints(bag: Mapping[str, str]) -> list[Endpoint]:
    """The services that a client's databag registers.

    The five fields are used without a prefix when all are there, else with one prefix per service.

    Raises:
        KeyError: Keystone knows no such service; the real charm's hook fails on it, too.
    """
    if bag.keys() >= FIELDS:
        return [_endpoint(bag)]
    groups: dict[str, dict[str, str]] = {}
    for key, value in bag.items():
        prefix, _, name = key.partition("_")
        groups.setdefault(prefix, {})[name] = value
    return [_endpoint(group) for group in groups.values() if group.keys() >= FIELDS]


def _endpoint(fields: Mapping[str, str]) -> Endpoint:
    service = fields["service"]
    if service not in SERVICES:
        raise KeyError(f"identity-service: {service!r} is no service that Keystone knows")
    urls = {name: fields[f"{name}_url"] for name in ("public", "internal", "admin")}
    return Endpoint(service, fields["region"], urls)


def wants_no_endpoint(bag: Mapping[str, str]) -> bool:
    """Whether a client asks only where Keystone is, by a value that reads ``None``."""
    return "None" in bag.values()


def words(bag: Mapping[str, str], key: str) -> list[str]:
    """The comma separated names that a key holds."""
    value = bag.get(key, "None")
    return [] if value == "None" else value.split(",")


@dataclass(frozen=True)
class Location:
    """Where Keystone's API is, by network.

    Attributes:
        public: its address for everybody.
        internal: its address for other services.
        admin: its address for administration.
        port: the port of the first two.
        admin_port: the port of the third.
    """

    public: str
    internal: str
    admin: str
    port: int
    admin_port: int

    def for_service(self) -> dict[str, object]:
        """The keys of `identity-service` that say where Keystone is."""
        return {
            "service_host": self.public,
            "service_port": self.port,
            "service_protocol": "http",
            "internal_host": self.internal,
            "internal_port": self.port,
            "internal_protocol": "http",
            "auth_host": self.admin,
            "auth_port": self.admin_port,
            "auth_protocol": "http",
            "api_version": 3,
        }

    def for_credentials(self) -> dict[str, object]:
        """The keys of `identity-credentials` that say where Keystone is."""
        return {
            "credentials_host": self.public,
            "credentials_port": self.port,
            "credentials_protocol": "http",
            "auth_host": self.admin,
            "auth_port": self.admin_port,
            "auth_protocol": "http",
            "api_version": 3,
        }
