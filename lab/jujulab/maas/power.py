"""The lab's power controller: which node is on, and what it takes to switch it.

It stands for the management controllers of the nodes, together with the part of MAAS that talks
to them. A node that is switched on spends some time in its firmware before it boots: real
hardware takes minutes, and a host that is back in half a second hides and makes problems.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from jujulab.files import replace_text
from jujulab.machines.lab import Lab, Machine

T = TypeVar("T")

BOOT_DELAY = 20.0
"""Seconds that a node spends in its firmware after it was switched on, unless set otherwise."""


@dataclass(frozen=True)
class _Setting(Generic[T]):
    """A setting in a file; the default where there is none, or rubbish in it."""

    file: str
    default: T
    read: Callable[[str], T]
    write: Callable[[T], str]

    def __get__(self, settings: Settings, _: object = None) -> T:
        try:
            return self.read((settings.run_dir / self.file).read_text())
        except (OSError, ValueError):
            return self.default

    def __set__(self, settings: Settings, value: T) -> None:
        replace_text(settings.run_dir / self.file, self.write(value))


def _seconds(file: str, default: float) -> _Setting[float]:
    return _Setting(file, default, float, "{:g}\n".format)


def _nodes(file: str) -> _Setting[Collection[str]]:
    """Return a setting that names nodes, by their short names."""
    return _Setting(file, frozenset(), lambda text: {*text.split()}, lambda n: " ".join(sorted(n)))


class Settings:
    """What can be changed while the lab runs; each is a file, so that a change counts at once."""

    boot_delay = _seconds("boot-delay", BOOT_DELAY)
    """Seconds from switching a node on to its boot."""

    power_delay = _seconds("power-delay", 0.0)
    """Seconds for which a request to switch off is accepted before the power really goes.

    With 0 the answer comes when the node is dead. Real MAAS answers at once, and a slow
    management controller follows seconds later.
    """

    answer_delay = _seconds("answer-delay", 0.0)
    """Seconds that a management controller takes to say whether its node has power.

    Real MAAS takes as long to answer who asks it for that (`query_power_state`).
    """

    forgotten = _nodes("maas-forgotten")
    """The nodes that the API denies to know, as if they were named otherwise."""

    mute = _nodes("maas-mute")
    """The nodes whose power controllers answer MAAS nothing any more."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self._outage = run_dir / "maas-outage"

    @property
    def outage(self) -> bool:
        """Whether the API answers every request with status 503."""
        return self._outage.exists()

    @outage.setter
    def outage(self, down: bool) -> None:
        if down:
            self._outage.touch()
        else:
            self._outage.unlink(missing_ok=True)


class Journal:
    """One JSON object per line for everything that the power controller was asked and did."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def write(self, action: str, node: str, result: str, *, started: float | None = None) -> None:
        """Add an entry with the time of now, in seconds since the epoch.

        Args:
            action: ``power_off``, ``power_on`` or ``refuse``.
            node: the node's short host name; empty where it is not known.
            result: what came of it.
            started: the `time.time()` of the request, to record how long it took.
        """
        now = time.time()
        entry: dict[str, Any] = {"time": now, "action": action, "node": node, "result": result}
        if started is not None:
            entry["seconds"] = round(now - started, 3)
        with self._lock, self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def read(self) -> list[dict[str, Any]]:
        """Return all entries, the first one first; none where nothing was asked yet."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [json.loads(line) for line in lines]


class PowerController:
    """Switches the nodes of a lab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.settings = Settings(lab.run_dir)
        self.journal = Journal(lab.run_dir / "maas.jsonl")
        self._going_off: set[str] = set()
        self._lock = threading.Lock()

    def nodes(self) -> list[Machine]:
        """Return the lab's nodes; containers have no power supply of their own."""
        return [machine for machine in self.lab.machines() if machine.parent is None]

    def state(self, node: Machine) -> Literal["on", "off"]:
        """Return whether a node has power; one that is still in its firmware has."""
        return "on" if node.firmware_until is not None else node.state

    def power_off(self, node: Machine) -> None:
        """Cut a node's power, now or after the power delay.

        Who asks again meanwhile does not have it cut again: that might be after the node was
        switched on.
        """
        delay = self.settings.power_delay
        if delay <= 0:
            self._power_off(node)
            return
        with self._lock:
            known = node.hostname in self._going_off
            self._going_off.add(node.hostname)
        self.journal.write("power_off", node.hostname, "accepted already" if known else "accepted")
        if not known:
            _later(delay, self._power_off, node)

    def power_on(self, node: Machine) -> None:
        """Switch a node on; it boots after the boot delay."""
        if self.state(node) == "on":
            self.journal.write("power_on", node.hostname, "on already")
            return
        delay = self.settings.boot_delay
        due = time.time() + delay
        node.firmware_until = due
        self.journal.write("power_on", node.hostname, f"firmware for {delay:g} s")
        _later(delay, self._boot, node, due)

    def resume(self) -> None:
        """Go on with the boots that another power controller did not live to see."""
        for node in self.nodes():
            due = node.firmware_until
            if due is not None:
                _later(due - time.time(), self._boot, node, due)

    def _power_off(self, node: Machine) -> None:
        started = time.time()
        self._going_off.discard(node.hostname)
        node.power_off()
        self.journal.write("power_off", node.hostname, "off", started=started)

    def _boot(self, node: Machine, due: float) -> None:
        # Switched off in the meantime, and perhaps on again: then this boot is not to be.
        if node.firmware_until != due:
            return
        node.power_on()
        self.journal.write("power_on", node.hostname, "boots")


def _later(delay: float, function: Any, *arguments: Any) -> None:
    timer = threading.Timer(max(delay, 0), function, arguments)
    timer.daemon = True
    timer.start()
