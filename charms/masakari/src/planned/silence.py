"""When a host was heard last, as exactly as a report of seconds needs it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

_APART = 0.1
"""Seconds between two calls: the answer is as exact as that."""
_PATIENCE = 0.3
"""Seconds that an answer may take: a machine without power gives none at all."""


def watch(address: str, port: int, clock: Callable[[], float] = time.time) -> Callable[[], float]:
    """Connect to a port again and again, until it does not answer any more.

    Args:
        address: where something listens that ends with its machine.
        port: the TCP port.
        clock: seconds since the epoch.

    Returns:
        What ends it, and says when something was heard last.
    """
    heard = clock()
    ended = threading.Event()

    def call() -> None:
        nonlocal heard
        while not ended.wait(_APART):
            begun = clock()
            try:
                socket.create_connection((address, port), timeout=_PATIENCE).close()
            except OSError:
                return
            heard = begun

    thread = threading.Thread(target=call, daemon=True)
    thread.start()

    def end() -> float:
        ended.set()
        thread.join()
        return heard

    return end
