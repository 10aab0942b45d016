"""Whether anything but the lab has used the processors while something was measured.

What the kernel counts for all of the machine (`/proc/stat`, proc(5)), less what it counts for the
lab's own control group (`cpu.stat`, cgroup-v2's `usage_usec`).
"""

import os
import time
from pathlib import Path

STAT = Path("/proc/stat")
MOST = 0.5
"""Processors that others may use on average; what watches the measurement uses 0.1 to 0.3."""

_BUSY = (0, 1, 2, 5, 6, 7)
"""user, nice, system, irq, softirq and steal, by their place in the line `cpu`."""


class Disturbance:
    """Counts from the moment at which it is made.

    Args:
        unified: where the unified hierarchy is mounted; None where it is not.
        name: of the lab's control group.
        stat: the machine's file.
    """

    def __init__(self, unified: Path | None, name: str, stat: Path = STAT) -> None:
        self._groups = None if unified is None else unified / name
        self._stat = stat
        self._begun, self._used = time.monotonic(), self._others()

    def seen(self) -> float:
        """Return how many processors others used since, on average; 0 where that is not known."""
        if self._groups is None:
            return 0.0
        seconds = max(time.monotonic() - self._begun, 0.001)
        return max(0.0, (self._others() - self._used) / seconds)

    def _others(self) -> float:
        if self._groups is None:
            return 0.0
        words = self._stat.read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
        ticks = sum(int(words[place]) for place in _BUSY)
        lines = (self._groups / "cpu.stat").read_text(encoding="ascii").splitlines()
        usage = dict(line.split() for line in lines)["usage_usec"]
        return ticks / os.sysconf("SC_CLK_TCK") - int(usage) / 1e6
