"""Option values whose format several charms share."""

from __future__ import annotations

import base64
import binascii
import re

_FLAG = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_-]*)\s*=([^,]*)")
_PEM_CERTIFICATE = re.compile(
    r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----"
)


def config_flags(text: str | None) -> dict[str, str]:
    """Parse `config-flags`: `key=value` pairs for `[DEFAULT]`, separated by commas.

    Raises:
        ValueError: a part is no pair, or a value holds a control character (a line break would
            let one option write others).
    """
    flags: dict[str, str] = {}
    for part in (text or "").strip().strip(",").split(","):
        if not part.strip():
            continue
        match = _FLAG.fullmatch(part)
        if match is None or any(ord(char) < 32 for char in match[2].strip()):
            raise ValueError(f"config-flags: expected key=value pairs, found {part.strip()!r}")
        flags[match[1]] = match[2].strip()
    return flags


def pem_certificates(text: str) -> str | None:
    """The certificates in `text`, one after the other with a line break at the end, or None."""
    found = _PEM_CERTIFICATE.findall(text)
    return "\n".join(found) + "\n" if found else None


def base64_certificates(option: str, text: str | None) -> str | None:
    """Certificates from an option that holds base64 of PEM.

    Raises:
        ValueError: the value is no base64 or holds no certificate; the text names `option`.
    """
    if not text or not text.strip():
        return None
    try:
        decoded = base64.b64decode("".join(text.split()), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise ValueError(f"{option}: not base64 of a PEM certificate") from None
    certificates = pem_certificates(decoded)
    if certificates is None:
        raise ValueError(f"{option}: holds no PEM certificate")
    return certificates
