"""The state file: written whole, atomically, by one thread, so that hooks never wait for a disk.

A crash loses at most what was committed within the last few milliseconds. That is safe: a
snapshot holds a hook's writes and the mark that it ran, or neither, and then the hook runs again.
What a command line user was told is on disk: `flush` waits for it.
"""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter

from jujulab.engine.model.state import State
from jujulab.files import replace_text

log = logging.getLogger(__name__)

_STATE = TypeAdapter(State)
"""State as JSON; fields that a state file lacks get their defaults."""


def dumps(state: State) -> str:
    """Return the state as one line of JSON."""
    return _STATE.dump_json(state).decode()


def loads(text: str) -> State:
    """Return the state that `dumps` wrote, or raise ValueError."""
    return _STATE.validate_json(text)


def read(path: Path) -> State:
    """Return the persisted state, or an empty one where there is none.

    Raises:
        ValueError: The file is damaged; the text names it.
    """
    try:
        return loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return State()
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


class Writer(threading.Thread):
    """Writes snapshots of the state, which take the model's lock, whenever it has changed."""

    def __init__(self, path: Path, snapshot: Callable[[], str]) -> None:
        super().__init__(name="state-writer", daemon=True)
        self._path = path
        self._snapshot = snapshot
        self._changed = threading.Condition()
        self._wanted = 0
        self._written = 0
        self._stopping = False

    def touch(self) -> None:
        """Note that the state has changed; returns at once."""
        with self._changed:
            self._wanted += 1
            self._changed.notify_all()

    def flush(self, timeout: float = 10) -> None:
        """Wait until everything touched so far is written, at most `timeout` seconds."""
        with self._changed:
            wanted = self._wanted
            self._changed.wait_for(lambda: self._written >= wanted or self._stopping, timeout)

    def stop(self) -> None:
        """Write what is left and end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self.join(10)

    def run(self) -> None:
        """Write until stopped; a failed write is tried again with the next change."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted > self._written or self._stopping)
                if self._wanted == self._written:
                    return
                goal = self._wanted
            try:
                replace_text(self._path, self._snapshot(), 0o600)
            except OSError:
                log.exception("cannot write %s", self._path)
                if self._stopping:
                    return
            with self._changed:
                self._written = goal
                self._changed.notify_all()
