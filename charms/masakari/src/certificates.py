"""`certificates`: TLS certificates from vault, by its older protocol.

There is no signing request: the provider makes the private key.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping

from instance_ha_common import options, relations

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
        certificates: one per name, in the order asked for.
    """

    authorities: str
    certificates: tuple[Certificate, ...]


def read(bags: Mapping[str, relations.Bag], unit: str, names: Iterable[str]) -> Issued | None:
    """The answer to the request for `names`; None while none of the units has it all."""
    wanted = list(names)
    for provider in sorted(bags):
        issued = _from_bag(bags[provider], _unit_key(unit), wanted)
        if issued is not None:
            return issued
    return None


def authorities(bags: Mapping[str, relations.Bag]) -> str | None:
    """The authority's certificates, which may come before those of this unit."""
    for provider in sorted(bags):
        found = _authorities(bags[provider])
        if found:
            return found
    return None


def _authorities(bag: relations.Bag) -> str | None:
    authority = options.pem_certificates(bag.get("ca", ""))
    chain = options.pem_certificates(bag.get("chain", "")) or ""
    return authority + chain if authority else None


def _from_bag(bag: relations.Bag, unit_key: str, names: list[str]) -> Issued | None:
    found = _authorities(bag)
    chain = options.pem_certificates(bag.get("chain", "")) or ""
    answers = _processed(bag, unit_key)
    certificates = []
    for position, name in enumerate(names):
        certificate = _certificate(name, answers.get(name), chain)
        if certificate is None and position == 0:  # the unit's own name, asked for the old way
            legacy = {
                "cert": bag.get(f"{unit_key}.server.cert"),
                "key": bag.get(f"{unit_key}.server.key"),
            }
            certificate = _certificate(name, legacy, chain)
        if certificate is None:
            return None
        certificates.append(certificate)
    return Issued(found, tuple(certificates)) if found and certificates else None


def _processed(bag: relations.Bag, unit_key: str) -> Mapping[str, object]:
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
