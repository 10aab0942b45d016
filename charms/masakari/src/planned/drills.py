"""What is known of a drill, from its beginning to its report; kept on the unit that runs it."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from instance_ha_common.machine import awaited
from instance_ha_common.machine.host import Host
from masakari_fencing import files

DIRECTORY = "/var/lib/masakari-charm/drills"
KEPT = 100
"""Reports that are kept, the latest."""

PATH, FULL = "path", "full"
"""Without and with the power cut."""

PHASES: Mapping[str, str] = {
    "canaries": "canaries are started",
    "draining": "its other instances are moved away",
    "cutting": "its power is cut",
    "recovering": "its recovery is followed",
    "returning": "it is taken back into service",
    "cleaning": "canaries are deleted",
    "done": "over",
}
"""What happens, in this order, in words."""

_ID = re.compile(r"[0-9]{8}-[0-9]{6}")


@dataclasses.dataclass(frozen=True)
class Kind:
    """What canaries are made of.

    Attributes:
        count: how many.
        image: UUID of the image.
        flavor: identifier of the flavor.
        network: UUID of a network, `none` or `auto`.
    """

    count: int = 0
    image: str = ""
    flavor: str = ""
    network: str = "none"


@dataclasses.dataclass(frozen=True)
class Drill:
    """A drill.

    Attributes:
        id: the time at which it began, in UTC.
        host: Nova's name of the host.
        mode: `FULL` or `PATH`.
        kind: of its canaries.
        patience: seconds that moving the other instances away may take.
        reserved: the host is a reserved one, and is to be one again.
        phase: what happens, or happened when it was interrupted; one of `PHASES`.
        marks: when what was reached, in seconds since the epoch.
        sources: the canaries' names by UUID, once they run.
        back: when each ran again, where, and by how many seconds that may be too late or too
            early, by UUID.
        recovery: UUID of Masakari's notification.
        evacuations: when Nova began each of a canary's evacuations, by UUID; None: not known yet.
        problems: what went wrong, in sentences.
        report: the results of `show-drill`, once it is over.
    """

    id: str
    host: str
    mode: str
    kind: Kind = dataclasses.field(default_factory=Kind)
    patience: float = 1800.0
    reserved: bool = False
    phase: str = "canaries"
    marks: dict[str, float] = dataclasses.field(default_factory=dict)
    sources: dict[str, str] = dataclasses.field(default_factory=dict)
    back: dict[str, tuple[float, str, float]] = dataclasses.field(default_factory=dict)
    recovery: str = ""
    evacuations: dict[str, list[float]] | None = None
    problems: tuple[str, ...] = ()
    report: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether nothing is left to be done."""
        return self.phase == "done"

    def mark(self, name: str, moment: float) -> Drill:
        """The same with something reached; what was reached before stays."""
        return dataclasses.replace(self, marks={name: moment, **self.marks})

    def trouble(self, text: str) -> Drill:
        """The same with something that went wrong."""
        return dataclasses.replace(self, problems=(*self.problems, text))


def parse(data: Mapping[str, Any]) -> Drill:
    """Read what `dataclasses.asdict` made of one.

    Raises:
        TypeError, KeyError, ValueError, AttributeError: it is something else.
    """
    found = dict(data)
    found["kind"] = Kind(**found["kind"])
    found["back"] = {
        uuid: (float(when), str(host), float(unsure))
        for uuid, (when, host, unsure) in found["back"].items()
    }
    found["problems"] = tuple(map(str, found["problems"]))
    return Drill(**found)


class Drills:
    """The drills that this unit has run.

    Args:
        host: this unit's machine.
        unit: the unit's name.
        clock: seconds since the epoch.
    """

    def __init__(self, host: Host, unit: str, clock: Callable[[], float] = time.time) -> None:
        self._host = host
        self._clock = clock
        self.service = f"{unit.replace('/', '-')}-drill.service"
        """The transient service that carries one out."""

    def new_id(self) -> str:
        """An identifier for one that begins now."""
        return time.strftime("%Y%m%d-%H%M%S", time.gmtime(self._clock()))

    def keep(self, drill: Drill) -> Drill:
        """Write down what is known of one; return it.

        Raises:
            OSError: it cannot be written.
        """
        text = json.dumps(dataclasses.asdict(drill), sort_keys=True)
        self._host.write(f"{DIRECTORY}/{drill.id}.json", text, mode=0o600)
        for path in self._files()[KEPT:]:
            path.unlink()
        return drill

    def find(self, id_: str = "") -> Drill | None:
        """A drill, the latest without an identifier; None where there is none."""
        for path in self._files():
            if path.stem == id_ or not id_:
                return files.load(path, parse)
        return None

    @property
    def running(self) -> bool:
        """Whether one is carried out now."""
        # systemd keeps it there as long as it runs.
        return bool(self._host.read(f"/run/systemd/transient/{self.service}"))

    def note(self, owns: Callable[[Drill], bool]) -> tuple[str, str]:
        """What the status says of the latest, and what ends that; see `awaited`.

        Args:
            owns: whether one is still this unit's.
        """
        drill = self.find()
        if drill is None or drill.over:
            return "", ""
        what = f"drill of {drill.host}: {PHASES[drill.phase]}"
        if self.running:
            return what, awaited.rests([self.service])
        if not owns(drill):
            return "", ""
        return (
            f"{what}, but it was interrupted: run drill host={drill.host}"
            f" confirm={drill.host} again, which goes on, or return-host",
            awaited.AGAIN,
        )

    def _files(self) -> list[Path]:
        """The latest first."""
        found = self._host.path(DIRECTORY).glob("*.json")
        return sorted((path for path in found if _ID.fullmatch(path.stem)), reverse=True)
