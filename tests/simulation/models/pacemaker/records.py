"""What the model of Pacemaker keeps: members, connections, fencings, and its constants."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulation.world import Hypervisor, Unit


@dataclass
class Member:
    """A full member of the cluster; `up`: its Pacemaker runs, or not, `since` then.

    One that `stands` still has forgotten nothing.
    """

    name: str
    unit: Unit
    up: bool = True
    stands: bool = False
    since: float = 0.0


@dataclass
class Remote:
    """The connection to a remote node and the cluster's record of it.

    `known`: the status section has its state and whether it was fenced, which comes with the first
    connection or fence, and goes when all members are restarted (`remote_node_up` of
    pacemaker-controld 2.1.5). `noted`: it has its state alone, which comes with a connection that
    is stopped, be it one that failed (`remote_node_down`).
    """

    name: str
    host: Hypervisor
    role: str = "Started"
    failed: bool = False
    managed: bool = True
    target_role: str = ""
    member: str = ""
    fenced: int = 0
    unclean: bool = False
    started: int = 0
    failures: list[tuple[str, str, int]] = field(default_factory=list)
    fencing: Fencing | None = None
    attempts: int = 0
    reconnects: int = 0
    new: bool = False
    known: bool = True
    noted: bool = False


@dataclass
class Fencing:
    """A fencing that is under way; whoever asks for the same joins it.

    `by`: the member that carries it out, whose `lock` it may have; empty where no member can be
    switched off by it.
    """

    action: str
    client: str
    origin: str
    begun: float
    by: str = ""
    lock: Any = None
    done: list[Callable[[bool], None]] = field(default_factory=list)
    joined: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Event:
    """An entry of the fencing history."""

    target: str
    action: str
    client: str
    origin: str
    status: str
    completed: int


def machine_of(host: str) -> str:
    """Return the Juju machine that is a hypervisor."""
    return host[-1]


def zulu(moment: float) -> str:
    """Return a time as crm_mon prints it."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(moment))
