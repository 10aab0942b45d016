"""Hypervisors that are cut off from their storage: a second proof of death, in the cluster.

The record is written before the first client is shut out, so that nothing stays shut out that
nobody knows of, and counts from the moment at which all were seen to be. It is taken back only
when the hypervisor was switched off or started anew since (see `storage_keeper`). Whether they
still are shut out each unit sees for itself, every few seconds, and leaves it in a file: the key
to Ceph is for root alone, and the engine is not root.
"""

from __future__ import annotations

import json
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from masakari_fencing import alert, files, times
from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import cibadmin, tools

PREFIX = "masakari-fencing-storage-"
"""Identifiers of the records begin with this, and end with the node."""

DIRECTORY = Path("/var/lib/masakari-fencing/storage")
"""What this unit has seen, a file for each node; written by root, read by the engine."""

FRESH = 10.0
"""Seconds for which it counts that all clients were seen to be shut out."""


@dataclass(frozen=True)
class StorageFence:
    """A hypervisor that is cut off from its storage, or is being cut off.

    Attributes:
        node: the hypervisor's node.
        begun: when that was begun, in seconds since the epoch.
        addresses: whose clients are shut out.
        monitors: addresses of the monitors of the Ceph that does so.
        images: Nova keeps the disks of the hypervisor's instances there.
        boot: stands for the hypervisor's last boot that is known.
        time: since when it counts, in seconds since the epoch; 0: not yet.
        lifted: when it was seen last that somebody had let its clients in again; 0: never.
        released: when somebody began to let its clients in again, for good; 0: nobody has.
    """

    node: str
    begun: float
    addresses: tuple[str, ...]
    monitors: tuple[str, ...] = ()
    images: bool = False
    boot: str = ""
    time: float = 0.0
    lifted: float = 0.0
    released: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether nothing may go on that runs there."""
        return self.time > 0 and not self.released


def all_of(configuration: ET.Element) -> dict[str, StorageFence]:
    """Return the records in the cluster's configuration, by node; unreadable ones are left out."""
    found = {}
    for element in configuration.iter("cluster_property_set"):
        name = element.get("id", "")
        pair = element.find(f"nvpair[@id='{name}-record']")
        if name.startswith(PREFIX) and pair is not None:
            fence = _parse(name.removeprefix(PREFIX), pair.get("value", ""))
            if fence is not None:
                found[fence.node] = fence
    return found


def counts(configuration: ET.Element, node: str) -> bool:
    """Whether a node is cut off from its storage, so that nothing may go on that runs on it."""
    fence = all_of(configuration).get(node)
    return fence is not None and fence.holds


def read(runner: Runner, node: str, *, timeout: float = 15) -> StorageFence | None:
    """Return the record of a node; None where it is not cut off.

    Raises:
        PacemakerError: the cluster does not answer.
        ValueError: `node` cannot be the name of a node.
    """
    argv = ["cibadmin", "--query", "--xpath", f"//cluster_property_set[@id='{_name(node)}']"]
    answer = runner.run(argv, timeout=timeout, check=False)
    if answer.returncode == tools.NO_SUCH:
        return None
    root = ET.Element("found")
    root.append(tools.parse(tools.output(argv, answer)))
    return all_of(root).get(node)


def write(runner: Runner, fence: StorageFence) -> None:
    """Write a record, in the place of what is there.

    Raises:
        PacemakerError: the cluster does not answer, or has no quorum.
        ValueError: its node cannot be the name of one.
    """
    name = _name(fence.node)
    content = {key: value for key, value in asdict(fence).items() if key != "node"}
    config = ET.Element("crm_config")
    element = ET.SubElement(config, "cluster_property_set", id=name)
    text = json.dumps(content, separators=(",", ":"), sort_keys=True)
    ET.SubElement(element, "nvpair", id=f"{name}-record", name=name, value=text)
    cibadmin.put(runner, config, timeout=15)


def forget(runner: Runner, node: str) -> None:
    """Remove a record.

    Raises:
        PacemakerError: the cluster does not answer.
        ValueError: `node` cannot be the name of a node.
    """
    cibadmin.delete(runner, f"//cluster_property_set[@id='{_name(node)}']", timeout=15)


def attest(fence: StorageFence, missing: list[str], directory: Path = DIRECTORY) -> None:
    """Leave what was seen just now.

    Args:
        fence: which clients are to be shut out.
        missing: the addresses whose clients are not.
        directory: where.

    Raises:
        OSError: it cannot be written.
    """
    seen = {"begun": fence.begun, "missing": missing, "boot": alert.boot()}
    seen["uptime"] = times.uptime()
    files.save(directory / f"{fence.node}.json", seen, mode=0o644)


def doubt(
    fence: StorageFence,
    directory: Path = DIRECTORY,
    *,
    clock: Callable[[], float] = time.time,
) -> str | None:
    """Return why a record proves nothing now; None where it does.

    Args:
        fence: the record.
        directory: where `attest` has left what this unit has seen.
        clock: seconds since the epoch.
    """
    if not fence.time:
        return "it is being cut off from its storage"
    if fence.released:
        return "it has its storage back"
    seen = files.load(directory / f"{fence.node}.json", _seen)
    if seen is not None and seen[0] == fence.begun:
        _, age, missing = seen
        if missing:
            return f"Ceph lets its clients at {', '.join(missing)} in again"
        if age <= FRESH:
            return None
    # Whoever has cut it off has looked, too.
    if 0 <= clock() - fence.time <= FRESH:
        return None
    return "this unit has not seen for some time that Ceph keeps its clients out"


def _seen(data: Any) -> tuple[float, float, list[str]]:
    age = times.uptime() - float(data["uptime"]) if data["boot"] == alert.boot() else FRESH + 1
    return float(data["begun"]), age, [str(item) for item in data["missing"]]


def _parse(node: str, text: str) -> StorageFence | None:
    try:
        data = json.loads(text)
        return StorageFence(
            node=node,
            begun=float(data["begun"]),
            addresses=tuple(str(item) for item in data["addresses"]),
            monitors=tuple(str(item) for item in data["monitors"]),
            images=data["images"] is True,
            boot=str(data["boot"]),
            time=float(data["time"]),
            lifted=float(data["lifted"]),
            released=float(data.get("released", 0.0)),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _name(node: str) -> str:
    tools.check_name(node)
    return f"{PREFIX}{node}"
