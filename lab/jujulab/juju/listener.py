"""A socket of this machine, and the thread that accepts on it."""

import os
import socket
import threading
from contextlib import suppress
from pathlib import Path


class Listener(threading.Thread):
    """Hands each connection to `serve`, one after the other, until it is stopped.

    Args:
        path: the socket's, readable and writable by its owner only; an old one goes.
        name: the thread's.
    """

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(name=name, daemon=True)
        path.unlink(missing_ok=True)
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX)
        # A socket's address is short; a directory's descriptor makes any path short.
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._socket.bind(f"/proc/self/fd/{directory}/{path.name}")
        finally:
            os.close(directory)
        path.chmod(0o600)
        self._socket.listen(64)

    def serve(self, connection: socket.socket) -> None:
        """Answer who has connected."""
        raise NotImplementedError

    def stop(self) -> None:
        """Accept no more."""
        self._path.unlink(missing_ok=True)
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def run(self) -> None:
        """Accept until stopped."""
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.serve(connection)
