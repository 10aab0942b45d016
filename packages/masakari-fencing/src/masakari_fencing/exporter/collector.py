"""All that there is to show.

What the cluster, Masakari and Nova say is the same on each unit, and each unit shows it: so that
it is seen as long as one of them lives. Whoever adds it up takes the `max` over the units.

What this unit's engine has counted (`masakari_recoveries_total`,
`masakari_recovery_phase_seconds`), and what was refused or not delivered here, is shown by this
unit alone; there the `sum` is right. What the charm has found out is shown by its leader's unit.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from masakari_fencing.commands import Runner
from masakari_fencing.exporter import cluster_metrics
from masakari_fencing.exporter.exposition import Metric
from masakari_fencing.records import foresight, out_of_service, refusals, stopped_fencing, tally
from masakari_fencing.records.recovery import FAILED, NOTHING, RECOVERED, REFUSED
from masakari_fencing.records.spool import undelivered

SPOOL = Path("/var/lib/masakari-fencing/spool")

OUTCOMES = {RECOVERED: "recovered", FAILED: "failed", REFUSED: "refused", NOTHING: "nothing"}
"""How a recovery ended, and the value of the label that says so."""

REASONS = ("maintenance", "failed", "forced_down", "drained", "misnamed")
"""Why a host is out of service: fields of `OutOfService`."""


class Collector:
    """Makes metrics of what stands in the files of one machine, and of its cluster.

    Args:
        runner: runs Pacemaker's commands.
        root: directory that stands for `/`.
        looks: how the cluster is looked at.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        runner: Runner,
        root: Path = Path("/"),
        looks: cluster_metrics.Looks | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._root = root
        self._looks = looks or cluster_metrics.Looks(runner)
        self._clock = clock

    def collect(self) -> list[Metric]:
        """Return all metrics; what cannot be read is left out."""
        now = self._clock()
        look = self._looks.latest()
        found = [
            Metric(
                "masakari_cluster_up", "gauge", "Whether this unit's Pacemaker has answered last."
            ).add(look is not None),
            Metric(
                "masakari_cluster_last_look_timestamp_seconds",
                "gauge",
                "When it has answered last; 0: not since the exporter began.",
            ).add(self._looks.succeeded),
        ]
        if look is not None:
            found += cluster_metrics.metrics(look, now)
        return [
            *found,
            *self._counted(),
            *self._of_this_unit(now),
            *self._out_of_service(now),
            *self._foreseen(),
        ]

    def _path(self, path: Path) -> Path:
        return self._root / path.relative_to("/")

    def _counted(self) -> Iterator[Metric]:
        found = tally.read(self._path(tally.FILE))
        ended = Metric(
            "masakari_recoveries_total",
            "counter",
            "Attempts to recover a host that this unit's engine has ended, by how they ended.",
        )
        for outcome, label in OUTCOMES.items():
            ended.add(found.outcomes.get(outcome, 0), outcome=label)
        yield ended
        phases = Metric(
            "masakari_recovery_phase_seconds",
            "histogram",
            "Seconds from the loss of a host to its fence, from there to the first evacuation, and"
            " from the fence until all its instances are recovered.",
        )
        for name in (tally.FENCED, tally.EVACUATING, tally.DONE):
            phase = found.phases.get(name, tally.Histogram())
            phases.observe(tally.BUCKETS, phase.buckets, phase.sum, phase=name)
        yield phases

    def _of_this_unit(self, now: float) -> Iterator[Metric]:
        refused = Metric(
            "masakari_recovery_refused_timestamp_seconds",
            "gauge",
            "When this unit's engine has refused to recover a host, or has failed to.",
        )
        for refusal in refusals.read(self._path(refusals.DIRECTORY)):
            refused.add(refusal.time, host=refusal.host)
        yield refused
        waiting = Counter(event.node for event in undelivered(self._path(SPOOL)))
        late = Metric(
            "masakari_fencings_undelivered",
            "gauge",
            "Fencings that Masakari could not be told by this unit.",
        )
        for node, number in sorted(waiting.items()):
            late.add(number, host=node)
        yield late
        stopped = stopped_fencing.read(self._path(stopped_fencing.STATE), clock=lambda: now)
        text = "Whether this unit's fence agent has refused a fence within the last minute."
        yield Metric("masakari_fencing_stopped", "gauge", text).add(stopped is not None)

    def _out_of_service(self, now: float) -> Iterator[Metric]:
        said = out_of_service.read(self._path(out_of_service.RECORD), now)
        found = Metric(
            "masakari_host_out_of_service",
            "gauge",
            "Hosts of failover segments that take no instances or are not recovered, and why.",
        )
        for reason in REASONS:
            for host in getattr(said, reason):
                found.add(1, host=host, reason=reason)
        yield found
        text = "Hosts of the failover segments that are enabled."
        hosts = Metric("masakari_segment_hosts", "gauge", text)
        yield hosts.add(len(said.hosts)) if said.hosts else hosts

    def _foreseen(self) -> Iterator[Metric]:
        said = foresight.read(self._path(foresight.FILE))
        if said is None:
            return
        text = "When the leader has last looked whether every hypervisor can be fenced."
        yield Metric("masakari_check_timestamp_seconds", "gauge", text).add(said.checked)
        text = "What keeps hypervisors from being fenced; the unit's status names it."
        yield Metric("masakari_check_problems", "gauge", text).add(len(said.problems))
        text = "When the leader has last asked for the room that there is for recoveries."
        yield Metric("masakari_survey_timestamp_seconds", "gauge", text).add(said.surveyed)
        survives = Metric(
            "masakari_segment_survives",
            "gauge",
            "Host failures at once whose instances would all find a place.",
        )
        wanted = Metric(
            "masakari_segment_survives_wanted", "gauge", "Host failures that a segment must stand."
        )
        for segment, room in sorted(said.rooms.items()):
            survives.add(room.survives, segment=segment)
            wanted.add(room.wanted, segment=segment)
        yield from (survives, wanted)
        answers = Metric(
            "masakari_power_controller_answers",
            "gauge",
            "Whether a hypervisor's power controller (BMC) gave a useful answer when asked last.",
        )
        for host, answer in sorted(said.controllers.items()):
            answers.add(answer, host=host)
        yield answers
