"""How many charm processes run at once in the lab, and whose turn it is."""

import collections
import threading


class Slots:
    """Lets so many in at a time, in the order in which they asked.

    A semaphore of the standard library lets one in again that has just gone out, before others
    that have waited for long: the machine with the most to do would wait for those with less.

    Args:
        count: how many at a time.
    """

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._free = count
        self._waiting: collections.deque[threading.Event] = collections.deque()

    def __enter__(self) -> None:
        """Wait until it is this one's turn."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Event()
            self._waiting.append(turn)
        turn.wait()

    def __exit__(self, *_: object) -> None:
        """Let the next one in."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1
