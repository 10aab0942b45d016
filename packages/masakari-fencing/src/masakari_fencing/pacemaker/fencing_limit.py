"""How many hypervisors may be lost at once before fencing stops, and how many are."""

from __future__ import annotations

import contextlib
import json
import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from masakari_fencing.pacemaker import crm_mon

AGENT = "fence_masakari_guard"
"""The fence agent that keeps the limit, as fencing devices name it."""

DOMAINS = "masakari-fencing-domains"
"""Identifier of the set of properties that name the failure domains."""


@dataclass(frozen=True)
class Domain:
    """A failure domain, and how many of its hypervisors may be lost at once.

    Attributes:
        name: as an operator knows it.
        most: so many.
        nodes: its hypervisors, by their names in the cluster.
    """

    name: str
    most: int
    nodes: frozenset[str]


@dataclass(frozen=True)
class FencingLimit:
    """How many hypervisors may be lost at once before fencing stops.

    Attributes:
        max_hosts: this many; 0 for no limit by number.
        max_share: this percentage of all hypervisors; 0 for no limit by share. With both, the
            higher number counts.
        window: seconds for which a fenced hypervisor counts as lost.
        matrix: let the other hypervisors object to fencing one that Pacemaker has lost, because
            they can reach it in other networks; see `witnesses`.
    """

    max_hosts: int = 2
    max_share: int = 0
    window: int = 120
    matrix: bool = False

    def __post_init__(self) -> None:
        if self.max_hosts < 0 or not 0 <= self.max_share <= 100 or self.window < 1:
            raise ValueError(f"not a sensible limit: {self}")

    def most(self, total: int) -> float:
        """Return how many of so many hypervisors may be lost; infinite for no limit."""
        if not self.max_hosts and not self.max_share:
            return math.inf
        return max(self.max_hosts, total * self.max_share // 100)


def from_options(values: Mapping[str, str]) -> FencingLimit:
    """Read a limit from the options of the fence agent.

    Raises:
        ValueError: they are not a sensible limit.
    """
    return FencingLimit(
        max_hosts=int(values.get("max_hosts", 0)),
        max_share=int(values.get("max_share", 0)),
        window=int(values.get("window", 120)),
        matrix=values.get("matrix") == "true",
    )


def domains(configuration: ET.Element) -> list[Domain]:
    """Return the failure domains that have a limit; what cannot be read is left out.

    Args:
        configuration: the cluster's, or all of its information base.
    """
    found = []
    for pair in configuration.iterfind(f".//cluster_property_set[@id='{DOMAINS}']/nvpair"):
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            said = json.loads(pair.get("value", ""))
            nodes = frozenset(map(str, said["nodes"]))
            found.append(Domain(str(said["name"]), int(said["most"]), nodes))
    return found


def value_of(domain: Domain) -> str:
    """Return the property from which `domains` reads a domain."""
    said = {"name": domain.name, "most": domain.most, "nodes": sorted(domain.nodes)}
    return json.dumps(said, separators=(",", ":"))


def exceeded(
    limit: FencingLimit,
    total: int,
    gone: Collection[str],
    known: Iterable[Domain],
    target: str,
    recovered: Collection[str],
) -> str | None:
    """Return which limit is exceeded; None: none is.

    Args:
        limit: for all hypervisors.
        total: how many there are.
        gone: those that are lost at this moment.
        known: the failure domains.
        target: the one that is to be fenced.
        recovered: those whose instances are being recovered, in lower case; they count in a
            failure domain, for as long as that takes. One of them that is fenced again, as it
            came back too early, was let through before.
    """
    most = limit.most(total)
    if len(gone) > most:
        return (
            f"{len(gone)} of {total} hypervisors are lost at once ({_listed(gone)}), the limit is"
            f" {most:g}"
        )
    for domain in known if target.lower() not in recovered else ():
        if target not in domain.nodes:
            continue
        there = {n for n in domain.nodes if n in gone or n.lower() in recovered}
        if len(there) > domain.most:
            return (
                f"{len(there)} of {len(domain.nodes)} hypervisors of {domain.name} are lost or"
                f" being recovered at once ({_listed(there)}), the limit there is {domain.most}"
            )
    return None


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:5]) + (", ..." if len(names) > 5 else "")


def lost(
    status: crm_mon.Status,
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
        fenced = [*times, records.get(node.name, 0)]
        if node.unclean or any(abs(now - moment) < window for moment in fenced):
            found.add(node.name)
        elif node.name not in records and not connection.stopped_on_purpose:
            doubtful.append(node.name)
    return found | set(unreachable(doubtful))


def counted(
    status: crm_mon.Status, cib: ET.Element, target: str, window: float, now: float
) -> set[str]:
    """Return the hypervisors that are lost by the cluster's own records, as `lost` does."""
    return lost(
        status, recorded_fences(cib), lambda names: (), target=target, window=window, now=now
    )


def recorded_fences(cib: ET.Element) -> dict[str, float]:
    """Return when each hypervisor was fenced that has not come back since."""
    found = {}
    for state in cib.iterfind("status/node_state[@remote_node='true']"):
        with contextlib.suppress(ValueError):
            moment = float(state.get("node_fenced", "0"))
            if moment > 0:
                found[state.get("uname", "")] = moment
    return found
