"""What the cluster shows, asked for once for all who look at the same time.

A look costs the whole machine: `crm_mon` takes 0.2 s of processor time with 300 hypervisors and
1 s with 1,000, and half a dozen watchers look every few seconds.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Sequence

from masakari_fencing.commands import Runner

FRESH = 0.9
"""Seconds for which an answer serves, less than any watcher pauses. Those who look one after the
other need not see more: what they do about it, Pacemaker refuses or repeats where it has changed
meanwhile."""

SHARE = 4
"""Times as long as the cluster takes to answer, its answer serves, unless a command comes between:
so looking takes little of one processor, however many hypervisors there are."""

OLDEST = 6.0
"""Seconds since it was asked for after which no answer serves: one that took longer, as where the
machine stood still, is of the past already."""

_LOOKS = {"crm_mon", "cibadmin --query"}
_HARMLESS = {"crm_node", "stonith_admin --list"}
"""Other questions: they are asked each time, and change nothing that was answered."""


class _Look:
    """One command, what it has answered last, and until when that serves."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.answer: subprocess.CompletedProcess[str] | None = None
        self.until = 0.0


class SharedLooks:
    """A runner that gives the same answer to all who look at the cluster in a row.

    An answer does not outlast a change that was made through this runner. A failure is no answer.

    Args:
        runner: runs the commands.
        clock: seconds, only ever compared with each other.
    """

    def __init__(self, runner: Runner, clock: Callable[[], float] = time.monotonic) -> None:
        self._runner = runner
        self._clock = clock
        # Each step on it is one of a dictionary, and needs no lock.
        self._looks: dict[tuple[str, ...], _Look] = {}

    def run(
        self,
        argv: Sequence[str],
        *,
        input: str | None = None,  # noqa: A002 - subprocess.run's name
        timeout: float = 60,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command, or return what it has just answered; see `commands.Runner`."""
        words = tuple(argv)
        look = self._looks.get(words)
        if look is None:
            begin = {argv[0], " ".join(argv[:2])}
            if begin & _HARMLESS:
                return self._runner.run(argv, input=input, timeout=timeout, check=check)
            if not begin & _LOOKS:
                try:
                    return self._runner.run(argv, input=input, timeout=timeout, check=check)
                finally:
                    self._looks.clear()
            look = self._looks.setdefault(words, _Look())
        with look.lock:
            if look.answer is not None and self._clock() < look.until:
                return look.answer
            look.answer, begun = None, self._clock()
            answer = self._runner.run(argv, input=input, timeout=timeout, check=check)
            if answer.returncode == 0:
                ended = self._clock()
                serves = max(FRESH, SHARE * (ended - begun))
                look.answer, look.until = answer, min(ended + serves, begun + OLDEST)
            return answer
