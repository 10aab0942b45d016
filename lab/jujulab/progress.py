"""One line about what takes longer than a few seconds: what is done, what is left, how long."""

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TextIO

from jujulab.files import cache_dir, replace_text

ERASE = "\r\x1b[K"
"""To the start of the terminal's line, and empty it."""


class Line:
    """What one line says while something is done.

    Attributes:
        detail: what is going on right now, and what is left.
    """

    def __init__(self, text: str, last: float | None) -> None:
        self._text = text
        self._last = "" if last is None else f" (last time {last:.0f} s)"
        self._started = time.monotonic()
        self.detail = ""

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def head(self) -> str:
        """Return what is known at the start."""
        return f"{self._text} ...{self._last}"

    def now(self) -> str:
        """Return the line as it is now."""
        return self.end(f": {self.detail}" if self.detail else "")

    def end(self, outcome: str) -> str:
        """Return the line as it stays."""
        return f"{self._text} ... {self.seconds:.0f} s{self._last}{outcome}"


@contextmanager
def step(
    text: str, *, stream: TextIO | None = None, every: float = 30.0, name: str = ""
) -> Iterator[Line]:
    """Say what is being done while it is done, how long it took, and how long the last time.

    On a terminal one line is rewritten every second; elsewhere a line appears at the start, every
    ``every`` seconds, and at the end.

    Args:
        text: what is done, such as ``image: installing packages``.
        stream: where to write; standard error by default.
        every: seconds between two lines when the stream is no terminal.
        name: under which the time is kept for the next time; ``text`` by default.

    Yields:
        The line, whose detail may be set.
    """
    out = stream or sys.stderr
    line = Line(text, _durations().get(name or text))
    done = Event()
    terminal = out.isatty()

    def show(shown: str) -> None:
        if terminal:
            width = shutil.get_terminal_size().columns
            out.write(ERASE + shown[: width - 1])
        else:
            out.write(f"{shown}\n")
        out.flush()

    def tick() -> None:
        while not done.wait(1.0 if terminal else every):
            show(line.now())

    show(line.head())
    ticker = Thread(target=tick, daemon=True)
    ticker.start()
    outcome = " (failed)"
    try:
        yield line
        outcome = ""
        _keep(name or text, line.seconds)
    finally:
        done.set()
        ticker.join()
        show(line.end(outcome))
        if terminal:
            out.write("\n")


def _durations() -> dict[str, float]:
    """Return how long each thing took when it last went well; lost without harm."""
    with contextlib.suppress(OSError, ValueError):
        content = json.loads((cache_dir() / "durations.json").read_text())
        if isinstance(content, dict):
            return {k: v for k, v in content.items() if isinstance(v, (int, float))}
    return {}


def _keep(name: str, seconds: float) -> None:
    with contextlib.suppress(OSError):
        cache_dir().mkdir(parents=True, exist_ok=True)
        known = _durations() | {name: round(seconds, 1)}
        text = json.dumps(known, indent=1, sort_keys=True)
        replace_text(cache_dir() / "durations.json", text)
