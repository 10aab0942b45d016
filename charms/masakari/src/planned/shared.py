"""The drill that is not over, as the whole cluster knows it, so that any unit can go on with it.

It stands in the cluster's configuration, with the unit that carries it out. Each step is written
there before the next one begins, and by the unit alone whose drill it is: one that another unit
has taken over ends, and cuts no power any more.
"""

from __future__ import annotations

import dataclasses
import json
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import TypeVar

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import cibadmin, tools
from masakari_fencing.pacemaker.tools import PacemakerError

from planned.drills import Drill, parse

PROPERTY = "masakari-drill"
"""Name of the cluster property, and its identifier."""

PATIENCE = 60.0
"""Seconds for which the cluster may not answer, as while it fences."""

_PAUSE = 2.0

_T = TypeVar("_T")


class TakenOverError(Exception):
    """Another unit has gone on with it, or has ended it."""


@dataclasses.dataclass(frozen=True)
class Known:
    """What the cluster knows.

    Attributes:
        drill: as it was written down last.
        unit: that carries it out.
    """

    drill: Drill
    unit: str


class SharedDrill:
    """The cluster's copy.

    Args:
        runner: runs Pacemaker's commands.
        unit: this unit's name.
        sleep: waits for so many seconds.
    """

    def __init__(
        self, runner: Runner, unit: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._runner = runner
        self._unit = unit
        self._sleep = sleep

    def read(self) -> Known | None:
        """Ask for it; None where there is none, or it cannot be read.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        argv = ["cibadmin", "--query", "--xpath", f"//nvpair[@id='{PROPERTY}']"]
        answer = self._runner.run(argv, timeout=15, check=False)
        if answer.returncode == tools.NO_SUCH:
            return None
        found = tools.parse(tools.output(argv, answer)).iter("nvpair")
        text = next((p.get("value", "") for p in found if p.get("id") == PROPERTY), "")
        try:
            data = json.loads(text)
            return Known(parse(data["drill"]), str(data["unit"]))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None

    def owns(self, drill: Drill) -> bool:
        """Whether a drill is this unit's to carry out.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        known = self.read()
        return known is not None and (known.drill.id, known.unit) == (drill.id, self._unit)

    def take(self, drill: Drill) -> None:
        """Begin it, or go on with it in the place of another unit.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        content = {
            "drill": dataclasses.asdict(dataclasses.replace(drill, report={})),
            "unit": self._unit,
        }
        text = json.dumps(content, separators=(",", ":"))
        config = ET.Element("crm_config")
        own = ET.SubElement(config, "cluster_property_set", {"id": f"{PROPERTY}-set"})
        ET.SubElement(own, "nvpair", {"id": PROPERTY, "name": PROPERTY, "value": text})
        cibadmin.put(self._runner, config)

    def keep(self, drill: Drill) -> None:
        """Write down what is known, or that it is over.

        Raises:
            TakenOverError: it is another unit's.
            PacemakerError: the cluster does not answer for a minute.
        """
        if not self._patiently(lambda: self.owns(drill)):
            raise TakenOverError(f"drill {drill.id} is not this unit's any more")
        self._patiently(lambda: self._forget() if drill.over else self.take(drill))

    def _patiently(self, do: Callable[[], _T]) -> _T:
        for _ in range(int(PATIENCE / _PAUSE)):
            try:
                return do()
            except PacemakerError:
                self._sleep(_PAUSE)
        return do()

    def _forget(self) -> None:
        cibadmin.delete(self._runner, f"//nvpair[@id='{PROPERTY}']")
