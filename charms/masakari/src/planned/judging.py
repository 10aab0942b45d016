"""What came of a drill: measured, and judged by what others wrote down."""

from __future__ import annotations

import math
from collections.abc import Iterator

from masakari_fencing import times
from masakari_fencing.openstack.rest import ApiError

from planned.drills import FULL, Drill
from recoveries import picture, reports
from recoveries.reports import Report
from segments.cloud import Cloud
from segments.lookup import Lookup
from segments.results import Results

_VERSION = "2.59"
"""The first microversion in which migrations can be asked for by time."""
_NO_MOVE = ("error", "failed", "cancelled")
"""States of an evacuation that has started nothing."""
_WORDS = {
    "canaries": "all canaries run there",
    "drained": "nothing else runs there",
    "cut": "the cluster is asked to fence it",
    "silent": "it was heard last",
    "confirmed": "the fence is confirmed",
    "recovered": "Masakari has ended",
    "returned": "it is in service again",
}


def report(cloud: Cloud, drill: Drill) -> Results:
    """The results of a drill, which name everything that was not as it should be.

    Args:
        cloud: access to the APIs; what they do not answer is a problem, too.
        drill: with all its marks.
    """
    problems = list(drill.problems)
    recovery: Report | None = None
    if drill.mode == FULL and "confirmed" in drill.marks:
        try:
            recovery = _recovery(cloud, drill)
            problems += _judge(drill, recovery)
        except (ApiError, AttributeError, KeyError, TypeError, ValueError) as error:
            problems.append(f"it could not be judged: {error}")
    begin = drill.marks.get("cut") or min(drill.marks.values(), default=0.0)
    phases = {name: when - begin for name, when in _phases(drill, recovery)}
    found: Results = {
        "drill": drill.id,
        "outcome": "failed" if problems else "passed",
        "host": drill.host,
        "mode": drill.mode,
        "phases": {name: f"{seconds:.1f}" for name, seconds in phases.items()},
        "canaries": {uuid: _canary(drill, uuid) for uuid in sorted(drill.sources)},
        "recovery": drill.recovery,
        "problems": "\n".join(problems),
        "timeline": _timeline(drill, recovery, begin),
        "next": _next(drill, problems),
    }
    return {key: value for key, value in found.items() if value}


def draw(drill: Drill) -> str:
    """The picture of a drill that is over, as SVG: how long each canary was away."""
    lost = _lost(drill)
    # What happens before the cut may take as long as the live migrations, and is no recovery.
    begin = drill.marks.get("cut") or min(drill.marks.values(), default=0.0)
    phases = {
        name: begin + float(seconds)
        for name, seconds in (drill.report.get("phases") or {}).items()
        if name not in ("canaries", "drained")
    }
    end = max(phases.values(), default=begin)
    bars = (
        (f"{name} {host}", lost, when, bool(host))
        for uuid, name in sorted(drill.sources.items(), key=lambda item: item[1])
        for when, host, _ in [drill.back.get(uuid, (end, "", 0.0))]
    )
    title = f"{drill.host}: drill {drill.id}, {drill.report.get('outcome')}"
    return picture.picture(title, phases, bars if "confirmed" in drill.marks else ())


def _lost(drill: Drill) -> float:
    return drill.marks.get("silent") or drill.marks.get("cut") or 0.0


def _recovery(cloud: Cloud, drill: Drill) -> Report | None:
    if not drill.recovery:
        return None
    names = {host.uuid: name for name, (_, host) in Lookup(cloud).places().items()}
    return reports.read(cloud.notification(drill.recovery), names)


def evacuations(cloud: Cloud, drill: Drill) -> dict[str, list[float]]:
    """When each instance's evacuations from the host were begun, in Nova's own records.

    Raises:
        ApiError: Nova does not answer.
    """
    since = times.moment(drill.marks["cut"] - 60)
    query = f"migration_type=evacuation&source_compute={drill.host}&changes-since={since}"
    found: dict[str, list[float]] = {}
    for item in cloud.ask_nova(f"/os-migrations?{query}", _VERSION).get("migrations") or ():
        if item.get("status") not in _NO_MOVE:
            begun = times.epoch(item.get("created_at")) or 0.0
            found.setdefault(str(item.get("instance_uuid")), []).append(begun)
    return found


def _judge(drill: Drill, recovery: Report | None) -> Iterator[str]:
    """Each canary is back, none ran twice, and the proof came before the first of them."""
    fenced = None if recovery is None else recovery.phases.get("fenced")
    if recovery is None:
        yield "Masakari has no notification of the failure"
    elif recovery.status != "finished":
        yield f"Masakari's notification is {recovery.status}: see show-recovery"
    elif fenced is None:
        yield "nothing says when the host was fenced"
    for uuid, name in sorted(drill.sources.items(), key=lambda item: item[1]):
        if uuid not in drill.back:
            yield f"{name} ({uuid}) is not back"
        if drill.evacuations is None:
            continue  # why, is said
        begun = drill.evacuations.get(uuid, [])
        if len(begun) != 1:
            yield f"{name} ({uuid}) was started elsewhere {len(begun)} times, not once"
        # Nova and Pacemaker write whole seconds.
        if fenced is not None and any(when < math.floor(fenced) for when in begun):
            yield f"{name} ({uuid}) was started elsewhere before its host was fenced"


def _phases(drill: Drill, recovery: Report | None) -> list[tuple[str, float]]:
    reached = dict(drill.marks)
    if recovery is not None:
        reached |= {k: v for k, v in recovery.phases.items() if k in ("notified", "evacuating")}
    if drill.sources and len(drill.back) == len(drill.sources):
        reached["all-back"] = max(when for when, _, _ in drill.back.values())
    return sorted(reached.items(), key=lambda item: item[1])


def _canary(drill: Drill, uuid: str) -> Results:
    """One canary: where it went, for how many seconds it was away, and how exact that is."""
    described = {"name": drill.sources[uuid], "from": drill.host}
    if uuid in drill.back:
        when, host, unsure = drill.back[uuid]
        seconds = when - _lost(drill)
        described |= {"to": host, "seconds": f"{seconds:.1f}", "within": f"{unsure:.1f}"}
    return described


def _timeline(drill: Drill, recovery: Report | None, begin: float) -> str:
    lines = [(when, _WORDS[name]) for name, when in drill.marks.items()]
    lines += [(w, f"{drill.sources[u]} runs on {host}") for u, (w, host, _) in drill.back.items()]
    if recovery is not None:
        lines += [(line.time, line.text) for line in recovery.lines]
    text = (f"{when - begin:8.1f} s  {what}" for when, what in sorted(lines))
    return "\n".join(text)


def _next(drill: Drill, problems: list[str]) -> str:
    if "returned" not in drill.marks:
        return f"{drill.host} is not in service: see the status, then run return-host"
    return "fix what the problems name, and run it again" if problems else ""
