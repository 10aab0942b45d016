"""The pacemaker-remote relation, as hacluster speaks it.

hacluster decodes every value of our databag as JSON, so strings carry their quotes. It creates a
cluster node from the first values it sees and never changes or removes that node, so name and
address must be right when they are first published, and stay.

Its own databags hold one key: the shared authentication key, in base64 that is not JSON.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import ipaddress
import json
from collections.abc import Mapping

from instance_ha_common.machine import hostname

PORT = 3121
"""TCP port of the daemon, which all cluster members connect to."""

DEFAULT_KEY = "79271bd1cace632f998426d86453439325ed0139a85ab99ffc73dab4f7573fa8"
"""SHA-256 of the key that charm-hacluster sends where neither `pacemaker_key` nor `corosync_key`
is set: the default of the latter in its config.yaml, decoded."""


@dataclasses.dataclass(frozen=True)
class Identity:
    """How the cluster knows this hypervisor.

    Attributes:
        hostname: name of the Pacemaker node.
        address: where its members connect to.
    """

    hostname: str
    address: str


def read_identity(bag: Mapping[str, str]) -> Identity | None:
    """What this unit has published before, or None when that is nothing usable."""
    try:
        name = json.loads(bag.get("remote-hostname", "null"))
        address = json.loads(bag.get("remote-ip", "null"))
        ipaddress.ip_address(address)
    except (ValueError, TypeError):
        return None
    if not isinstance(name, str) or not isinstance(address, str) or not hostname.is_valid(name):
        return None
    return Identity(name, address)


def encode(identity: Identity, *, stonith: bool, resources: bool) -> dict[str, str]:
    """Databag that has the cluster create and fence this node.

    The fencing device's host list must hold the node's exact name, so the name for fencing is
    always the node's.
    """
    return {
        "remote-hostname": json.dumps(identity.hostname),
        "remote-ip": json.dumps(identity.address),
        "enable-resources": json.dumps(resources),
        "stonith-hostname": json.dumps(identity.hostname if stonith else None),
    }


@dataclasses.dataclass(frozen=True)
class Keys:
    """What the hacluster units say the key is.

    Attributes:
        key: the key, if all units that sent a valid one agree.
        disagree: whether they sent different ones, as happens for a while when it is changed.
        invalid: units whose value is no key.
    """

    key: bytes | None = None
    disagree: bool = False
    invalid: tuple[str, ...] = ()

    @property
    def everybody_knows(self) -> bool:
        """Whether it is charm-hacluster's default, which is published with that charm."""
        return self.key is not None and hashlib.sha256(self.key).hexdigest() == DEFAULT_KEY


def read_keys(bags: Mapping[str, Mapping[str, str]]) -> Keys:
    """Compare the keys of all hacluster units; units that sent none do not count."""
    found: set[bytes] = set()
    invalid = []
    for unit in sorted(bags):
        text = bags[unit].get("pacemaker-key")
        if not text:
            continue
        key = _decode(text)
        if key:
            found.add(key)
        else:
            invalid.append(unit)
    key = next(iter(found)) if len(found) == 1 else None
    return Keys(key, disagree=len(found) > 1, invalid=tuple(invalid))


def _decode(text: str) -> bytes | None:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
