"""What the charm has found out about the next disaster, for whoever shows it.

The charm's leader looks at the cloud, at MAAS and at the power controllers in its hooks; its own
memory is for root alone. On a unit that is not the leader there is no such file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from masakari_fencing import files

FILE = Path("/var/lib/masakari-fencing/foresight.json")


@dataclass(frozen=True)
class Room:
    """How many hosts of a segment may fail at once.

    Attributes:
        survives: so many, with all their instances finding a place.
        wanted: so many it has to survive; no more than it has hosts with instances.
    """

    survives: int
    wanted: int


@dataclass(frozen=True)
class Foresight:
    """What was found.

    Attributes:
        checked: when the cluster and its fencing devices were looked at last, in seconds since the
            epoch; 0: never.
        problems: what stands in the way of fencing a host.
        surveyed: when Nova, Masakari and Placement were last asked for the room; 0: never.
        rooms: of each segment that is enabled, by its name.
        controllers: whether the power controller of each hypervisor answers.
    """

    checked: float = 0.0
    problems: tuple[str, ...] = ()
    surveyed: float = 0.0
    rooms: dict[str, Room] = field(default_factory=dict)
    controllers: dict[str, bool] = field(default_factory=dict)

    def dump(self) -> dict[str, Any]:
        """As it stands in the file."""
        return asdict(self)


def read(path: Path) -> Foresight | None:
    """Return what the file says; None where it is missing or makes no sense."""
    return files.load(path, parse)


def parse(data: Any) -> Foresight:
    """Make something of `dump`.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it is something else.
    """
    rooms = data["rooms"].items()
    return Foresight(
        checked=float(data["checked"]),
        problems=tuple(str(text) for text in data["problems"]),
        surveyed=float(data["surveyed"]),
        rooms={str(k): Room(int(v["survives"]), int(v["wanted"])) for k, v in rooms},
        controllers={str(k): v is True for k, v in data["controllers"].items()},
    )
