"""How this unit's engine has ended recoveries, and how long their phases took.

Counted by the engine that ends a recovery, in a file of its own machine: so each recovery is
counted on one unit, the sum over the units is right, and neither a restart of the engine nor one
of the exporter that shows it begins anew. The engine is one process, whose greenthreads do not
change places between reading and writing: there is no lock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from masakari_fencing import files
from masakari_fencing.records.recovery import RECOVERED, Record

FILE = Path("/var/lib/masakari-fencing/tally/recoveries.json")

BUCKETS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""Upper bounds of the histograms, in seconds."""

FENCED = "lost_to_fenced"
EVACUATING = "fenced_to_evacuating"
DONE = "fenced_to_recovered"


@dataclass
class Histogram:
    """Seconds that something took.

    Attributes:
        buckets: how many were at most as long as each of `BUCKETS`, and longer than the one
            before it; at the end, those that were longer than all.
        sum: of all of them.
    """

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    sum: float = 0.0

    def observe(self, seconds: float) -> None:
        """Count one; what clocks have made negative counts as none."""
        seconds = max(0.0, seconds)
        self.buckets[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds


@dataclass
class Tally:
    """All that was counted.

    Attributes:
        outcomes: attempts to recover a host, by how they ended; see `recovery.End`.
        phases: how long they took, by the name of the phase.
    """

    outcomes: dict[str, int] = field(default_factory=dict)
    phases: dict[str, Histogram] = field(default_factory=dict)


def begun(path: Path, record: Record, lost: float, now: float) -> None:
    """Count that the instances of a host are about to be evacuated, for the first time.

    Args:
        path: the file.
        record: the recovery; without a fence nothing is counted.
        lost: when the host was lost, in seconds since the epoch.
        now: the same, of this moment.

    Raises:
        OSError: it cannot be written.
    """
    if record.proof is not None and record.proof.fenced and not record.attempts:
        fenced = record.proof.fenced
        _count(path, {}, {FENCED: fenced - lost, EVACUATING: now - fenced})


def ended(path: Path, record: Record) -> None:
    """Count an attempt that has ended.

    Raises:
        OSError: it cannot be written.
    """
    if record.end is None:
        return
    phases = {}
    if record.end.outcome == RECOVERED and record.proof and record.proof.fenced:
        phases[DONE] = record.end.time - record.proof.fenced
    _count(path, {record.end.outcome: 1}, phases)


def read(path: Path) -> Tally:
    """Return what was counted; nothing where the file is missing or makes no sense."""
    return files.load(path, _parse) or Tally()


def _count(path: Path, outcomes: Mapping[str, int], phases: Mapping[str, float]) -> None:
    found = read(path)
    for outcome, number in outcomes.items():
        found.outcomes[outcome] = found.outcomes.get(outcome, 0) + number
    for phase, seconds in phases.items():
        found.phases.setdefault(phase, Histogram()).observe(seconds)
    files.save(path, asdict(found), mode=0o644)


def _parse(data: Any) -> Tally:
    phases = {
        str(name): Histogram([int(number) for number in found["buckets"]], float(found["sum"]))
        for name, found in data["phases"].items()
    }
    if any(len(found.buckets) != len(BUCKETS) + 1 for found in phases.values()):
        raise ValueError("counted with other bounds")
    return Tally({str(name): int(n) for name, n in data["outcomes"].items()}, phases)
