"""What became of each recovery: its phases with seconds, and each instance.

Masakari's database has it all, whichever unit's engine did the work: its notifications, and in
their details what the engine told while it went on (see `masakari_fencing.records.progress`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from masakari_fencing.records import progress
from masakari_fencing.records.progress import Moved
from masakari_fencing.times import epoch, moment, noticed

from segments.results import Results

KEPT = 100
"""Recoveries that are listed at most, the latest first; Masakari keeps them all."""

_NEXT = {
    "new": "it is about to begin",
    "running": "it is still going on: look again later",
    "error": "it is retried automatically; the reason is in the status, and at the end here",
    "failed": "fix what the reason at the end names: it is retried automatically as long as the"
    " host is in maintenance. Or run return-host, and start there the instances that do not run",
    "finished": "when the host works again, run return-host",
    "ignored": "there was nothing to do",
}


@dataclasses.dataclass(frozen=True)
class Line:
    """Something that an engine has told.

    Attributes:
        time: in seconds since the epoch.
        text: in words.
    """

    time: float
    text: str


@dataclasses.dataclass(frozen=True)
class Report:
    """One recovery of a host.

    Attributes:
        uuid: of Masakari's notification.
        host: the host's name; its UUID where it is in no segment any more.
        status: Masakari's.
        noticed: when the failure was reported, or the fence was confirmed, in seconds since the
            epoch, as are the others.
        notified: when Masakari was told.
        updated: when its status changed last; 0: never.
        lines: what its engines have told, in the order of time.
    """

    uuid: str
    host: str
    status: str
    noticed: float
    notified: float
    updated: float
    lines: Sequence[Line] = ()

    @property
    def proof(self) -> str:
        """What proved that the host is dead; empty where nothing did."""
        said = (progress.read_proven(line.text) for line in self.lines)
        return next((how for how in reversed([*said]) if how), "")

    @property
    def phases(self) -> dict[str, float]:
        """When each phase was reached, in the order of time; those that were not are left out.

        A host that a monitor has reported is mostly fenced after Masakari was told.
        """
        lost = [said for line in self.lines if (said := progress.read_lost(line.text))]
        proven = [line.time for line in self.lines if progress.read_proven(line.text)]
        begun = [line.time for line in self.lines if progress.begins(line.text)]
        fenced = _said(self.proof) or min(proven, default=None)
        found: dict[str, float | None] = {
            "detected": min(filter(None, [*map(_said, lost[:1]), self.noticed]), default=None),
            "fenced": fenced,
            "notified": self.notified,
            "evacuating": min(begun, default=None),
            "done": self.updated if self.status == "finished" else None,
        }
        reached = {name: when for name, when in found.items() if when}
        return dict(sorted(reached.items(), key=lambda item: item[1]))

    @property
    def instances(self) -> list[Moved]:
        """The instances, each as its last attempt has left it."""
        found = (progress.read_moved(line.text) for line in self.lines)
        return list({one.uuid: one for one in found if one is not None}.values())

    @property
    def left_alone(self) -> dict[str, str]:
        """Why instances were not to be recovered, by their UUIDs."""
        found = (progress.read_left_alone(line.text) for line in self.lines)
        return dict(one for one in found if one is not None)


def read(item: Mapping[str, Any], hosts: Mapping[str, str]) -> Report:
    """Read a notification as Masakari's API gives it.

    Args:
        item: the notification.
        hosts: names of hosts, by their UUIDs.
    """
    uuid = str(item.get("source_host_uuid") or "")
    reported = noticed(item.get("generated_time"), item.get("created_at"))
    return Report(
        uuid=str(item.get("notification_uuid") or ""),
        host=hosts.get(uuid, uuid),
        status=str(item.get("status") or ""),
        noticed=reported,
        notified=epoch(item.get("created_at")) or reported,
        updated=epoch(item.get("updated_at")) or 0.0,
        lines=sorted(_lines(item), key=lambda line: line.time),
    )


def summary(report: Report) -> Results:
    """One line of a list."""
    ended = report.status in ("finished", "failed", "ignored") and report.updated
    found = {
        "host": report.host,
        "reported": moment(report.noticed),
        "status": report.status,
        "seconds": f"{report.updated - report.noticed:.1f}" if ended else "",
    }
    return {key: value for key, value in found.items() if value}


def describe(report: Report) -> Results:
    """All of one recovery, with a timeline to read in a terminal."""
    begin = next(iter(report.phases.values()), report.noticed)
    instances = {one.uuid: _instance(one, report.host) for one in report.instances}
    found: Results = {
        "recovery": report.uuid,
        **summary(report),
        "proof": report.proof,
        "phases": {name: f"{when - begin:.1f}" for name, when in report.phases.items()},
        "instances": instances,
        "left-alone": report.left_alone,
        "timeline": timeline(report),
        "next": _NEXT.get(report.status, ""),
    }
    return {key: value for key, value in found.items() if value}


def timeline(report: Report) -> str:
    """What happened, a line each: seconds since it began, and words."""
    begin = next(iter(report.phases.values()), report.noticed)
    names = {"detected": "lost", "fenced": "fenced", "notified": "Masakari was told"}
    own = [Line(when, names[name]) for name, when in report.phases.items() if name in names]
    if "done" in report.phases:
        own.append(Line(report.phases["done"], f"done: {report.status}"))
    every = sorted([*own, *_without_repetition(report.lines)], key=lambda line: line.time)
    return "\n".join(f"{line.time - begin:8.1f} s  {line.text}" for line in every)


def _without_repetition(lines: Iterable[Line]) -> Iterator[Line]:
    last = ""
    for line in lines:
        if line.text != last:
            yield line
        last = line.text


def _instance(found: Moved, source: str) -> Results:
    described = {
        "from": source,
        "to": found.host,
        "before": found.before,
        "after": found.after,
        "seconds": f"{found.seconds:.1f}" if found.seconds else "",
        "problem": found.problem,
    }
    return {key: value for key, value in described.items() if value}


def _lines(item: Mapping[str, Any]) -> Iterator[Line]:
    for task in item.get("recovery_workflow_details") or ():
        for told in task.get("progress_details") or ():
            when, text = epoch(told.get("timestamp")), str(told.get("message") or "")
            if when and text:
                yield Line(when, text)


def _said(text: str | None) -> float | None:
    """The time that a text ends with, as the engines write it."""
    words = (text or "").split()[-2:]
    return epoch(" ".join(words)) if len(words) == 2 else None
