"""Answers hook tools: one socket in each machine's shared directory."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from jujulab.engine import hooktools
from jujulab.engine.context import Context

log = logging.getLogger(__name__)

SOCKET = "agent.socket"
_TOOL = Path(__file__).with_name("tool.py")
_TIMEOUT = 10.0
_LIMIT = 16 * 2**20


class ToolServer(threading.Thread):
    """Serves one machine's hook tools, one request after the other.

    Args:
        juju_dir: The machine's shared directory, on this host.
        find: Returns the running context of an id, or None.
    """

    def __init__(self, juju_dir: Path, find: Callable[[str], Context | None]) -> None:
        super().__init__(name=f"tools-{juju_dir.parent.name}", daemon=True)
        self._find = find
        path = juju_dir / SOCKET
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX)
        # A socket's address is short; a directory's descriptor makes any path short.
        directory = os.open(juju_dir, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._socket.bind(f"/proc/self/fd/{directory}/{SOCKET}")
        finally:
            os.close(directory)
        path.chmod(0o600)
        self._socket.listen(16)

    def stop(self) -> None:
        """End the thread."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def run(self) -> None:
        """Answer until stopped."""
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(_TIMEOUT)
                try:
                    self._serve(connection)
                except (OSError, ValueError):
                    log.debug("hook tool went away", exc_info=True)
                except Exception:
                    log.exception("hook tool failed")

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            sizes = [int(number) for number in stream.readline(64).split()]
            if len(sizes) != 2 or sum(sizes) > _LIMIT:
                raise ValueError("malformed request")
            request, payload = stream.read(sizes[0]), stream.read(sizes[1])
        identifier, *words = request.decode("utf-8", "replace").split("\0")
        code, out, err = self._answer(identifier, words, payload.decode("utf-8", "replace"))
        body = out.encode("utf-8", "replace")
        connection.sendall(b"%d %d\n" % (code, len(body)) + body + err.encode("utf-8", "replace"))

    def _answer(self, identifier: str, words: list[str], payload: str) -> tuple[int, str, str]:
        context = self._find(identifier)
        if context is None:
            return 1, "", f"ERROR {words[0]}: the hook of this context is over\n"
        with context.model.lock:
            return hooktools.run(context, words, payload)


def install_tools(juju_dir: Path) -> None:
    """Put the hook tools into a machine's shared directory."""
    directory = juju_dir / "tools"
    directory.mkdir(parents=True, exist_ok=True)
    program = directory / ".tool"
    program.write_bytes(_TOOL.read_bytes())
    program.chmod(0o755)
    for name in hooktools.names():
        link = directory / name
        if not link.is_symlink():
            link.symlink_to(program.name)
