"""The lab's networks: one bridge per space in a network namespace without a way out.

Every machine has a namespace of its own with one interface per space, the inner end of a virtual
cable whose outer end, ``<machine>.<first letters of the space>``, is a port of the bridge.
"""

import json
import subprocess
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from jujulab.errors import LabError
from jujulab.machines.addresses import SPACES, MachineId, gateway

Runner = Callable[[Sequence[str], str], str]
"""Runs a command with some input, returns its output, raises `NetworkError` when it fails."""

NAMESPACES = Path("/run/netns")


class NetworkError(LabError):
    """A command of iproute2 failed; the text is its error message."""


def run_command(argv: Sequence[str], text: str = "") -> str:
    """Run a command of iproute2."""
    result = subprocess.run(
        argv, input=text, capture_output=True, text=True, check=False, timeout=30
    )
    if result.returncode:
        raise NetworkError(f"{' '.join(argv)}: {result.stderr.strip()}")
    return result.stdout


def port(slug: str, space: str) -> str:
    """Return the name of a machine's bridge port; at most 15 characters, the kernel's limit."""
    return f"{slug}.{space[:3]}"


def group(slug: str) -> int:
    """Return the number of the group of interfaces that a machine's bridge ports form."""
    identity = MachineId.parse(slug.replace("-", "/"))
    return 1 + identity.node * 1000 + (0 if identity.container is None else identity.container + 1)


def mac(address: IPv4Address) -> str:
    """Return the hardware address that belongs to an address.

    It is the same after every boot, as that of a real network card: neighbours would go on to
    talk to the old one for seconds.
    """
    return ":".join(f"{octet:02x}" for octet in b"\x02\x00" + address.packed)


class Network:
    """The bridges of one lab, in the namespace of that name, and the cables to its machines."""

    def __init__(self, name: str, runner: Runner = run_command, folder: Path = NAMESPACES) -> None:
        self.name = name
        self._runner = runner
        self._folder = folder

    def namespace(self, slug: str) -> str:
        """Return the name of a machine's namespace."""
        return f"{self.name}.{slug}"

    def path(self, slug: str | None = None) -> Path:
        """Return the file that stands for a machine's namespace, or for the bridges'."""
        return self._folder / (self.name if slug is None else self.namespace(slug))

    def up(self) -> None:
        """Make the bridges, or what is missing of them after an interruption."""
        present = self._interfaces()
        if present is None:
            # Where ip was interrupted, a file is there that is no namespace.
            self._delete(self.name)
            self._runner(["ip", "netns", "add", self.name], "")
            present = set()
        lines = ["link set lo up"]
        for space, network in SPACES.items():
            if space not in present:
                lines.append(f"link add {space} type bridge stp_state 0 forward_delay 0")
            address = f"{gateway(space)}/{network.prefixlen}"
            # Without one of its own a bridge has the hardware address of one of its ports, and
            # another when that machine's power is cut: for half a minute nobody reached MAAS.
            own = mac(gateway(space))
            lines += [f"addr replace {address} dev {space}", f"link set {space} address {own} up"]
        self._batch(self.name, lines)

    def down(self) -> None:
        """Remove every namespace of this lab."""
        for name in self._namespaces():
            self._delete(name)

    def machines(self) -> set[str]:
        """Return the slugs of the machines that have a namespace."""
        prefix = f"{self.name}."
        return {name[len(prefix) :] for name in self._namespaces() if name.startswith(prefix)}

    def attach(
        self, slug: str, addresses: Mapping[str, IPv4Interface], cut: Collection[str] = ()
    ) -> None:
        """Give a machine a namespace with an interface for each address; some cables are cut."""
        self.detach(slug)
        inner = self.namespace(slug)
        self._runner(["ip", "netns", "add", inner], "")
        outside, inside = [], ["link set lo up"]
        for space, address in addresses.items():
            end = port(slug, space)
            peer = f"name {space} address {mac(address.ip)} netns {inner}"
            outside += [
                f"link add {end} type veth peer {peer}",
                f"link set {end} master {space} group {group(slug)}",
            ]
            if space not in cut:
                outside.append(f"link set {end} up")
            inside += [f"addr add {address} dev {space}", f"link set {space} up"]
        self._batch(self.name, outside)
        self._batch(inner, inside)

    def detach(self, slug: str) -> None:
        """Remove a machine's namespace and with it all that was set up in it at run time."""
        # The kernel removes the cables of a namespace that goes some time later, and until then
        # their outer ends keep their names. Removed by hand they are gone at once, and as a group
        # in a quarter of the time that one by one takes.
        ends = {port(slug, space) for space in SPACES} & (self._interfaces() or set())
        if ends:
            lines = [f"link set {end} group {group(slug)}" for end in sorted(ends)]
            self._batch(self.name, [*lines, f"link del group {group(slug)}"])
        self._delete(self.namespace(slug))

    def plug(self, slugs: Iterable[str], spaces: Collection[str], *, connected: bool) -> None:
        """Plug in or unplug the cables of some machines; those without a namespace are skipped."""
        state = "up" if connected else "down"
        present = self.machines()
        lines = [
            f"link set {port(slug, space)} {state}"
            for slug in slugs
            if slug in present
            for space in spaces
        ]
        if lines:
            self._batch(self.name, lines)

    def _batch(self, namespace: str, lines: Sequence[str]) -> None:
        text = "".join(f"{line}\n" for line in lines)
        # Forced: one cable that is missing does not keep the others from being unplugged.
        self._runner(["ip", "-netns", namespace, "-force", "-batch", "-"], text)

    def _interfaces(self) -> set[str] | None:
        """Return the interfaces in the bridges' namespace; None where there is no namespace."""
        if self.name not in self._namespaces():
            return None
        try:
            output = self._runner(["ip", "-netns", self.name, "-json", "link", "show"], "")
        except NetworkError:
            return None
        return {link["ifname"] for link in json.loads(output)}

    def _delete(self, namespace: str) -> None:
        if namespace in self._namespaces():
            self._runner(["ip", "netns", "del", namespace], "")

    def _namespaces(self) -> list[str]:
        """Return this lab's namespaces; another lab's name may start with this one's."""
        names = sorted(path.name for path in self._folder.glob(f"{self.name}*"))
        return [n for n in names if n == self.name or n.startswith(f"{self.name}.")]
