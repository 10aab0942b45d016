"""Watches a recovery from outside, through everything that keeps a record of its own.

A database that is away for a while is part of what is watched, not an error of the watching.

Pacemaker is asked on a cluster member, MAAS's look-alike keeps a journal, what Nova and Masakari
write down is read in their database, and the guests speak for themselves on their disks. What is
seen becomes a list of events with the host's clock, from which the phases of a recovery are
computed.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jujulab.cloud.database import DatabaseError, DatabaseView, ServerView
from jujulab.cloud.heartbeat import Pulse
from jujulab.errors import LabError
from jujulab.machines.lab import Machine

_SHARE = 2.0
"""How much longer the pause after a look is than the look itself, at least."""


@dataclass(frozen=True, order=True)
class Event:
    """Something that was seen.

    Attributes:
        time: epoch seconds at which it was seen, or its record's own time where it has one.
        source: who says so: `fault`, `pacemaker`, `maas`, `masakari`, `nova` or `guest`.
        kind: a word that phases are computed from, such as `lost`, `fenced`, `active`.
        subject: a host's or guest's name.
        text: the same for people.
    """

    time: float
    source: str
    kind: str
    subject: str
    text: str


@dataclass
class Observer:
    """Collects events in threads between `start` and `stop`.

    Args:
        database: what Nova and Masakari write down.
        member: returns a machine with a living cluster member to ask, or None.
        journal: the power journal of the MAAS look-alike.
        pulses: guest name -> its disk's pulse.
        on_event: called with each event as it is seen, for live output.
        in_place: guests are stopped and started where they are, which may be over between two
            looks.

    Attributes:
        servers: what Nova said last about each guest.
        nodes: what Pacemaker said last about each node: `online`, `offline` or `unclean`.
    """

    database: DatabaseView
    member: Callable[[], Machine | None]
    journal: Path
    pulses: dict[str, Pulse]
    on_event: Callable[[Event], None] = lambda event: None
    in_place: bool = False
    events: list[Event] = field(default_factory=list)
    servers: dict[str, ServerView] = field(default_factory=dict)
    nodes: dict[str, str] = field(default_factory=dict)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Start watching; what is so already is the baseline and no event."""
        watchers: list[tuple[float, Iterator[None]]] = [
            (0.2, self._watch_guests()),
            (0.2, self._watch_journal()),
            (0.15, self._watch_servers()),
            (0.15, self._watch_notifications()),
            (0.5, self._watch_pacemaker()),
        ]
        for interval, watcher in watchers:
            next(watcher)  # the baseline, before anything is broken
            thread = threading.Thread(target=self._repeat, args=(interval, watcher), daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stop watching and wait for what is under way."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(40)
        self.database.close()

    def add(
        self, source: str, kind: str, subject: str, text: str, at: float | None = None
    ) -> None:
        """Record one event and hand it on."""
        event = Event(time.time() if at is None else at, source, kind, subject, text)
        with self._lock:
            self.events.append(event)
        self.on_event(event)

    def _repeat(self, interval: float, watcher: Iterator[None]) -> None:
        """Look again and again; what is slow is asked less often, so as not to slow it further."""
        took = 0.0
        while not self._stopped.wait(max(interval, _SHARE * took)):
            begun = time.monotonic()
            next(watcher)
            took = time.monotonic() - begun

    def _watch_guests(self) -> Iterator[None]:
        silent: dict[str, bool] = {}
        outages = {name: len(pulse.outages) for name, pulse in self.pulses.items()}
        for pulse in self.pulses.values():
            pulse.poll()
        while True:
            yield
            for name, pulse in self.pulses.items():
                pulse.poll()
                if len(pulse.outages) > outages[name]:
                    outages[name] = len(pulse.outages)
                    outage = pulse.outages[-1].seconds or 0.0
                    self.add("guest", "beats", name, f"{name} beats again after {outage:.1f} s")
                    silent[name] = False
                elif time.time() - pulse.last_beat > 1.5 and not silent.get(name):
                    silent[name] = True
                    text = f"{name} fell silent"
                    self.add("guest", "silent", name, text, at=pulse.last_beat)

    def _watch_journal(self) -> Iterator[None]:
        position = self.journal.stat().st_size if self.journal.exists() else 0
        while True:
            yield
            if not self.journal.exists():
                continue
            with self.journal.open() as journal:
                journal.seek(position)
                for line in journal:
                    if not line.endswith("\n"):
                        break
                    position += len(line.encode())
                    self._power(json.loads(line))

    def _power(self, entry: dict[str, Any]) -> None:
        node, action = str(entry["node"]), str(entry["action"])
        if action in {"power_off", "power_on"}:
            kind = action.replace("power_", "power-")
            result = str(entry["result"])
            self.add("maas", kind, node, f"MAAS: {action} {node}: {result}", at=entry["time"])

    def _watch_servers(self) -> Iterator[None]:
        while True:
            with contextlib.suppress(DatabaseError):
                for name, now in self.database.servers().items():
                    before = self.servers.get(name)
                    self.servers[name] = now
                    if before is not None and now != before:
                        self._server_changed(name, before, now)
            yield

    def _server_changed(self, name: str, before: ServerView, now: ServerView) -> None:
        if now.rebuilding and not before.rebuilding:
            self.add("nova", "evacuating", name, f"Nova: evacuating {name}")
        if now.runs:
            text = f"Nova: {name} is ACTIVE on {now.host}"
            if before.same_but_for_time(now):
                # Perhaps stopped and started between two looks, which only the time shows.
                known = any((e.kind, e.subject) == ("active", name) for e in self.events)
                if known or not self.in_place:
                    return
            self.add("nova", "active", name, text)
        elif now.status != before.status:
            self.add("nova", "status", name, f"Nova: {name} is {now.status} on {now.host}")

    def _watch_notifications(self) -> Iterator[None]:
        known: dict[str, str] = {}
        baseline = True
        while True:
            with contextlib.suppress(DatabaseError):
                for notice in self.database.notifications():
                    if not baseline and known.get(notice.uuid) != notice.status:
                        new = notice.uuid not in known
                        kind = "notified" if new else f"notification-{notice.status}"
                        text = f"Masakari: {notice.kind} notification is {notice.status}"
                        self.add("masakari", kind, notice.host, text)
                    known[notice.uuid] = notice.status
            baseline = False
            yield

    def _watch_pacemaker(self) -> Iterator[None]:
        before: ClusterView | None = None
        while True:
            machine = self.member()
            if machine is not None:
                trouble = (subprocess.SubprocessError, OSError, ValueError, LabError)
                with contextlib.suppress(*trouble):
                    reply = machine.run(["crm_mon", "--output-as=xml"], timeout=10)
                    now = parse_crm_mon(reply.stdout)
                    self.nodes.update(now.nodes)
                    if before is not None:
                        now = before.joined(now)
                        self._cluster_changed(before, now)
                    before = now
            yield

    def _cluster_changed(self, before: ClusterView, now: ClusterView) -> None:
        for name, state in now.nodes.items():
            if state != before.nodes.get(name, state):
                kind = "back" if state == "online" else "lost"
                self.add("pacemaker", kind, name, f"Pacemaker: {name} is {state}")
        for fence in sorted(now.fenced - before.fenced):
            text = f"Pacemaker: fencing of {fence[0]} ({fence[1]}) succeeded"
            self.add("pacemaker", "fenced", fence[0], text)
        for failed in sorted(now.fence_failed - before.fence_failed):
            text = f"Pacemaker: fencing of {failed[0]} ({failed[1]}) FAILED"
            self.add("pacemaker", "fence-failed", failed[0], text)


@dataclass(frozen=True)
class ClusterView:
    """What one crm_mon says: states of nodes, and fencing actions as (node, action, time)."""

    nodes: dict[str, str]
    fenced: frozenset[tuple[str, str, str]]
    fence_failed: frozenset[tuple[str, str, str]]

    def joined(self, later: ClusterView) -> ClusterView:
        """Return a later view, with what was known of fencing before.

        It may be that of another member, which has just joined: it knows nothing at first.
        """
        fenced, failed = self.fenced | later.fenced, self.fence_failed | later.fence_failed
        return replace(later, fenced=fenced, fence_failed=failed)


def parse_crm_mon(text: str) -> ClusterView:
    """Parse the XML of `crm_mon --output-as=xml` (Pacemaker 2.1).

    Raises:
        ValueError: it is not that XML.
    """
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - from our own cluster member
    except ElementTree.ParseError as error:
        raise ValueError(f"crm_mon: {error}") from error
    nodes = {}
    for node in root.iterfind("./nodes/node"):
        online, unclean = node.get("online") == "true", node.get("unclean") == "true"
        state = "unclean" if unclean else ("online" if online else "offline")
        nodes[str(node.get("name"))] = state
    outcomes: dict[str, set[tuple[str, str, str]]] = {"success": set(), "failed": set()}
    for event in root.iter("fence_event"):
        entry = (event.get("target", ""), event.get("action", ""), event.get("completed", ""))
        outcomes.get(event.get("status", ""), set()).add(entry)
    return ClusterView(nodes, frozenset(outcomes["success"]), frozenset(outcomes["failed"]))
