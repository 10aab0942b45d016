"""The cluster's configuration, asked for once for all who look at it in a row."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Callable

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import cibadmin

FRESH = 1.0
"""Seconds for which an answer serves. Those who look one after the other need not see more: what
they do about it, Pacemaker refuses or repeats where it has changed meanwhile."""


class CachedConfiguration:
    """What the cluster is configured to do, without its status.

    Args:
        runner: runs Pacemaker's commands.
        clock: seconds, only ever compared with each other.
    """

    def __init__(self, runner: Runner, clock: Callable[[], float] = time.monotonic) -> None:
        self._runner = runner
        self._clock = clock
        self._answer: ET.Element | None = None
        self._asked = 0.0

    def __call__(self) -> ET.Element:
        """Return the `configuration` element.

        Raises:
            PacemakerError: the cluster does not answer.
        """
        now = self._clock()
        if self._answer is None or now - self._asked >= FRESH:
            self._answer = None
            self._answer = cibadmin.configuration(self._runner)
            self._asked = now
        return self._answer
