"""Names and addresses of the lab's machines: what follows from a machine's identifier alone.

The lab is one site with five *spaces*, as MAAS calls its groups of subnets, each with one IPv4
subnet. A machine has an interface in every space, named after the space, with the same host part
in all of them. Juju machine ``N`` is the MAAS node ``nodeN``; ``N/lxd/M`` is a container on it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

SPACES: dict[str, IPv4Network] = {
    "public": IPv4Network("10.77.1.0/24"),
    "admin": IPv4Network("10.77.2.0/24"),
    "internal": IPv4Network("10.77.3.0/24"),
    "storage": IPv4Network("10.77.4.0/24"),
    "tenant": IPv4Network("10.77.5.0/24"),
}

DEFAULT_SPACE = "internal"
"""The space of a binding that names none, and of the addresses in /etc/hosts."""

DOMAIN = "maas"

GATEWAY_PART = 1
NODE_PARTS = range(10, 100)
CONTAINER_PARTS = range(100, 250)
"""Host parts of containers; .250 and above are left to virtual addresses."""

_IDENTIFIER = re.compile(r"(?P<node>0|[1-9]\d*)(?:/lxd/(?P<container>0|[1-9]\d*))?")


@dataclass(frozen=True)
class MachineId:
    """A Juju machine identifier of the lab: ``3`` or ``3/lxd/0``."""

    node: int
    container: int | None = None

    @classmethod
    def parse(cls, text: str) -> MachineId:
        """Read an identifier.

        Raises:
            ValueError: the text is no identifier, or there is no address left for such a node.
        """
        match = _IDENTIFIER.fullmatch(text)
        if not match:
            raise ValueError(f'"{text}" is no machine identifier such as 3 or 3/lxd/0')
        node, container = int(match["node"]), match["container"]
        if node >= len(NODE_PARTS):
            raise ValueError(f"machine {node}: the lab has addresses for {len(NODE_PARTS)} nodes")
        return cls(node, None if container is None else int(container))

    def __str__(self) -> str:
        if self.container is None:
            return str(self.node)
        return f"{self.node}/lxd/{self.container}"

    @property
    def parent(self) -> str | None:
        """The identifier of the node that a container is on; None for a node."""
        return None if self.container is None else str(self.node)

    @property
    def slug(self) -> str:
        """The identifier as part of a file's or a network interface's name."""
        return str(self).replace("/", "-")

    @property
    def hostname(self) -> str:
        """The short host name."""
        return f"node{self.node}" if self.container is None else f"juju-lab-{self.slug}"

    @property
    def fqdn(self) -> str:
        """The host name with its domain."""
        return f"{self.hostname}.{DOMAIN}"

    def host_part(self, taken: Collection[int]) -> int:
        """Choose the last octet of the machine's addresses.

        A node's follows from its number, a container's is the lowest that is not taken.

        Raises:
            ValueError: no octet is left.
        """
        if self.container is None:
            return NODE_PARTS[self.node]
        for part in CONTAINER_PARTS:
            if part not in taken:
                return part
        raise ValueError(f"machine {self}: no address is left for a container")


def addresses(host_part: int) -> dict[str, IPv4Interface]:
    """Return the address with this last octet in each space."""
    return {
        space: IPv4Interface(f"{network.network_address + host_part}/{network.prefixlen}")
        for space, network in SPACES.items()
    }


def gateway(space: str) -> IPv4Address:
    """Return the address of a space's bridge, where the lab's own services listen."""
    return SPACES[space].network_address + GATEWAY_PART


def check_spaces(names: Collection[str]) -> tuple[str, ...]:
    """Return the named spaces, all for none, in the lab's order, or raise ValueError."""
    unknown = sorted(set(names) - set(SPACES))
    if unknown:
        raise ValueError(f"no space {', '.join(unknown)}; there are {', '.join(SPACES)}")
    return tuple(space for space in SPACES if not names or space in names)
