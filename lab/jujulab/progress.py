"""Progress lines for what takes longer than a few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TextIO


@contextmanager
def step(text: str, *, stream: TextIO | None = None, every: float = 15.0) -> Iterator[None]:
    """Say what is being done while it is done, and how long it took.

    On a terminal one line counts the seconds; elsewhere a line appears at the start, every
    ``every`` seconds, and at the end.

    Args:
        text: what is done, such as ``image: installing packages``.
        stream: where to write; standard error by default.
        every: seconds between two lines when the stream is no terminal.
    """
    out = stream or sys.stderr
    started = time.monotonic()
    done = Event()
    terminal = out.isatty()

    def show(end: str) -> None:
        start = "\r" if terminal else ""
        out.write(f"{start}{text} ... {time.monotonic() - started:.0f} s{end}")
        out.flush()

    def tick() -> None:
        while not done.wait(1.0 if terminal else every):
            show("" if terminal else "\n")

    if not terminal:
        out.write(f"{text} ...\n")
        out.flush()
    ticker = Thread(target=tick, daemon=True)
    ticker.start()
    outcome = " (failed)\n"
    try:
        yield
        outcome = "\n"
    finally:
        done.set()
        ticker.join()
        show(outcome)
