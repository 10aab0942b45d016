"""Where MAAS is and the key to it: in a file, or with hacluster's device in the cluster.

The cluster's configuration reaches every hypervisor. A file that only root can read is on the
members alone, which are the only machines that fence.
"""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from masakari_fencing import files

FILE = Path("/etc/masakari-fencing/maas.json")
"""JSON with the attributes of `Access`; 0600, of root."""

PARAMETER = "access_file"
"""The guard's parameter that names the file; without it, the device's own parameters count."""


@dataclass(frozen=True)
class Access:
    """A MAAS, and what may switch power there.

    Attributes:
        url: the MAAS URL.
        key: `consumer:token:secret`.
    """

    url: str
    key: str = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """What tells one from another, and tells nothing of the key."""
        return hashlib.sha256(f"{self.url}\0{self.key}".encode()).hexdigest()[:16]

    def dump(self) -> dict[str, str]:
        """The content of the file."""
        return asdict(self)


def of_file(path: str | Path) -> Access | None:
    """Return what a file says; None where it is missing, or makes no sense."""
    return files.load(Path(path), _read)


def of_device(parameters: Mapping[str, str]) -> Access:
    """Return what a device of hacluster has."""
    return Access(parameters.get("url", ""), parameters.get("apikey", ""))


def used(cib: ET.Element) -> set[str]:
    """Return the files that guards read."""
    pairs = cib.iterfind(f".//primitive[@class='stonith']//nvpair[@name='{PARAMETER}']")
    return {pair.get("value", "") for pair in pairs} - {""}


def exposed(cib: ET.Element) -> bool:
    """Whether a key that is in a file lies in the cluster's configuration all the same."""
    keys = {found.key for path in used(cib) if (found := of_file(path))}
    return any(pair.get("value") in keys for pair in cib.iterfind(".//nvpair[@name='apikey']"))


def _read(content: dict[str, str]) -> Access:
    url, key = content["url"], content["key"]
    if not isinstance(url, str) or not isinstance(key, str):
        raise TypeError("no text")
    return Access(url, key)
