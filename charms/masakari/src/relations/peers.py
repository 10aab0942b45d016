"""`cluster`: what the units tell each other."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping

from instance_ha_common.juju import addresses, databag

import values

FENCING = "fencing-programs"
"""Key in a unit's databag: it has what the cluster's configuration refers to on every member."""

POWER_KEY = "maas-key-is"
"""Key in a unit's databag: which MAAS key its file has, as `Access.fingerprint`."""

KEYS = (
    *("public-address", "admin-address", "internal-address", "cluster-address"),
    *(FENCING, POWER_KEY),
)
MIGRATED = "db-sync"
"""Key in the application's databag: which database the leader has migrated, and to what."""


def publish(
    address: str, addresses: Mapping[str, str], *, fencing: bool, power_key: str = ""
) -> dict[str, str]:
    """What a unit publishes.

    Args:
        address: where the other units reach it.
        addresses: its address for each endpoint type.
        fencing: whether the alert agent and the guard are installed on it.
        power_key: what stands for the MAAS key in its file; empty where there is none.
    """
    own = {f"{kind}-address": address for kind, address in addresses.items()}
    bag = {**own, "cluster-address": address}
    said = {FENCING: "installed" if fencing else "", POWER_KEY: power_key}
    return bag | {key: value for key, value in said.items() if value}


@dataclasses.dataclass(frozen=True)
class Peer:
    """Another unit.

    Attributes:
        name: of the unit.
        address: where its HAProxy is reached.
        addresses: its address for each endpoint type, as far as it has told.
        fencing: the alert agent and the guard are installed on it.
        power_key: what stands for the MAAS key in its file; empty where there is none.
    """

    name: str
    address: str
    addresses: Mapping[str, str]
    fencing: bool = False
    power_key: str = ""


def read(bags: Mapping[str, databag.Bag]) -> tuple[Peer, ...]:
    """The other units, in the order of their numbers, from the databag of each."""
    found = []
    for name in sorted(bags, key=unit_number):
        # An older charm publishes none, and Juju 4 only one of its own two.
        address = addresses.first_host(
            bags[name], "cluster-address", "private-address", "ingress-address"
        )
        if address:
            own = {
                kind: addresses.host(bags[name], f"{kind}-address")
                for kind in ("public", "admin", "internal")
            }
            fencing = bool(bags[name].get(FENCING))
            power_key = bags[name].get(POWER_KEY, "")
            found.append(Peer(name, address, values.without_absent(own), fencing, power_key))
    return tuple(found)


def unit_number(name: str) -> int:
    """Number in a unit's name."""
    return int(name.rpartition("/")[2])


@dataclasses.dataclass(frozen=True)
class Migration:
    """A database schema that the leader has brought up to date.

    Attributes:
        database: `Database.fingerprint` of the database.
        version: version of the masakari packages that did it.
    """

    database: str
    version: str

    def dump(self) -> str:
        """As it stands in the databag."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def load(cls, text: str | None) -> Migration | None:
        """From the databag; None if there is none or it is unreadable."""
        try:
            data = json.loads(text or "")
            return cls(str(data["database"]), str(data["version"]))
        except (ValueError, KeyError, TypeError):
            return None

    def serves(self, database: str, version: str) -> bool:
        """Whether services of `version` can work with `database` as it was left.

        While units are upgraded one after the other, an older release goes on working with the
        newer schema; a newer release has to wait for the leader.
        """
        return self.database == database and self.release >= _release(version)

    @property
    def release(self) -> int:
        """Stands for the OpenStack release that the schema is of; later ones are higher."""
        return _release(self.version)


def _release(version: str) -> int:
    """First number of a package version: one per OpenStack release."""
    digits = version.rpartition(":")[2].partition(".")[0]
    return int(digits) if digits.isascii() and digits.isdigit() else 0
