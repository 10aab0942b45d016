"""`shared-db`: the MySQL database, through mysql-router or directly."""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import urllib.parse

from instance_ha_common import urls
from instance_ha_common.juju import addresses, databag

import values
from values import Network

DATABASE = USERNAME = "masakari"
KEYS = ("database", "username", "hostname")
"""All that this charm ever publishes here: mysql-router takes any further key for one more
database, for ever."""

_DEFAULT_PORT = 3306


def request(hostname: str) -> dict[str, str]:
    """What to publish; `hostname` is the address that the database sees this unit come from."""
    return {"database": DATABASE, "username": USERNAME, "hostname": hostname}


def access_network(bag: databag.Bag) -> Network | None:
    """Network that the database demands `hostname` to be in, if it demands one."""
    try:
        return values.network(bag["access-network"].strip())
    except (KeyError, ValueError):
        return None


@dataclasses.dataclass(frozen=True)
class Database:
    """Where the database is.

    Attributes:
        host: address of the server or router.
        port: its TCP port.
        password: password of the database user.
        authority: certificate of the authority that signed the server's, PEM; None without TLS.
        wait_timeout: seconds after which the server closes an idle connection, if it told.
    """

    host: str
    port: int
    password: str = dataclasses.field(repr=False)
    authority: str | None
    wait_timeout: int | None

    @classmethod
    def from_bag(cls, bag: databag.Bag, unit: str) -> Database | None:
        """The answer in one unit's databag; None while `unit` may not use the database."""
        host, password = addresses.host(bag, "db_host"), values.secret(bag, "password")
        allowed = unit in bag.get("allowed_units", "").split()
        upgrading = bag.get("cluster-series-upgrading") == "True"
        if not (host and password and allowed) or upgrading:
            return None
        port = addresses.port(bag, "db_port") or _DEFAULT_PORT
        authority = values.certificates(bag, "ssl_ca")
        return cls(host, port, password, authority, values.seconds(bag, "wait_timeout"))

    @property
    def is_router(self) -> bool:
        """Whether a router on this machine answered rather than the database itself."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def url(self, authority_path: str) -> str:
        """SQLAlchemy URL; `authority_path` is where the authority's certificate lies."""
        password = urllib.parse.quote(self.password, safe="")
        base = (
            f"mysql+pymysql://{USERNAME}:{password}@{urls.bracketed(self.host)}:{self.port}"
            f"/{DATABASE}?charset=utf8"
        )
        return f"{base}&ssl_ca={authority_path}" if self.authority else base

    @property
    def recycle_time(self) -> int:
        """Seconds after which connections are replaced, below the server's own limit."""
        return max(1, (self.wait_timeout or 3600) * 9 // 10)

    def fingerprint(self, relation_id: int) -> str:
        """Tells one database from another, for all units alike; reveals nothing.

        A router is at the same address whichever cluster is behind it, and each machine's may
        have another port, so neither says which database this is. The relation and the password
        do.
        """
        text = f"{relation_id}:{self.password}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]
