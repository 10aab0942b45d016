"""Finds recoveries whose engine has died in the middle.

Each recovery leaves in the cluster's configuration which engine carries it out (see `turn`). The
notifier of the same unit knows whether that process still lives; where the whole unit is gone,
the first of the others steps in: at once if the unit's machine is the hypervisor that was fenced.
Should that unit come back at this moment, both would; so whoever steps in puts itself into the
engine's place first, which only one can do.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from masakari_fencing import machines, pacemaker, turn
from masakari_fencing.commands import Runner

LOG = logging.getLogger(__name__)

GRACE = 20.0
"""Seconds for which a unit must be gone before others take its recoveries over."""


def engine(pid: int | None = None, proc: Path = Path("/proc")) -> str:
    """Return what identifies a process over restarts of it and of its machine.

    Args:
        pid: the process; this one by default.
        proc: where the kernel shows processes.

    Raises:
        OSError: there is no such process.
    """
    number = os.getpid() if pid is None else pid
    boot = (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
    # The name in parentheses may hold spaces; the start time is field 22 of all.
    fields = (proc / str(number) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return f"{socket.gethostname()}.{boot}.{number}.{fields[19]}"


def lives(identity: str, proc: Path = Path("/proc")) -> bool | None:
    """Whether a process lives; None when it is not one of this machine."""
    parts = identity.rsplit(".", 3)
    if len(parts) != 4 or parts[0] != socket.gethostname():
        return None
    try:
        return engine(int(parts[2]), proc) == identity
    except (OSError, ValueError, IndexError):
        return False


def hand_back(runner: Runner, uuid: str, *, failed: bool = False) -> None:
    """Have Masakari start a recovery again, by a process of its own; see `giveup`.

    Args:
        runner: runs the process.
        uuid: the notification.
        failed: it is one that has failed, not one that was interrupted.

    Raises:
        PacemakerError: it failed.
    """
    argv = [sys.executable or "python3", "-m", "masakari_fencing.giveup"]
    argv += ["--failed", uuid] if failed else [uuid]
    pacemaker.run(runner, argv, timeout=60)


@dataclass
class Orphans:
    """Looks for interrupted recoveries.

    Attributes:
        runner: runs commands.
        configuration: returns the cluster's.
        alive: whether a process of this machine lives; None for another machine's.
        own: returns what identifies this process.
        clock: seconds, only ever compared with each other.
    """

    runner: Runner
    configuration: Callable[[], ET.Element]
    alive: Callable[[str], bool | None] = lives
    own: Callable[[], str] = engine
    clock: Callable[[], float] = time.monotonic
    _gone: dict[str, float] = field(default_factory=dict)
    _settled: set[tuple[str, str]] = field(default_factory=set)
    _claimed: list[str] = field(default_factory=list)

    def look(self) -> list[str]:
        """Hand every interrupted recovery back.

        Returns:
            the notifications.

        Raises:
            PacemakerError: the cluster does not answer, or a recovery could not be handed back.
        """
        for entry in turn.taken(self.configuration()):
            seen = (entry.holder, entry.engine)
            if seen not in self._settled and self._dead(entry.engine):
                if turn.claim(self.runner, entry, self.own()):
                    self._claimed.append(entry.holder)
                self._settled.add(seen)
        handed = []
        while self._claimed:
            hand_back(self.runner, self._claimed[0])
            handed.append(self._claimed.pop(0))
        return handed

    def _dead(self, identity: str) -> bool:
        here = self.alive(identity)
        if here is not None:
            return not here
        machine = identity.rsplit(".", 3)[0]
        status = pacemaker.status(self.runner)
        online = [node for node in status.nodes if node.kind == "member" and node.online]
        if any(_same(node.name, machine) for node in online) or not status.quorum:
            self._gone.pop(identity, None)
            return False
        since = self._gone.setdefault(identity, self.clock())
        if not any(node.is_dc and _same(node.name, socket.gethostname()) for node in online):
            return False
        return self.clock() - since >= GRACE or self._fenced(status, machine)

    def _fenced(self, status: pacemaker.Status, unit: str) -> bool:
        """Whether the machine that carries a unit was fenced, and is not back."""
        cib = pacemaker.cib(self.runner)
        carriers = machines.recorded(cib)
        carrier = next((m for node, m in carriers.items() if _same(node, unit)), None)
        hypervisors = [n.name for n in status.nodes if n.kind == "remote"]
        return carrier is not None and any(
            pacemaker.remote_record(self.runner, name).fenced is not None
            for name in hypervisors
            if carriers.get(name) == carrier
        )


def _same(first: str, second: str) -> bool:
    """Whether two names are of the same machine, with or without a domain."""
    return first.split(".")[0].lower() == second.split(".")[0].lower()
