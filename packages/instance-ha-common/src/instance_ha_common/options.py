"""A charm's options as the fields of a dataclass, and formats that several charms share.

A field's default is Juju's, from charmcraft.yaml: only what has none there has one in the class.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
_FLAG = re.compile(rf"\s*(?P<key>{_NAME})\s*=(?P<value>[^,]*)")
_SECTIONED_FLAG = re.compile(rf"\s*(?:(?P<section>{_NAME})/)?{_FLAG.pattern}")
_PEM_CERTIFICATE = re.compile(
    r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----"
)


def between(least: int, most: int) -> Any:
    """A field for a number, with both its bounds."""
    return _field(lambda v: "" if least <= v <= most else f"must be {least} to {most}")


def at_least(least: int, most: int | None = None, **default: int | None) -> Any:
    """A field for a number with a least and perhaps a greatest value; None is no number.

    Args:
        least: the least value.
        most: the greatest.
        default: `default=...` where charmcraft.yaml has none.
    """

    def check(value: int | None) -> str:
        if value is not None and value < least:
            return f"must be at least {least}, is {value}"
        if value is not None and most is not None and value > most:
            return f"must be at most {most}, is {value}"
        return ""

    return _field(check, **default)


def one_of(*choices: str) -> Any:
    """A field for one of some words."""
    return _field(lambda v: "" if v in choices else f"must be one of {', '.join(choices)}")


def _field(check: Callable[[Any], str], **default: Any) -> Any:
    return dataclasses.field(metadata={"check": check}, **default)


def out_of_range(config: DataclassInstance) -> Iterator[str]:
    """Name the options whose values their fields do not allow, with what they do."""
    for field in dataclasses.fields(config):
        text = field.metadata.get("check", lambda value: "")(getattr(config, field.name))
        if text:
            yield f"{name(field.name)}: {text}"


def name(field: str) -> str:
    """Name of a field's option; some keep the underscores of the older charms."""
    return field if field.startswith(("vip_", "ssl_")) else field.replace("_", "-")


def config_flags(text: str | None) -> dict[str, str]:
    """Parse `config-flags`: `key=value` pairs for `[DEFAULT]`, separated by commas.

    Raises:
        ValueError: a part is no pair, or a value holds a control character (a line break would
            let one option write others).
    """
    sections = _flags(text, _FLAG, "key=value")
    return sections.get("DEFAULT", {})


def sectioned_flags(text: str | None) -> dict[str, dict[str, str]]:
    """Parse `config-flags` whose pairs may name a section: `section/key=value`.

    Returns:
        the pairs by section, `DEFAULT` where none is named; all others in lower case, as
        oslo.config makes no difference there.

    Raises:
        ValueError: as `config_flags`.
    """
    return _flags(text, _SECTIONED_FLAG, "key=value or section/key=value")


def from_yaml(option: str, text: str) -> Any:
    """What an option that holds YAML says.

    Raises:
        ValueError: it is no YAML; the text names `option`.
    """
    import yaml  # not every charm has such an option, and it is slow to load

    try:
        return yaml.safe_load(text)
    except Exception:  # of any kind: KeyError for `!!bool maybe`, RecursionError for `[[[[...`
        raise ValueError(f"{option}: is not YAML") from None


def _flags(text: str | None, form: re.Pattern[str], expected: str) -> dict[str, dict[str, str]]:
    sections: dict[str, dict[str, str]] = {}
    for part in (text or "").strip().strip(",").split(","):
        if not part.strip():
            continue
        match = form.fullmatch(part)
        if match is None or any(ord(char) < 32 for char in match["value"].strip()):
            raise ValueError(f"config-flags: expected {expected} pairs, found {part.strip()!r}")
        named = match.groupdict().get("section") or "DEFAULT"
        section = "DEFAULT" if named.upper() == "DEFAULT" else named.lower()
        sections.setdefault(section, {})[match["key"]] = match["value"].strip()
    return sections


def pem_certificates(text: str) -> str | None:
    """The certificates in `text`, one after the other with a line break at the end, or None.

    Those that OpenSSL cannot read are left out: with one of them among the machine's authorities,
    it reads none of these, for any program.
    """
    found = [one for one in _PEM_CERTIFICATE.findall(text) if _is_readable(one)]
    return "\n".join(found) + "\n" if found else None


def _is_readable(certificate: str) -> bool:
    import ssl  # which takes as long to load as the rest of a charm

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=certificate)
    except ssl.SSLError:
        return False
    return True


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
    begun = decoded.count("-----BEGIN CERTIFICATE-----")
    certificates = pem_certificates(decoded)
    if not begun:
        raise ValueError(f"{option}: holds no PEM certificate")
    if certificates is None or len(_PEM_CERTIFICATE.findall(certificates)) < begun:
        raise ValueError(f"{option}: a certificate in it cannot be read: encode the file anew")
    return certificates


def oslo(value: str) -> str:
    """`value` so that oslo.config reads it literally: it takes `$` for a reference."""
    return value.replace("$", "$$")
