"""The block of /etc/hosts that the lab keeps current in every machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

BEGIN = "# BEGIN lab machines"
END = "# END lab machines"

_LOCAL = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"


@dataclass(frozen=True)
class Entry:
    """One machine's line."""

    address: IPv4Address
    fqdn: str
    hostname: str

    def __str__(self) -> str:
        return f"{self.address} {self.fqdn} {self.hostname}"


def render(current: str, entries: Iterable[Entry]) -> str:
    """Return a hosts file with the given entries.

    What others wrote outside of the lab's block stays as it is.

    Args:
        current: the file's text, empty when there is none.
        entries: the machines.
    """
    lines = iter(current.splitlines(keepends=True))
    kept = []
    for line in lines:
        if line.rstrip("\n") != BEGIN:
            kept.append(line if line.endswith("\n") else f"{line}\n")
            continue
        for inner in lines:
            if inner.rstrip("\n") == END:
                break
    others = "".join(kept) or _LOCAL
    block = "".join(f"{entry}\n" for entry in sorted(entries, key=lambda entry: entry.address))
    return f"{others}{BEGIN}\n{block}{END}\n"
