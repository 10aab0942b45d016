"""`amqp`: RabbitMQ."""

from __future__ import annotations

import dataclasses
import urllib.parse
from collections.abc import Mapping

from instance_ha_common import urls
from instance_ha_common.juju import addresses, databag

import values

USERNAME = VHOST = "masakari"
KEYS = ("username", "vhost")
_PLAIN_PORT = 5672
_ADDRESSES = ("private-address", "hostname", "ingress-address")
"""RabbitMQ's charm publishes the first two; one of Juju's own is there in any case."""


def request() -> dict[str, str]:
    """What to publish. Never `admin`: any value of it makes the user an administrator."""
    return {"username": USERNAME, "vhost": VHOST}


@dataclasses.dataclass(frozen=True, order=True)
class Server:
    """One RabbitMQ server.

    Attributes:
        host: its address.
        port: its TCP port.
        password: password of the user; servers may disagree while it is being changed.
    """

    host: str
    port: int
    password: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Messaging:
    """The servers to connect to.

    Attributes:
        servers: in a fixed order, so that nothing changes unless they do.
        tls: whether to use TLS.
        authority: certificates of the authority to trust, PEM; None for the system's.
    """

    servers: tuple[Server, ...]
    tls: bool
    authority: str | None

    @classmethod
    def from_bags(cls, bags: Mapping[str, databag.Bag]) -> Messaging | None:
        """The servers that are ready, from the databag of each unit; None while none is."""
        ready = [
            (bags[unit], host, password)
            for unit in sorted(bags)
            if (host := addresses.first_host(bags[unit], *_ADDRESSES))
            and (password := values.secret(bags[unit], "password"))
        ]
        tls = any(addresses.port(bag, "ssl_port") for bag, _, _ in ready)
        if tls:  # one setting for all connections: while TLS is being rolled out, leave the rest
            ready = [server for server in ready if addresses.port(server[0], "ssl_port")]
        if not ready:
            return None
        servers = {
            Server(
                _shared_address(bag) or host,
                (addresses.port(bag, "ssl_port") if tls else None) or _PLAIN_PORT,
                password,
            )
            for bag, host, password in ready
        }
        unique = {(server.host, server.port): server for server in sorted(servers)}
        authorities = (values.certificates(bag, "ssl_ca") for bag, _, _ in ready) if tls else ()
        authority = next((found for found in authorities if found), None)
        return cls(tuple(unique[key] for key in sorted(unique)), tls, authority)

    @property
    def transport_url(self) -> str:
        """URL for oslo.messaging."""
        servers = ",".join(
            f"{USERNAME}:{urllib.parse.quote(server.password, safe='')}"
            f"@{urls.bracketed(server.host)}:{server.port}"
            for server in self.servers
        )
        return f"rabbit://{servers}/{VHOST}"


def _shared_address(bag: databag.Bag) -> str | None:
    """The virtual address, where RabbitMQ is active on one unit only."""
    if bag.get("clustered") and not bag.get("ha-vip-only"):
        return addresses.host(bag, "vip")
    return None
