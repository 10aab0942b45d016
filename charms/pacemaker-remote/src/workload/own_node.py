"""The cluster as this hypervisor sees it: through its own daemon, and only while connected."""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ET
from typing import NamedTuple

from instance_ha_common.machine import awaited
from instance_ha_common.machine.commands import Runner

from workload import compute, storage
from workload.orderly_stop import MARKER

NO_SUCH_OBJECT = 105
"""Exit code of Pacemaker's tools for an object that the cluster does not have."""

MACHINE_ATTRIBUTE = "juju-machine"
"""Node attribute that tells on which Juju machine a node runs."""

_INTERVAL = re.compile(r"(\d+(?:\.\d+)?) ?(ms|msec|s|sec|m|min|)")
"""An interval in the configuration; without a unit it is in seconds."""

_UNITS = {"ms": 0.001, "msec": 0.001, "s": 1, "sec": 1, "": 1, "m": 60, "min": 60}

_TIMEOUT = 5.0
"""Seconds for one question; a healthy cluster answers within a tenth of one."""

OPERATION_TIMEOUT = 20.0
"""Seconds after which an operation fails that has no timeout of its own."""


class Monitor(NamedTuple):
    """How a member looks at its connection to a hypervisor.

    Attributes:
        interval: seconds between two looks.
        timeout: seconds after which a look that is not answered has failed.
    """

    interval: float
    timeout: float


@dataclasses.dataclass(frozen=True)
class Node:
    """This hypervisor's node.

    Attributes:
        online: connected and known to the cluster under our name.
        known: the cluster has a connection resource of that name (None: nobody to ask).
        managed: the cluster looks after the connection.
        stopping: it does not, as an orderly stop is under way, or was.
        machine: value of the attribute `juju-machine`.
        storage: value of the attribute `instance-ha-storage`; see `storage.found`.
        compute: value of the attribute `instance-ha-compute`; see `compute.found`.
        monitor: how the cluster looks at the connection; None where that is not known.
    """

    online: bool = False
    known: bool | None = None
    managed: bool = True
    stopping: bool = False
    machine: str | None = None
    storage: str = ""
    compute: str = ""
    monitor: Monitor | None = None


class Cluster:
    """Questions and changes that go through the daemon's connection."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def node(self, name: str) -> Node:
        """State of the node `name`, in one question that also shows whether we are connected."""
        query = f"//primitive[@id='{name}']|//node[@id='{name}']"
        result = self._runner.run(
            ["cibadmin", "--query", "--xpath", query], timeout=_TIMEOUT, check=False
        )
        if result.returncode == NO_SUCH_OBJECT:
            return Node(known=False)
        if result.returncode != 0:
            return Node()
        try:
            return _parse(name, result.stdout)
        except ET.ParseError:
            return Node()

    def set_machine(self, name: str, machine: str) -> bool:
        """Record on which Juju machine the node runs; say whether that worked."""
        return self._set(name, MACHINE_ATTRIBUTE, machine)

    def set_storage(self, name: str, content: str) -> bool:
        """Record what the node keeps on Ceph, or nothing; say whether that worked."""
        return self._set(name, storage.ATTRIBUTE, content)

    def set_compute(self, name: str, content: str) -> bool:
        """Record what Nova does there; say whether that worked."""
        return self._set(name, compute.ATTRIBUTE, content)

    def _set(self, name: str, attribute: str, value: str) -> bool:
        argv = ["crm_attribute", "--type", "nodes", "--node", name, "--name", attribute]
        argv += ["--update", value] if value else ["--delete"]
        return self._runner.run(argv, timeout=_TIMEOUT, check=False).returncode == 0


def connected(name: str) -> str:
    """What succeeds once this hypervisor is connected as the node `name`; see `awaited`."""
    return awaited.succeeds(["cibadmin", "--query", "--xpath", f"//primitive[@id='{name}']"])


def _parse(name: str, text: str) -> Node:
    # One match is printed as it is, several are wrapped in an element.
    root = ET.fromstring(text)  # noqa: S314 - from the cluster's own tool
    primitive = next((e for e in root.iter("primitive") if e.get("id") == name), None)
    if primitive is None:
        return Node(known=False)
    meta = {
        pair.get("name"): pair.get("value", "")
        for group in primitive.iter("meta_attributes")
        for pair in group.iter("nvpair")
    }
    attributes = {
        pair.get("name"): pair.get("value")
        for node in root.iter("node")
        for pair in node.iter("nvpair")
    }
    managed = meta.get("is-managed", "true").lower() not in ("false", "no", "off", "n", "0")
    return Node(
        online=True,
        known=True,
        managed=managed,
        stopping=not managed and MARKER in meta,
        machine=attributes.get(MACHINE_ATTRIBUTE),
        storage=attributes.get(storage.ATTRIBUTE) or "",
        compute=attributes.get(compute.ATTRIBUTE) or "",
        monitor=_monitor(primitive),
    )


def _monitor(primitive: ET.Element) -> Monitor | None:
    for operation in primitive.iter("op"):
        interval = _seconds(operation.get("interval"))
        if operation.get("name") == "monitor" and interval is not None:
            timeout = _seconds(operation.get("timeout"))
            return Monitor(interval, OPERATION_TIMEOUT if timeout is None else timeout)
    return None


def _seconds(text: str | None) -> float | None:
    match = _INTERVAL.fullmatch(text or "")
    return float(match[1]) * _UNITS[match[2]] if match else None


def cleanup_commands(name: str) -> list[str]:
    """Commands that remove the node for good, for an operator on a full cluster member."""
    return [
        f"crm_resource --resource {name} --meta --set-parameter target-role"
        " --parameter-value Stopped",
        f"crm_resource --cleanup --resource {name}",
        f"crm --force configure delete {name}",
        f"crm_node --force --remove {name}",
    ]
