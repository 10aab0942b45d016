"""What fails together: the hosts of a failover segment, availability zone or host aggregate.

An operator names kinds of domains: `segment`, `zone`, `aggregate` (each host aggregate that is no
availability zone), or `aggregate:KEY` (each whose metadata has that key, such as `rack`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

ZONE = "availability_zone"
"""Nova's metadata key of an aggregate that is an availability zone."""

DEFAULT_ZONE = "nova"
"""Nova's name of the zone of hosts in no other (`default_availability_zone`)."""

_KINDS = ("segment", "zone", "aggregate")
_EXPECTED = "segment, zone, aggregate or aggregate:KEY"
_LIMIT = re.compile(r"([0-9]{1,6})(%?)")


@dataclass(frozen=True)
class Kind:
    """A kind of domains.

    Attributes:
        kind: `segment`, `zone` or `aggregate`.
        key: only aggregates with this metadata key; empty for all.
    """

    kind: str
    key: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.key}" if self.key else self.kind


@dataclass(frozen=True)
class Limit:
    """How many hosts of each domain of a kind may be lost at once.

    Attributes:
        kind: of the domains.
        hosts: this many; 0: by share.
        share: this percentage of the domain's hosts.
    """

    kind: Kind
    hosts: int = 0
    share: int = 0

    def __str__(self) -> str:
        return f"{self.kind}={self.hosts or f'{self.share}%'}"

    def most(self, total: int) -> int:
        """Return how many of so many hosts; one at least, or none could ever be recovered."""
        return self.hosts or max(1, total * self.share // 100)


@dataclass(frozen=True)
class Aggregate:
    """A host aggregate of Nova's."""

    name: str
    hosts: tuple[str, ...]
    metadata: Mapping[str, object]

    @functools.cached_property
    def members(self) -> frozenset[str]:
        """The hosts, among which one is found at once, however many they are."""
        return frozenset(self.hosts)


def parse_kinds(text: str) -> tuple[Kind, ...]:
    """Read kinds of domains, separated by commas.

    Raises:
        ValueError: one is none; the text says what was expected.
    """
    return tuple(dict.fromkeys(_kind(part) for part in _parts(text)))


def parse_limits(text: str) -> tuple[Limit, ...]:
    """Read limits, separated by commas: `KIND=N`, or `KIND=N%`.

    Raises:
        ValueError: one is none; the text says what was expected.
    """
    found: dict[Kind, Limit] = {}
    for part in _parts(text):
        name, _, amount = part.rpartition("=")
        match = _LIMIT.fullmatch(amount.strip())
        number = int(match.group(1)) if match else 0
        percent = match is not None and match.group(2) == "%"
        if not number or (percent and number > 100):
            raise ValueError(f"expected KIND=N or KIND=N%, such as zone=2, found {part!r}")
        kind = _kind(name)
        if kind in found:
            raise ValueError(f"there are two limits for {kind}")
        found[kind] = Limit(kind, 0, number) if percent else Limit(kind, number)
    return tuple(found.values())


def domains(
    kind: Kind, aggregates: Iterable[Aggregate], segments: Mapping[str, str]
) -> dict[str, frozenset[str]]:
    """Return the hosts of each domain of a kind, by the domain's name.

    Args:
        kind: of the domains.
        aggregates: all of Nova's.
        segments: the failover segment of each host that has one, by Nova's name of the host.
    """
    found: dict[str, set[str]] = {}
    if kind.kind == "segment":
        for host, segment in segments.items():
            found.setdefault(f"segment {segment}", set()).add(host)
    elif kind.kind == "zone":
        zoned: set[str] = set()
        for one in aggregates:
            if zone := str(one.metadata.get(ZONE) or ""):
                found.setdefault(f"zone {zone}", set()).update(one.hosts)
                zoned.update(one.hosts)
        if rest := set(segments) - zoned:
            found.setdefault(f"zone {DEFAULT_ZONE}", set()).update(rest)
    else:
        for one in aggregates:
            wanted = kind.key in one.metadata if kind.key else ZONE not in one.metadata
            if wanted:
                found.setdefault(f"aggregate {one.name}", set()).update(one.hosts)
    return {name: frozenset(hosts) for name, hosts in found.items() if hosts}


def destinations(
    host: str,
    kinds: Iterable[Kind],
    aggregates: Iterable[Aggregate],
    segments: Mapping[str, str],
) -> frozenset[str] | None:
    """Return the hosts to which the instances of a host may go, itself among them.

    They share a domain of each kind with it. A kind of which it is in no domain restricts nothing.

    Returns:
        None where nothing restricts them.
    """
    every = list(aggregates)
    return together(host, (domains(kind, every, segments) for kind in kinds))


def together(host: str, kinds: Iterable[Mapping[str, frozenset[str]]]) -> frozenset[str] | None:
    """Return the same of domains that are known; see `destinations`.

    Args:
        host: the host.
        kinds: the domains of each kind; see `domains`.
    """
    found = None
    for known in kinds:
        if own := [hosts for hosts in known.values() if host in hosts]:
            shared = frozenset[str]().union(*own)
            found = shared if found is None else found & shared
    return found


def nearest(host: str, names: Iterable[str], aggregates: Iterable[Aggregate]) -> list[str]:
    """Return hosts, those first that share most aggregates with one that failed.

    An availability zone is an aggregate, too. Of equal ones their order stays.
    """
    shared = [one.members for one in aggregates if host in one.members]
    return sorted(names, key=lambda name: -sum(name in hosts for hosts in shared))


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _kind(text: str) -> Kind:
    name, colon, key = (part.strip() for part in text.strip().partition(":"))
    wrong = name not in _KINDS or bool(colon) != bool(key) or bool(key and name != "aggregate")
    if wrong or not key.isprintable() or "=" in key:
        raise ValueError(f"expected {_EXPECTED}, found {text.strip()!r}")
    return Kind(name, key)
