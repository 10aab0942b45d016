"""Stops a mass power-off before the power is cut.

When many hypervisors vanish at once, a switch has died, not the hosts, and Pacemaker would
power-cycle them all with every guest on them. So this fence agent stands before the power: it
counts how many hypervisors are lost at this moment, and refuses above a limit.

It does not wait for Pacemaker to notice all of them: it tries to reach the others by itself, so
that the first request already sees the whole extent. Nothing is kept between two requests; each
member comes to the same result.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from masakari_fencing import fenceable, pacemaker, testimony
from masakari_fencing.commands import Runner
from masakari_fencing.readmission import PORT, PROBES, answers

ALLOW = "masakari-fencing-allow-until"
"""Cluster property: until this time, in seconds since the epoch, there is no limit."""

HOLD = "masakari-fencing-hold-"
"""Cluster property, with a hypervisor's name behind it: until this time that one is not fenced,
because it is being readmitted."""

HOLD_TIME = 60.0
"""Seconds for which a readmission holds a fencing at most, after its last progress."""

STATE = Path("/var/lib/masakari-fencing/guard/refused.json")

Reachable = Callable[[str, int], bool]
"""Whether something accepts connections at an address and port."""


@dataclass(frozen=True)
class Guard:
    """How many hypervisors may be lost at once before fencing stops.

    Attributes:
        max_hosts: this many; 0 for no limit by number.
        max_share: this percentage of all hypervisors; 0 for no limit by share. With both, the
            higher number counts.
        window: seconds for which a fenced hypervisor counts as lost.
        matrix: let the other hypervisors object to fencing one that Pacemaker has lost, because
            they can reach it in other networks; see `testimony`.
    """

    max_hosts: int = 2
    max_share: int = 0
    window: int = 120
    matrix: bool = False

    def __post_init__(self) -> None:
        if self.max_hosts < 0 or not 0 <= self.max_share <= 100 or self.window < 1:
            raise ValueError(f"not a sensible limit: {self}")

    def limit(self, total: int) -> float:
        """Return how many of so many hypervisors may be lost; infinite for no limit."""
        if not self.max_hosts and not self.max_share:
            return math.inf
        return max(self.max_hosts, total * self.max_share // 100)


class Spared(Exception):  # noqa: N818 - nothing is wrong
    """This hypervisor must not be fenced now; that says nothing about others."""


@dataclass(frozen=True)
class Refusal:
    """The guard has stopped fencing on this member.

    Attributes:
        node: the hypervisor that was to be fenced.
        text: why it was not.
        time: when, in seconds since the epoch.
    """

    node: str
    text: str
    time: float


def from_options(values: Mapping[str, str]) -> Guard:
    """Read a limit from the options of the fence agent.

    Raises:
        ValueError: they are not a sensible limit.
    """
    return Guard(
        max_hosts=int(values.get("max_hosts", 0)),
        max_share=int(values.get("max_share", 0)),
        window=int(values.get("window", 120)),
        matrix=values.get("matrix") == "true",
    )


def lost(
    status: pacemaker.Status,
    records: dict[str, float],
    unreachable: Callable[[list[str]], Iterable[str]],
    *,
    target: str,
    window: float,
    now: float,
) -> set[str]:
    """Return the hypervisors that are lost at this moment, the target among them.

    Args:
        status: the cluster.
        records: when each hypervisor was fenced that has not come back since.
        unreachable: tells which of the given hypervisors do not answer.
        target: the hypervisor that is to be fenced.
        window: seconds for which a fenced hypervisor counts.
        now: seconds since the epoch.
    """
    found = {target}
    doubtful = []
    for node in status.nodes:
        connection = status.connection(node.name)
        if node.kind != "remote" or node.name == target or connection is None:
            continue
        times = [e.completed or 0 for e in status.fencing_of(node.name) if e.confirmed]
        if node.unclean or max([*times, records.get(node.name, 0)]) > now - window:
            found.add(node.name)
        elif node.name not in records and not connection.stopped_on_purpose:
            doubtful.append(node.name)
    return found | set(unreachable(doubtful))


def counted(
    status: pacemaker.Status, cib: ET.Element, target: str, window: float, now: float
) -> set[str]:
    """Return the hypervisors that are lost by the cluster's own records, as `lost` does."""
    return lost(status, _records(cib), lambda names: (), target=target, window=window, now=now)


