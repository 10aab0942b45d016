"""What would happen now if one host died."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from masakari_fencing import times
from masakari_fencing.openstack import restart_order

from preflight import rehearsal
from preflight.findings import Finding, enumerated, shortened
from preflight.places import Ground
from preflight.rehearsal import Move, Rules, play
from preflight.survey import Survey
from segments.cloud import Segment, SegmentHost
from segments.lookup import ActionError
from segments.results import Results

_RECENT = 10
"""Past recoveries that an estimate is made of."""
_SPREAD = "Nova picks; there is room on {}"


Place = tuple[Segment, SegmentHost, Sequence[SegmentHost]]
"""A segment, a host of it, and all its hosts."""


def place(survey: Survey, host: str) -> Place:
    """Where a host is.

    Raises:
        ActionError: in no segment.
    """
    found = survey.segment_of(host)
    if found is None:
        known = enumerated(sorted(h.name for _, hosts in survey.segments for h in hosts), 20)
        raise ActionError(f"host {host} is in no segment; hosts in segments: {known or 'none'}")
    return found


def make(
    survey: Survey,
    place: Place,
    *,
    rules: Rules,
    findings: Sequence[Finding],
    notes: Sequence[str],
    devices: Sequence[str],
    noticed: int,
    ended: Iterable[Mapping[str, Any]],
) -> Results:
    """Play through what would happen.

    Args:
        survey: the cloud.
        place: where the host is.
        rules: what is recovered.
        findings: what stands in the way of its recovery.
        notes: what could not be asked about the order.
        devices: the fencing devices that can fence it, by Pacemaker's word.
        noticed: seconds after which the cluster has noticed, at most; 0 where it is not known.
        ended: notifications of recoveries that have ended.

    Returns:
        the action's results.
    """
    segment, entry, hosts = place
    host = entry.name
    against = [str(finding) for finding in findings]
    if not segment.enabled:
        against.append(f"segment {segment.name} is disabled (update-segment enabled=true)")
    if entry.on_maintenance:
        against.append(f"{host} is in maintenance: its failure is not acted upon (return-host)")
    moves = play(Ground(survey), [host], segment.recovery_method, hosts, rules)
    stranded = [move for move in moves if not move.target]
    reserved = {found.name for found in hosts if found.reserved}
    results: Results = {
        "outcome": "not-recovered" if against else "partly" if stranded else "recovered",
        "host": host,
        "segment": segment.name,
        "recovery-method": segment.recovery_method,
        "fenced-by": ", ".join(devices) or "nothing",
        "instances": len(moves),
        "without-a-place": len(stranded),
        "seconds": _estimate(noticed, ended),
        "table": shortened("\n".join(_line(n, move, reserved) for n, move in enumerate(moves, 1)))
        or "no instance to recover",
        "plan": shortened(json.dumps([_plain(move) for move in moves])),
    }
    phases = rehearsal.phases(survey.instances.get(host, ()), rules)
    if len(phases) > 1:
        results["order"] = restart_order.described(phases)
    here = survey.instances.get(host, ())
    left = [
        f"{one.name} ({one.uuid}): {why}"
        for one in here
        if (why := rehearsal.objection(one, rules))
    ]
    if left:
        results["left-alone"] = shortened("\n".join(left))
    unheeded = [
        f"{one.instance.uuid}: {note}"
        for phase in phases
        for one in phase
        for note in one.place.notes
    ]
    if notes or unheeded:
        results["not-heeded"] = shortened("; ".join([*notes, *unheeded]))
    if against:
        results["obstacles"] = "; ".join(against)
    return results


def _line(number: int, move: Move, reserved: set[str]) -> str:
    instance = move.instance
    if not move.target:
        where = f"NO PLACE FOUND: {move.reason}"
    elif move.target in reserved:
        where = f"reserved host {move.target}"
    else:
        where = _SPREAD.format(move.target)
    return f"{number:4} {instance.name} ({instance.uuid}, {instance.state}): {where}"


def _plain(move: Move) -> dict[str, Any]:
    instance = move.instance
    return {
        "uuid": instance.uuid,
        "name": instance.name,
        "state": instance.state,
        "needs": dict(instance.demand),
        "room-on": move.target,
        "reason": move.reason,
    }


def _estimate(noticed: int, ended: Iterable[Mapping[str, Any]]) -> str:
    """What past recoveries of hosts took, in words."""
    dated = [
        (begin, end - begin)
        for item in ended
        if (begin := times.epoch(item.get("generated_time"))) is not None
        and (end := times.epoch(item.get("updated_at"))) is not None
        and end >= begin
    ]
    first = f"noticed within {noticed} s, then fenced; " if noticed else ""
    if not dated:
        return f"{first}how long the rest takes is not known: no recovery has ended here yet"
    recent = [seconds for _, seconds in sorted(dated, reverse=True)[:_RECENT]]
    return (
        f"{first}the last {len(recent)} recoveries took {statistics.median(recent):.0f} s"
        f" ({min(recent):.0f} to {max(recent):.0f}) from the fence on, whatever their instances"
    )
