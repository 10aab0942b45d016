"""`certificates`: TLS certificates from vault, by its older protocol.

There is no signing request: the provider makes the private key.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping

from instance_ha_common import options
from instance_ha_common.juju import databag

import values

KEYS = ("unit_name", "cert_requests")
LEGACY_KEYS = ("common_name", "sans", "certificate_name")
"""What the older charm published. A name that is asked for in both ways is answered in the old
way only, and under a key that tells nothing of which name it is for."""


def request(unit: str, names: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """What to publish.

    Args:
        unit: name of this unit.
        names: common name of each certificate wanted, with the further names and addresses that
            it must be valid for.
    """
    wanted = {name: {"sans": sorted(set(sans))} for name, sans in names.items()}
    return {
        "unit_name": _unit_key(unit),
        "cert_requests": json.dumps(wanted, sort_keys=True),
    }


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A certificate with its key.

    Attributes:
        name: common name that it was asked for under.
        certificate: it and its intermediate certificates, PEM.
        key: its private key, PEM.
    """

    name: str
    certificate: str
    key: str = dataclasses.field(repr=False)

    @property
    def pem(self) -> str:
        """All in one, as HAProxy wants it."""
        return f"{self.certificate}{self.key}"


@dataclasses.dataclass(frozen=True)
class Issued:
    """What the provider has issued to this unit.

    Attributes:
        authorities: certificates of the authority and its intermediates, PEM.
        certificates: one per name that has one, in the order asked for.
        missing: the names that have none, in that order.
    """

    authorities: str
    certificates: tuple[Certificate, ...]
    missing: tuple[str, ...] = ()


def read(bag: databag.Bag, unit: str, names: Iterable[str]) -> Issued | None:
    """One unit's answer to the request for `names`; None while it has none for any of them."""
    wanted, unit_key = list(names), _unit_key(unit)
    found = _authorities(bag)
    chain = options.pem_certificates(bag.get("chain", "")) or ""
    answers = _processed(bag, unit_key)
    issued = {}
    for position, name in enumerate(wanted):
        certificate = _certificate(name, answers.get(name), chain)
        if certificate is None and position == 0:  # the unit's own name, asked for the old way
            legacy = {
                "cert": bag.get(f"{unit_key}.server.cert"),
                "key": bag.get(f"{unit_key}.server.key"),
            }
            certificate = _certificate(name, legacy, chain)
        if certificate is not None:
            issued[name] = certificate
    missing = tuple(name for name in wanted if name not in issued)
    return Issued(found, tuple(issued.values()), missing) if found and issued else None


def authorities(bags: Mapping[str, databag.Bag]) -> str | None:
    """All units' authorities: while one is replaced, certificates of both are in use.

    They may come before the certificates of this unit.
    """
    found = (_authorities(bags[provider]) for provider in sorted(bags))
    return "".join(text for text in found if text) or None


def _authorities(bag: databag.Bag) -> str | None:
    authority = options.pem_certificates(bag.get("ca", ""))
    chain = options.pem_certificates(bag.get("chain", "")) or ""
    return authority + chain if authority else None


def _processed(bag: databag.Bag, unit_key: str) -> Mapping[str, object]:
    try:
        answers = json.loads(bag.get(f"{unit_key}.processed_requests", ""))
    except ValueError:
        return {}
    return answers if isinstance(answers, dict) else {}


def _certificate(name: str, answer: object, chain: str) -> Certificate | None:
    if not isinstance(answer, dict):
        return None
    certificate = options.pem_certificates(str(answer.get("cert") or ""))
    key = values.private_key(str(answer.get("key") or ""))
    if certificate is None or key is None:
        return None
    extra = "" if chain and chain in certificate else chain
    return Certificate(name, certificate + extra, key)


def _unit_key(unit: str) -> str:
    return unit.replace("/", "_")
