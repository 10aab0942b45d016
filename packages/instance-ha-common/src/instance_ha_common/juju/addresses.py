"""Where a neighbour listens, by its databag: what is not valid counts as absent."""

from __future__ import annotations

import ipaddress

from instance_ha_common import urls
from instance_ha_common.juju.databag import Bag
from instance_ha_common.machine import hostname

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def address(text: str) -> Address:
    """Read an IP address.

    Raises:
        ValueError: it is none, or has a zone id: Python lets that hold anything, line breaks too.
    """
    if "%" in text:
        raise ValueError(f"{text!r} has a zone id")
    return ipaddress.ip_address(text)


def host(bag: Bag, key: str) -> str | None:
    """An IP address or a host name."""
    text = bag.get(key, "").strip()
    try:
        return str(address(text.strip("[]")))
    except ValueError:
        return text if hostname.is_valid(text) else None


def first_host(bag: Bag, *keys: str) -> str | None:
    """The first of these keys that has an IP address or a host name."""
    return next((found for key in keys if (found := host(bag, key))), None)


def port(bag: Bag, key: str) -> int | None:
    """A TCP port."""
    text = bag.get(key, "").strip()
    valid = text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536
    return int(text) if valid else None


def protocol(bag: Bag, key: str) -> str | None:
    """`http` or `https`."""
    text = bag.get(key, "").strip().lower()
    return text if text in ("http", "https") else None


def url(bag: Bag, prefix: str, path: str = "") -> str | None:
    """What the keys `PREFIX_protocol`, `PREFIX_host` and `PREFIX_port` make together."""
    scheme = protocol(bag, f"{prefix}_protocol")
    name, number = host(bag, f"{prefix}_host"), port(bag, f"{prefix}_port")
    return urls.url(scheme, name, number, path) if scheme and name and number else None
