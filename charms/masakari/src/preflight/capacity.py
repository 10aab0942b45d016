"""How many hosts each segment may lose at once, and whose instances would find no place."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from preflight.findings import Finding, Level, enumerated
from preflight.places import Ground, fullest
from preflight.rehearsal import Move, Rules, chosen, play
from preflight.survey import Survey
from segments.cloud import Segment, SegmentHost

FAILURES = 3
"""Failures at once up to which an operator is told whether a segment stands them."""

_KINDS = ("MEMORY_MB", "VCPU")
"""By what the fullest hosts are chosen that fail together."""

SHORT = "instances stay down until there is room"
MAKE_ROOM = (
    "add a hypervisor (or a reserved host), move or resize instances, or accept it: set"
    " segment-host-failures"
)


@dataclasses.dataclass(frozen=True)
class Loss:
    """Hosts that fail together, and the instances that would find no place.

    Attributes:
        hosts: the hosts.
        stranded: the instances, each with the reason.
        tightly: they would, were they packed instead of spread.
    """

    hosts: Sequence[str]
    stranded: Sequence[Move]
    tightly: bool = False


@dataclasses.dataclass(frozen=True)
class Survival:
    """What a segment stands.

    Attributes:
        segment: its name.
        survives: hosts that may fail at once; of more than one, the fullest.
        checked: up to how many were tried.
        hosts: its hosts with instances to recover.
        losses: those that it does not stand.
        untold: instances that need something of which cannot be told whether it is there.
    """

    segment: str
    survives: int
    checked: int
    hosts: int
    losses: Sequence[Loss]
    untold: Sequence[tuple[str, str]]

    @property
    def whole(self) -> bool:
        """It stands as many failures as there are hosts with instances."""
        return self.survives >= self.hosts


def survivals(survey: Survey, rules: Rules, most: int) -> list[Survival]:
    """What each enabled segment stands.

    Args:
        survey: the cloud.
        rules: what is recovered.
        most: failures at once up to which it is tried.
    """
    ground = Ground(survey)
    return [
        _survival(ground, segment, hosts, rules, most)
        for segment, hosts in survey.segments
        if segment.enabled
    ]


def _survival(
    ground: Ground, segment: Segment, hosts: Sequence[SegmentHost], rules: Rules, most: int
) -> Survival:
    known = ground.survey.hypervisors
    alive = [
        host.name
        for host in hosts
        if not host.on_maintenance and host.name in known and not known[host.name].forced_down
    ]
    loaded = [h for h in alive if chosen(ground.survey.instances.get(h, ()), rules)]
    most = min(most, len(loaded))
    survives, losses = 0, []
    for count in range(1, most + 1):
        for lost in _together(ground.survey, loaded, count):
            moves = play(ground, lost, segment.recovery_method, hosts, rules)
            stranded = [move for move in moves if not move.target]
            if stranded:
                packed = play(ground, lost, segment.recovery_method, hosts, rules, tightly=True)
                losses.append(Loss(lost, stranded, all(move.target for move in packed)))
        if losses:
            break
        survives = count
    return Survival(
        segment=segment.name,
        survives=survives,
        checked=most,
        hosts=len(loaded),
        losses=losses,
        untold=list(_untold(ground, loaded, rules)),
    )


def _together(survey: Survey, hosts: Sequence[str], count: int) -> list[list[str]]:
    """Which hosts are tried: each alone, and of several at once the fullest."""
    if count == 1:
        return [[host] for host in hosts]
    sets = [fullest(survey, hosts, kind)[:count] for kind in _KINDS]
    return [one for n, one in enumerate(sets) if sorted(one) not in map(sorted, sets[:n])]


def _untold(ground: Ground, hosts: Sequence[str], rules: Rules) -> Iterator[tuple[str, str]]:
    for host in hosts:
        for one in chosen(ground.survey.instances.get(host, ()), rules):
            if what := ground.untold(one):
                yield one.name, ", ".join(sorted(what))


def described(found: Survival) -> str:
    """What a segment stands, in words."""
    if not found.hosts:
        return f"{found.segment}: no host has instances to recover"
    more = " (more were not tried)" if found.survives == found.checked < found.hosts else ""
    at_once = " at once" if found.survives > 1 else ""
    return (
        f"{found.segment}: survives {_failures(found.survives)}{at_once}{more}; hosts with"
        f" instances: {found.hosts}"
    )


def _failures(number: int) -> str:
    return f"{number} host failure{'' if number == 1 else 's'}"


def short(found: Survival, wanted: int) -> bool:
    """Whether a segment stands fewer failures than it has to."""
    return found.survives < min(wanted, found.checked)


def note(found: Survival, wanted: int) -> str:
    """Why a segment does not stand as much as it has to, for the status; empty where it does."""
    if not short(found, wanted):
        return ""
    loss = found.losses[0]
    names = enumerated([move.instance.name for move in loss.stranded], 3)
    return (
        f"{found.segment} survives {_failures(found.survives)}, not {wanted}: without"
        f" {enumerated(loss.hosts, 3)} no place found for {names}; see the action check"
    )


def findings(found: Survival, wanted: int) -> Iterator[Finding]:
    """What the capacity of a segment lacks."""
    if short(found, wanted):
        for loss in found.losses:
            names = [move.instance.name for move in loss.stranded]
            what = (
                f"survives {_failures(found.survives)}, not {wanted}: if"
                f" {' and '.join(loss.hosts)} failed, no place found for {enumerated(names)}:"
                f" {loss.stranded[0].reason}"
            )
            if loss.tightly:
                what += " (packed tightly they would fit; Nova spreads them)"
            yield Finding(Level.WARNS, f"segment {found.segment}", what, SHORT, MAKE_ROOM)
    for needs in sorted({what for _, what in found.untold}):
        names = [name for name, what in found.untold if what == needs]
        yield Finding(
            Level.UNKNOWN,
            f"segment {found.segment}",
            f"Placement cannot tell whether other hosts have {needs} for {enumerated(names)}",
            "capacity counts their CPUs, memory and disk alone",
            "compare with the hypervisors by hand, or keep a reserved host of the same make",
        )
