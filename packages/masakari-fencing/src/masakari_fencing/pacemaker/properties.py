"""What the members tell each other in this project's properties of the cluster."""

from __future__ import annotations

import contextlib
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Container, Mapping

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import cibadmin, crm_mon, tools

ALLOW = "masakari-fencing-allow-until"
"""Cluster property: until this time, in seconds since the epoch, there is no limit."""

HOLD = "masakari-fencing-hold-"
"""Cluster property, with a hypervisor's name behind it: until this time that one is not fenced,
because it is being readmitted."""

UNSERVED = "masakari-fencing-unserved"
"""Identifier of the set of the two lists of hypervisors that Masakari does not look after."""

_REASONS = {
    "masakari-fencing-disabled": "its failover segment is disabled",
    "masakari-fencing-no-segment": "it is in no failover segment",
}
"""By the name of each cluster property, whose value is a list of nodes."""

IN_DISABLED_SEGMENT, IN_NO_SEGMENT = _REASONS


def allow(runner: Runner, seconds: float, *, clock: Callable[[], float] = time.time) -> float:
    """Lift the limit for a while, on all members: the hosts are really dead.

    Returns:
        until when, in seconds since the epoch.

    Raises:
        PacemakerError: the cluster does not answer.
    """
    end = clock() + seconds
    cibadmin.check_quorum(runner)
    argv = ["crm_attribute", "--type=crm_config", f"--name={ALLOW}", f"--update={end:.0f}"]
    tools.run(runner, argv, timeout=15)
    return end


def lifted(runner: Runner, *, clock: Callable[[], float] = time.time) -> bool:
    """Whether the operator has lifted the limits for now; see `allow`.

    Raises:
        PacemakerError: the cluster does not answer.
    """
    cib = cibadmin.cib(runner)
    return until(cib, ALLOW) > clock()


def reason(configuration: ET.Element, node: str) -> str | None:
    """Return why Masakari does not look after a hypervisor; None where it does, or nobody knows.

    Args:
        configuration: the cluster's, or all of its information base.
        node: its name in the cluster.
    """
    for name, nodes in unserved(configuration).items():
        if node in nodes:
            return _REASONS[name]
    return None


def unserved(configuration: ET.Element) -> dict[str, list[str]]:
    """Return the hypervisors that Masakari does not look after, by the name of the list."""
    found = told(configuration, UNSERVED)
    return {name: nodes.split() for name, nodes in found.items() if name in _REASONS}


def outsiders(configuration: ET.Element, known: Container[str]) -> list[str]:
    """Return the hypervisors that are in no failover segment, as far as anybody has said so.

    Args:
        configuration: the cluster's, or all of its information base.
        known: hosts that are in one by now, in lower case: what is said is half a minute late.
    """
    listed = unserved(configuration).get(IN_NO_SEGMENT, [])
    return [node for node in listed if node.lower() not in known]


def told(configuration: ET.Element, own: str) -> dict[str, str]:
    """Return the values of one set of properties, by name; see `tell`."""
    pairs = configuration.iterfind(f".//cluster_property_set[@id='{own}']/nvpair")
    return {pair.get("name", ""): pair.get("value", "") for pair in pairs}


def tell(runner: Runner, configuration: ET.Element, own: str, wanted: Mapping[str, str]) -> bool:
    """Have one set of properties be this, and nothing else.

    Not while a hypervisor is being fenced, which the change would interrupt. One that the lists of
    those that nobody looks after keep from being fenced does not count: a segment that was made a
    moment before the disaster would be known when Pacemaker has given up.

    Args:
        runner: runs Pacemaker's commands.
        configuration: the cluster's, or all of its information base.
        own: the identifier of the set.
        wanted: the values, by name.

    Returns:
        whether it was changed.

    Raises:
        PacemakerError: the cluster does not answer, or refused.
    """
    said = told(configuration, own)
    if wanted == said:
        return False
    status = crm_mon.status(runner)
    kept = {node for nodes in unserved(configuration).values() for node in nodes}
    if any(status.being_fenced(node) and node.name not in kept for node in status.nodes):
        return False
    config = ET.Element("crm_config")
    properties = ET.SubElement(config, "cluster_property_set", {"id": own})
    for name, value in wanted.items():
        ET.SubElement(properties, "nvpair", {"id": name, "name": name, "value": value})
    cibadmin.put(runner, config)
    for name in sorted(said.keys() - wanted.keys()):
        cibadmin.delete(runner, f"//nvpair[@id='{name}']")
    return True


def remotes(configuration: ET.Element) -> list[str]:
    """Return the hypervisors that the cluster connects to, by name."""
    xpath = ".//resources//primitive[@provider='pacemaker'][@type='remote']"
    return sorted(primitive.get("id", "") for primitive in configuration.iterfind(xpath))


def unserved_by(configuration: ET.Element, enabled: Mapping[str, bool]) -> dict[str, str]:
    """Return what is to be told of the hypervisors that Masakari does not look after.

    Args:
        configuration: the cluster's, or all of its information base.
        enabled: whether the segment is enabled, by the name of each host of a segment.
    """
    by_name = {name.lower(): value for name, value in enabled.items()}
    nodes = remotes(configuration)
    disabled = [node for node in nodes if by_name.get(node.lower()) is False]
    homeless = [node for node in nodes if node.lower() not in by_name]
    return {IN_DISABLED_SEGMENT: " ".join(disabled), IN_NO_SEGMENT: " ".join(homeless)}


def until(cib: ET.Element, name: str) -> float:
    """Return the time of a property, in seconds since the epoch; 0 without one."""
    with contextlib.suppress(ValueError):
        return float(value(cib, name) or "0")
    return 0.0


def to_come(cib: ET.Element, name: str, now: float, lasts: float) -> bool:
    """Whether the time of a property is still to come, and no later than whoever wrote it meant.

    What was written before a clock was set back would be in force for as long as that.

    Args:
        cib: the cluster's information base.
        name: the property.
        now: seconds since the epoch.
        lasts: seconds from then on, at most.
    """
    # The members' clocks are not the same.
    return now < until(cib, name) <= now + 2 * lasts


def value(cib: ET.Element, name: str) -> str:
    """Return what a property says; empty without one."""
    pair = cib.find(f"configuration/crm_config//nvpair[@name='{name}']")
    return "" if pair is None else pair.get("value", "")
