"""What an instance asks of the host that it is to run on, as Nova's scheduler will ask for it.

Nova asks Placement anew when it evacuates, by the flavor that the instance was made with: see
`ResourceRequest.from_request_spec` of nova.scheduler.utils (Zed), whose rules these are. What it
reads elsewhere (the image's properties, the ports) the list of servers does not show.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from masakari_fencing.openstack import restart_order

_KEY = re.compile(r"(resources|trait)([a-zA-Z0-9_-]{1,64})?:([A-Z0-9_]{1,255})")
"""`XS_KEYPAT`, without its old suffixes of digits, which this one includes."""

_DEDICATED = ("dedicated", "mixed")
_UNTOLD = {
    "hw:numa_": "NUMA",
    "hw:mem_page_size": "huge pages",
    "hw:cpu_policy": "pinned CPUs",
    "hw:pmem": "persistent memory",
    "pci_passthrough:": "PCI devices",
    "accel:": "accelerators",
    "aggregate_instance_extra_specs:": "aggregates by extra specs",
    "capabilities:": "capabilities",
}
"""What no provider counts as a whole: it is known on the hypervisor, or to a filter of Nova."""
_LONGEST = 40
_UNREADABLE = re.compile(r"[^\x20-\x7e]")


@dataclasses.dataclass(frozen=True)
class Instance:
    """An instance on a hypervisor.

    Attributes:
        uuid: Nova's.
        name: as its owner calls it, made fit for a table.
        title: the same as it is.
        aggregates: the metadata of those that its host is in.
        host: Nova's name of the host.
        state: Nova's vm_state.
        project: its owner's.
        metadata: its owner's, by lower-case key.
        said: its metadata and its flavor's extra specs as they are, by where they are from; see
            `masakari_fencing.openstack.restart_order`.
        image: the image that its root disk was made of; empty where that is a volume.
        on_volume: whether its root disk is a volume.
        demand: amount by resource class.
        required: traits that the host must have.
        forbidden: traits that it must not have.
        untold: what else it needs of which Placement cannot tell whether it is there.
    """

    uuid: str
    name: str
    host: str
    state: str
    project: str
    metadata: Mapping[str, str]
    on_volume: bool
    demand: Mapping[str, int]
    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    untold: frozenset[str] = frozenset()
    said: Mapping[str, Mapping[str, object]] = dataclasses.field(default_factory=dict)
    image: str = ""
    title: str = ""
    aggregates: Sequence[Mapping[str, object]] = ()

    @property
    def memory(self) -> int:
        """MiB of memory."""
        return self.demand.get("MEMORY_MB", 0)

    @property
    def asked(self) -> str:
        """The demand, in words."""
        return ", ".join(f"{amount} {kind}" for kind, amount in sorted(self.demand.items()))


def read(
    item: Mapping[str, Any], aggregates: Mapping[str, Sequence[Mapping[str, object]]]
) -> Instance:
    """Read an entry of Nova's detailed list of servers (microversion 2.47 or later).

    Args:
        item: the entry.
        aggregates: the metadata of those that each host is in.
    """
    flavor = item.get("flavor") or {}
    specs = {str(k): str(v) for k, v in (flavor.get("extra_specs") or {}).items()}
    on_volume = not item.get("image")
    demand, traits, untold = _specified(specs)
    _add_processors(demand, _number(flavor.get("vcpus")), specs)
    demand.setdefault("MEMORY_MB", _number(flavor.get("ram")))
    disk = _number(flavor.get("ephemeral")) + math.ceil(_number(flavor.get("swap")) / 1024)
    demand.setdefault("DISK_GB", disk + (0 if on_volume else _number(flavor.get("disk"))))
    return Instance(
        uuid=str(item.get("id", "")),
        name=_UNREADABLE.sub("?", str(item.get("name") or item.get("id", "")))[:_LONGEST],
        host=str(item.get("OS-EXT-SRV-ATTR:host") or ""),
        state=str(item.get("OS-EXT-STS:vm_state") or ""),
        project=str(item.get("tenant_id") or ""),
        metadata={str(k).lower(): str(v) for k, v in (item.get("metadata") or {}).items()},
        on_volume=on_volume,
        demand={kind: amount for kind, amount in demand.items() if amount},
        required=frozenset(name for name, wish in traits.items() if wish == "required"),
        forbidden=frozenset(name for name, wish in traits.items() if wish == "forbidden"),
        untold=untold,
        said={restart_order.SERVER: item.get("metadata") or {}, restart_order.FLAVOR: specs},
        title=str(item.get("name") or ""),
        aggregates=aggregates.get(str(item.get("OS-EXT-SRV-ATTR:host") or ""), ()),
        image=str((item.get("image") or {}).get("id") or ""),
    )


def _specified(specs: Mapping[str, str]) -> tuple[dict[str, int], dict[str, str], frozenset[str]]:
    """What extra specs ask for: resources, traits, and what cannot be told."""
    demand: dict[str, int] = {}
    traits: dict[str, str] = {}
    untold = set()
    for key, value in specs.items():
        untold |= {what for prefix, what in _UNTOLD.items() if key.startswith(prefix)}
        match = _KEY.fullmatch(key)
        if match is None:
            continue
        kind, group, name = match.groups()
        if group:
            # A group of its own may have to come from one child provider.
            untold.add(f"{kind}{group}")
        elif kind == "trait":
            traits[name] = value.lower()
        if kind == "resources":
            demand[name] = demand.get(name, 0) + _number(value)
    if specs.get("hw:cpu_policy") not in (None, *_DEDICATED):
        untold.discard("pinned CPUs")
    return demand, traits, frozenset(untold)


def _add_processors(demand: dict[str, int], count: int, specs: Mapping[str, str]) -> None:
    if "VCPU" in demand or "PCPU" in demand:
        return
    if specs.get("hw:cpu_policy") == "dedicated":
        isolated = specs.get("hw:emulator_threads_policy") == "isolate"
        demand["PCPU"] = count + (1 if isolated else 0)
    else:
        demand["VCPU"] = count


def _number(value: object) -> int:
    try:
        return max(0, int(str(value or 0)))
    except ValueError:
        return 0
