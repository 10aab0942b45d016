"""URLs from their parts."""

from __future__ import annotations

import ipaddress


def bracketed(host: str) -> str:
    """`host` as it stands in a URL: IPv6 addresses in brackets, everything else as it is."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return f"[{host}]" if address.version == 6 else host


def url(scheme: str, host: str, port: int | str, path: str = "") -> str:
    """`scheme://host:port/path`."""
    return f"{scheme}://{bracketed(host)}:{port}{path}"
