"""Verification of relations: both ends exist, fit together, and are named once."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from jujulab.juju.charm import CHARM_NAME, Candidate, CharmEndpoint, fitting

from .data import Application, Relation
from .errors import BundleError, Origin, Problem
from .names import ENDPOINT
from .schema import BundleSpec

_ENDPOINT = re.compile(rf"({CHARM_NAME})(?::({ENDPOINT}))?")


@dataclass(frozen=True)
class _End:
    """One end of a relation; `endpoint` is empty until it is inferred."""

    application: str
    endpoint: str

    def __str__(self) -> str:
        return f"{self.application}:{self.endpoint}" if self.endpoint else self.application


@dataclass(frozen=True)
class _Written:
    """A relation as it was written: endpoints `application:endpoint` or `application`."""

    endpoints: tuple[str, ...]
    origin: Origin

    def __str__(self) -> str:
        return f"relation [{', '.join(self.endpoints)}]"

    def wrong(self, *rules: str) -> BundleError:
        """Return the error for the rules that it breaks."""
        return BundleError(Problem(rule, self.origin) for rule in rules)


def verify_relations(
    spec: BundleSpec, applications: Mapping[str, Application]
) -> tuple[tuple[Relation, ...], list[Problem]]:
    """Return a bundle's relations with complete endpoints, and what is wrong.

    Those of applications whose charm was not found are checked less.
    """
    relations: list[Relation] = []
    problems: list[Problem] = []
    seen: dict[frozenset[str], Origin] = {}
    for number, texts in enumerate(spec.relations):
        written = _Written(tuple(texts), spec.at("relations", number))
        try:
            relation = _verify_relation(written, spec, applications)
            pair = frozenset((relation.endpoint1, relation.endpoint2))
            if pair in seen:
                again = f"{written} is defined more than once; the first is at {seen[pair]}"
                raise written.wrong(again)
        except BundleError as error:
            problems += error.problems
        else:
            seen[pair] = written.origin
            relations.append(relation)
    problems += _limit_problems(relations, applications)
    return tuple(relations), problems


def _verify_relation(
    written: _Written, spec: BundleSpec, applications: Mapping[str, Application]
) -> Relation:
    ends = _parse(written, spec)
    first, second = (applications.get(end.application) for end in ends)
    if first is not None and second is not None:
        if not (ends[0].endpoint and ends[1].endpoint):
            ends = _infer(ends, first, second, written)
        _check_fit(ends, first, second, written)
    return Relation(str(ends[0]), str(ends[1]), written.origin)


def _parse(written: _Written, spec: BundleSpec) -> tuple[_End, _End]:
    """Parse both ends and check that their applications are there."""
    count = len(written.endpoints)
    if count != 2:
        raise written.wrong(f"{written} has {count} endpoint{'' if count == 1 else 's'}, not 2")
    rules, ends = [], []
    for text in written.endpoints:
        match = _ENDPOINT.fullmatch(text)
        if match is None:
            rules.append(f'"{text}" is not an endpoint; write application:endpoint')
            continue
        ends.append(_End(match[1], match[2] or ""))
        if match[1] not in spec.applications:
            rules.append(
                f'{written} refers to the application "{match[1]}", which is not in the bundle'
            )
    if not rules and ends[0].application == ends[1].application:
        rules.append(f"{written} relates an application to itself")
    if rules:
        raise written.wrong(*rules)
    return ends[0], ends[1]


def _infer(
    ends: tuple[_End, _End], first: Application, second: Application, written: _Written
) -> tuple[_End, _End]:
    """Complete endpoints that are not written; exactly one pair must be possible."""
    candidates = fitting(_possible(ends[0], first), _possible(ends[1], second))
    pairs = [(_End(a, one.name), _End(b, other.name)) for (a, one), (b, other) in candidates]
    if not pairs:
        names = f"{ends[0].application} and {ends[1].application}"
        raise written.wrong(f"{written}: no endpoints of {names} fit together")
    if len(pairs) > 1:
        could = "; ".join(sorted(f"{one} {other}" for one, other in pairs))
        raise written.wrong(f"ambiguous relation: {ends[0]} {ends[1]} could refer to {could}")
    return pairs[0]


def _possible(end: _End, application: Application) -> list[Candidate]:
    endpoints = application.meta.endpoints.values()
    return [(end.application, e) for e in endpoints if end.endpoint in ("", e.name)]


def _check_fit(
    ends: tuple[_End, _End], first: Application, second: Application, written: _Written
) -> None:
    missing = [
        f'{written}: charm "{application.meta.name}" has no endpoint "{end.endpoint}"'
        for end, application in zip(ends, (first, second), strict=True)
        if end.endpoint not in application.meta.endpoints
    ]
    if missing:
        raise written.wrong(*missing)
    one, other = first.meta.endpoints[ends[0].endpoint], second.meta.endpoints[ends[1].endpoint]
    rules = [*_role_and_interface(one, other), *_container_scope(one, other, first, second)]
    if rules:
        raise written.wrong(*(f"{written} {rule}" for rule in rules))


def _role_and_interface(one: CharmEndpoint, other: CharmEndpoint) -> Iterator[str]:
    if "peer" in (one.role, other.role):
        yield "names an endpoint for peers; Juju makes those relations itself"
    elif one.role == other.role:
        yield f"relates {one.role} to {other.role}"
    elif one.interface != other.interface:
        yield f"has mismatched interfaces: {one.interface} and {other.interface}"


def _container_scope(
    one: CharmEndpoint, other: CharmEndpoint, first: Application, second: Application
) -> Iterator[str]:
    if "container" not in (one.scope, other.scope):
        return
    if not (first.meta.subordinate or second.meta.subordinate):
        yield "is container-scoped, and requires at least one subordinate application"
    elif first.base and second.base and first.base != second.base:
        yield (
            f"is container-scoped, and the bases differ: {first.name} runs on {first.base}, "
            f"{second.name} on {second.base}"
        )


def _limit_problems(
    relations: list[Relation], applications: Mapping[str, Application]
) -> Iterator[Problem]:
    """Check that no endpoint has more relations than its charm allows."""
    counts: Counter[str] = Counter()
    for relation in relations:
        for text in (relation.endpoint1, relation.endpoint2):
            counts[text] += 1
            name, _, endpoint = text.partition(":")
            application = applications.get(name)
            known = application.meta.endpoints.get(endpoint) if application else None
            if known is not None and known.limit and counts[text] == known.limit + 1:
                yield Problem(
                    f"{text} would exceed its limit of {known.limit} relations", relation.origin
                )
