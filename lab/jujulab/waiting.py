"""Waiting: until something is so, and until nobody else has a lock."""

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def poll(done: Callable[[], bool], timeout: float, interval: float = 0.5) -> bool:
    """Call `done` until it is true or `timeout` seconds have passed; return which."""
    deadline = time.monotonic() + timeout
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True


def answered(ask: Callable[[], T], error: type[Exception], timeout: float, interval: float) -> T:
    """Ask until there is an answer and no error; after `timeout` seconds, raise the last one."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return ask()
        except error:
            if time.monotonic() > deadline:
                raise
        time.sleep(interval)


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a lock that all processes share, which ends with the process at the latest."""
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