def check(
    runner: Runner,
    target: str,
    guard: Guard,
    *,
    reachable: Reachable = answers,
    objection: Callable[[list[str], str], str | None] = testimony.objection,
    clock: Callable[[], float] = time.time,
) -> str | None:
    """Decide whether a hypervisor may be fenced now.

    Args:
        runner: runs Pacemaker's commands.
        target: the hypervisor.
        guard: the limit.
        reachable: whether something accepts connections at an address and port.
        objection: why the other hypervisors object, if they do.
        clock: seconds since the epoch.

    Returns:
        None when it may, else why the guard stops fencing here.

    Raises:
        Spared: this one must not be fenced.
        PacemakerError: the cluster does not answer. Then nothing may be fenced.
    """
    status = pacemaker.status(runner)
    if not (status.quorum and pacemaker.has_quorum(runner)):
        # Pacemaker fences even so what it counts as connected; the others may have it, too.
        raise Spared("this part of the cluster has no quorum")
    total = len(_remotes(status))
    limit = guard.limit(total)
    cib = pacemaker.cib(runner)
    if not status.asked_for(target) and (text := fenceable.obstacle(cib, target)):
        raise Spared(text)
    if _property(cib, f"{HOLD}{target}") > clock():
        raise Spared("it is being readmitted")
    if _property(cib, ALLOW) > clock():
        return None
    known = addresses(cib)
    # A host that Pacemaker reaches is fenced because somebody asked for it, who has reasons.
    asks = guard.matrix and not _connected(status, target)
    if asks and (text := objection(_others(known, target), target)):
        return text
    if limit >= total:
        return None

    def unreachable(names: list[str]) -> list[str]:
        there = answering(known, names, reachable)
        return [name for name in names if name not in there]

    gone = lost(
        status, _records(cib), unreachable, target=target, window=guard.window, now=clock()
    )
    if len(gone) <= limit:
        return None
    names = ", ".join(sorted(gone)[:5]) + (", ..." if len(gone) > 5 else "")
    return f"{len(gone)} of {total} hypervisors are lost at once ({names}), the limit is {limit:g}"


def answering(
    known: Mapping[str, tuple[str, int]], names: Collection[str], reachable: Reachable = answers
) -> list[str]:
    """Return those hypervisors that can be reached; they are tried side by side.

    Args:
        known: where each listens; see `addresses`.
        names: the hypervisors to try.
        reachable: whether something accepts connections at an address and port.
    """
    if not names:
        return []
    with ThreadPoolExecutor(min(PROBES, len(names))) as pool:
        found = pool.map(lambda name: reachable(*known.get(name, (name, PORT))), names)
        return [name for name, answered in zip(names, found, strict=True) if answered]


def allow(runner: Runner, seconds: float, *, clock: Callable[[], float] = time.time) -> float:
    """Lift the limit for a while, on all members: the hosts are really dead.

    Returns:
        until when, in seconds since the epoch.

    Raises:
        PacemakerError: the cluster does not answer.
    """
    until = clock() + seconds
    _set(runner, ALLOW, until)
    return until


