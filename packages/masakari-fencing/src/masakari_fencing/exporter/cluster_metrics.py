"""The cluster as metrics: the same on each unit that is in touch with it."""

from __future__ import annotations

import contextlib
import threading
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from masakari_fencing.commands import Runner
from masakari_fencing.exporter.exposition import Metric
from masakari_fencing.pacemaker import cibadmin, crm_mon, properties
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records import disarmed, recoveries
from masakari_fencing.records.recovery import FAILED, Record

PERIOD = 15.0
"""Seconds between two looks, however many ask: a look starts two programs."""

TIMEOUT = 4
"""Seconds for each of them: Prometheus gives a scrape ten by default."""


@dataclass(frozen=True)
class Look:
    """The cluster at one moment.

    Attributes:
        status: as `crm_mon` shows it.
        cib: its configuration, below a `cib` element.
    """

    status: crm_mon.Status
    cib: ET.Element


class Looks:
    """Looks at the cluster when somebody asks, and not sooner than `PERIOD` after the last one.

    Args:
        runner: runs Pacemaker's commands.
        tick: seconds, only ever compared with each other.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        runner: Runner,
        tick: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._runner = runner
        self._tick = tick
        self._clock = clock
        self._lock = threading.Lock()
        self._tried: float | None = None
        self._found: Look | None = None
        self.succeeded = 0.0

    def latest(self) -> Look | None:
        """Return the cluster; None where it does not answer: what was so before may be no more."""
        with self._lock:
            if self._tried is None or self._tick() - self._tried >= PERIOD:
                self._found = None
                with contextlib.suppress(PacemakerError):
                    self._found = self._look()
                    self.succeeded = self._clock()
                # After it: one that takes long is not begun again at once.
                self._tried = self._tick()
            return self._found

    def _look(self) -> Look:
        status = crm_mon.status(self._runner, timeout=TIMEOUT)
        cib = ET.Element("cib")
        cib.append(cibadmin.configuration(self._runner, timeout=TIMEOUT))
        return Look(status, cib)


def metrics(look: Look, now: float) -> Iterator[Metric]:
    """Make metrics of a look.

    Args:
        look: the cluster.
        now: seconds since the epoch.
    """
    yield from _members(look.status)
    yield from _hypervisors(look.status)
    yield from _fences(look.status)
    yield from _recoveries(recoveries.all_of(look.cib))
    yield from _disarmed(look.cib, now)
    lifted = properties.until(look.cib, properties.ALLOW) > now
    text = "Whether an operator has lifted the fencing limit for now."
    yield Metric("masakari_fencing_limit_lifted", "gauge", text).add(lifted)


def _members(status: crm_mon.Status) -> Iterator[Metric]:
    members = Counter(
        "online" if n.online else "offline" for n in status.nodes if n.kind == "member"
    )
    text = "Whether this unit is in a part of the cluster that has quorum."
    yield Metric("masakari_cluster_quorum", "gauge", text).add(status.quorum)
    found = Metric("masakari_cluster_members", "gauge", "Units in the cluster, by their state.")
    for state in ("online", "offline"):
        found.add(members[state], state=state)
    yield found
    text = "Whether the cluster fences at all."
    yield Metric("masakari_cluster_stonith_enabled", "gauge", text).add(status.stonith_enabled)
    text = "Whether the cluster is in maintenance mode, in which nothing is fenced."
    yield Metric("masakari_cluster_maintenance", "gauge", text).add(status.maintenance_mode)
    found = Metric("masakari_fencing_device_failed", "gauge", "Fencing devices that have failed.")
    for device in status.failed_devices:
        found.add(1, device=device)
    yield found


def _hypervisors(status: crm_mon.Status) -> Iterator[Metric]:
    connected = Metric(
        "masakari_hypervisor_connected", "gauge", "Whether the cluster talks to a hypervisor."
    )
    unclean = Metric(
        "masakari_hypervisor_unclean",
        "gauge",
        "Whether a hypervisor is lost, and not fenced yet.",
    )
    for node in status.remotes:
        connected.add(status.connected(node.name), host=node.name)
        unclean.add(node.unclean, host=node.name)
    yield from (connected, unclean)


def _fences(status: crm_mon.Status) -> Iterator[Metric]:
    """A gauge, no counter: Pacemaker's history can be cleared, and goes with its last member."""
    ended = [e for e in status.fence_events if e.action in crm_mon.FENCING_ACTIONS]
    numbers = Counter((event.target, event.status) for event in ended)
    found = Metric(
        "masakari_fencings", "gauge", "Fencings in Pacemaker's history, by how they ended."
    )
    for (host, outcome), number in sorted(numbers.items()):
        found.add(number, host=host, status=outcome)
    yield found
    last: dict[str, float] = {}
    for event in ended:
        if event.confirmed and event.completed:
            last[event.target] = max(event.completed, last.get(event.target, 0.0))
    found = Metric(
        "masakari_last_fenced_timestamp_seconds", "gauge", "When a host was last fenced."
    )
    for host, moment in sorted(last.items()):
        found.add(moment, host=host)
    yield found


def _recoveries(found: list[Record]) -> Iterator[Metric]:
    running = Metric("masakari_recovery_running", "gauge", "Hosts that are being recovered.")
    failed = Metric(
        "masakari_recovery_failed",
        "gauge",
        "Fenced hosts with instances that are not recovered, and how many attempts have failed.",
    )
    held = Metric("masakari_host_held", "gauge", "Hosts switched off until their recovery ends.")
    for record in sorted(found, key=lambda record: record.host):
        if record.end is None:
            running.add(1, host=record.host)
        elif record.end.outcome == FAILED and not record.returned:
            failed.add(max(1, record.attempts), host=record.host)
        if record.held:
            held.add(1, host=record.host)
    yield from (running, failed, held)


def _disarmed(cib: ET.Element, now: float) -> Iterator[Metric]:
    found = Metric(
        "masakari_disarmed_until_timestamp_seconds",
        "gauge",
        "Until when nothing is fenced or recovered; an empty segment is the whole cloud.",
    )
    for one in disarmed.all_of(cib):
        if now < one.until:
            found.add(one.until, segment=one.segment)
    yield found
    found = Metric(
        "masakari_host_left",
        "gauge",
        "Hosts that failed while disarmed; 0: the cluster talks to them again.",
    )
    for entry in disarmed.left(cib):
        found.add(not entry.back, host=entry.node)
    yield found
