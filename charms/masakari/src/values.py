"""Checks of values from databags: what is not valid counts as absent.

Everything that ends up in a configuration file passes through here, or through
`instance_ha_common.juju.addresses`: a line break in a databag must not become another option.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Mapping

from instance_ha_common import options
from instance_ha_common.juju import databag

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SECRET = re.compile(r"[\x21-\x7e]+")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?P<kind>[A-Z ]*PRIVATE KEY)-----[^-]+-----END (?P=kind)-----"
)
_NAME = re.compile(r"[\w.@-](?:[\w .@-]*[\w.@-])?")


def network(text: str) -> Network:
    """Read an IP network.

    Raises:
        ValueError: it is none, has host bits set or a zone id.
    """
    if "%" in text:
        raise ValueError(f"{text!r} has a zone id")
    return ipaddress.ip_network(text)


def secret(bag: databag.Bag, key: str) -> str | None:
    """A password: printable ASCII without blanks."""
    text = bag.get(key, "")
    return text if _SECRET.fullmatch(text) else None


def name(bag: databag.Bag, key: str) -> str | None:
    """The name of a user, project or domain."""
    text = bag.get(key, "")
    return text if _NAME.fullmatch(text) and text.isprintable() else None


def seconds(bag: databag.Bag, key: str) -> int | None:
    """A positive number of seconds."""
    text = bag.get(key, "").strip()
    valid = text.isascii() and text.isdigit() and len(text) <= 9 and int(text) > 0
    return int(text) if valid else None


def certificates(bag: databag.Bag, key: str) -> str | None:
    """PEM certificates, from base64 of them."""
    try:
        decoded = base64.b64decode("".join(bag.get(key, "").split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return options.pem_certificates(decoded.decode("ascii", errors="replace"))


def private_key(text: str) -> str | None:
    """The private key in `text`, PEM with a line break at the end."""
    match = _PRIVATE_KEY.search(text)
    return f"{match[0]}\n" if match else None


def without_absent(data: Mapping[str, str | None]) -> dict[str, str]:
    """`data` without the entries that have no value."""
    return {key: value for key, value in data.items() if value}