def readmit(
    runner: Runner,
    *,
    only: Collection[str] | None = None,
    reachable: Reachable = answers,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Take back, unfenced, the hypervisors that answer again: only the network had died.

    Meanwhile the guard lets none of them be fenced: Pacemaker would go on fencing the first of
    them as soon as the others no longer count as lost.

    Args:
        runner: runs Pacemaker's commands.
        only: consider only these; None for all.
        reachable: whether something accepts connections at an address and port.
        clock: seconds since the epoch.
        sleep: waits for so many seconds.

    Returns:
        the hypervisors that are connected again.

    Raises:
        PacemakerError: the cluster does not answer.
    """
    cib = pacemaker.cib(runner)
    known = addresses(cib)
    lost = {node.name for node in _remotes(pacemaker.status(runner)) if node.unclean}
    waiting = sorted(lost if only is None else lost & set(only))
    found = answering(known, waiting, reachable)
    if not found:
        return []
    hold = _Hold(runner, clock, waiting)
    try:
        for name in found:
            hold.renew()
            argv = ["crm_resource", "--resource", name, "--cleanup"]
            pacemaker.run(runner, argv, timeout=60)
        back: list[str] = []
        while True:
            status = pacemaker.status(runner)
            before, back = back, [name for name in found if _connected(status, name)]
            if len(back) > len(before):
                hold.renew()
            if back == found or hold.ending:
                return back
            sleep(0.5)
    finally:
        hold.end()


@dataclass
class _Hold:
    """For as long as this is renewed, and some time longer, these hypervisors are not fenced.

    The cluster connects to one after the other, so how long it takes depends on how many there
    are: what counts is that it goes on.
    """

    runner: Runner
    clock: Callable[[], float]
    nodes: Collection[str]
    until: float = 0.0

    def renew(self) -> None:
        """Something was achieved: there is more time again."""
        if self.until >= self.clock() + HOLD_TIME / 2:
            return
        self.until = self.clock() + HOLD_TIME
        config = ET.Element("crm_config")
        own = ET.SubElement(config, "cluster_property_set", {"id": f"{HOLD}set"})
        for node in self.nodes:
            name = f"{HOLD}{node}"
            pair = {"id": name, "name": name, "value": f"{self.until:.0f}"}
            ET.SubElement(own, "nvpair", pair)
        argv = ["cibadmin", "--modify", "--allow-create", "--scope", "crm_config", "--xml-pipe"]
        text = ET.tostring(config, encoding="unicode")
        pacemaker.run(self.runner, argv, timeout=30, text=text)

    @property
    def ending(self) -> bool:
        """Nothing was achieved for too long."""
        return self.clock() >= self.until - 2

    def end(self) -> None:
        """Let Pacemaker fence them again."""
        for node in self.nodes:
            argv = ["cibadmin", "--delete", "--xpath", f"//nvpair[@id='{HOLD}{node}']"]
            pacemaker.run(self.runner, argv, timeout=30)


def lifted(runner: Runner, *, clock: Callable[[], float] = time.time) -> bool:
    """Whether the operator has lifted the limits for now; see `allow`.

    Raises:
        PacemakerError: the cluster does not answer.
    """
    cib = pacemaker.cib(runner)
    return _property(cib, ALLOW) > clock()


def remember(refusal: Refusal | None, path: Path = STATE) -> None:
    """Keep the refusal for this member's status, or forget the last one."""
    if refusal is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(vars(refusal)), encoding="utf-8")
    temporary.replace(path)


def refusal(path: Path = STATE, *, clock: Callable[[], float] = time.time) -> Refusal | None:
    """Return the refusal of the last minute on this member: Pacemaker asks every few seconds."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        data = json.loads(path.read_text(encoding="utf-8"))
        if clock() - float(data["time"]) < 60:
            return Refusal(str(data["node"]), str(data["text"]), float(data["time"]))
    return None


def _remotes(status: pacemaker.Status) -> list[pacemaker.Node]:
    return [node for node in status.nodes if node.kind == "remote"]


def _connected(status: pacemaker.Status, name: str) -> bool:
    return status.connected(name) and not any(node.unclean for node in status.named(name))


def _set(runner: Runner, name: str, until: float) -> None:
    argv = ["crm_attribute", "--type=crm_config", f"--name={name}", f"--update={until:.0f}"]
    pacemaker.run(runner, argv, timeout=15)


def _property(cib: ET.Element, name: str) -> float:
    pair = cib.find(f"configuration/crm_config//nvpair[@name='{name}']")
    with contextlib.suppress(ValueError):
        return float("0" if pair is None else pair.get("value", "0"))
    return 0.0


def _records(cib: ET.Element) -> dict[str, float]:
    found = {}
    for state in cib.iterfind("status/node_state[@remote_node='true']"):
        with contextlib.suppress(ValueError):
            moment = float(state.get("node_fenced", "0"))
            if moment > 0:
                found[state.get("uname", "")] = moment
    return found


def others(runner: Runner, host: str) -> list[str]:
    """Return the addresses of the other hypervisors, whatever the case of the host's name.

    Raises:
        PacemakerError: the cluster does not answer.
    """
    cib = pacemaker.cib(runner)
    return _others(addresses(cib), host)


def _others(known: Mapping[str, tuple[str, int]], host: str) -> list[str]:
    return [address for name, (address, _) in known.items() if name.lower() != host.lower()]


def addresses(configuration: ET.Element) -> dict[str, tuple[str, int]]:
    """Return where each hypervisor's pacemaker_remote listens: address and port."""
    found = {}
    for primitive in configuration.iterfind(".//resources//primitive[@type='remote']"):
        name = primitive.get("id", "")
        values = {
            pair.get("name", ""): pair.get("value", "")
            for pair in primitive.iterfind("instance_attributes/nvpair")
        }
        port = values.get("port", "")
        found[name] = (values.get("server") or name, int(port) if port.isdigit() else PORT)
    return found
