"""Answers hook tools, and juju-exec: one socket in each machine's shared directory."""

import logging
import socket
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from jujulab.engine.hooktools import tools as hooktools
from jujulab.engine.hooktools.context import Context
from jujulab.engine.model.tasks import JUJU_EXEC
from jujulab.juju.listener import Listener

log = logging.getLogger(__name__)

SOCKET = "agent.socket"
_TOOL = Path(__file__).with_name("tool.pl")
Answer = tuple[int, str, str]
_TIMEOUT = 10.0
_LIMIT = 16 * 2**20


class ToolServer(Listener):
    """Serves one machine's hook tools, one request after the other.

    Args:
        juju_dir: The machine's shared directory, on this host.
        find: Returns the running context of an id, or None.
        execute: Runs a command as juju-exec does, when the machine's hooks let it: takes a unit's
            name and the command, returns exit code, standard output and standard error.
    """

    def __init__(
        self,
        juju_dir: Path,
        find: Callable[[str], Context | None],
        execute: Callable[[str, str], Answer],
    ) -> None:
        super().__init__(juju_dir / SOCKET, f"tools-{juju_dir.parent.name}")
        self._find = find
        self._execute = execute

    def serve(self, connection: socket.socket) -> None:
        """Answer a tool; who waits for hooks does not keep others waiting."""
        connection.settimeout(_TIMEOUT)
        try:
            identifier, words, payload = self._receive(connection)
        except (OSError, ValueError):
            log.debug("hook tool went away", exc_info=True)
            connection.close()
            return
        if words[0] == JUJU_EXEC:
            answer = partial(self._execute, *words[1:])
            threading.Thread(target=_reply, args=(connection, answer), daemon=True).start()
        else:
            _reply(connection, partial(self._answer, identifier, words, payload))

    def _receive(self, connection: socket.socket) -> tuple[str, list[str], str]:
        with connection.makefile("rb") as stream:
            sizes = [int(number) for number in stream.readline(64).split()]
            if len(sizes) != 2 or sum(sizes) > _LIMIT:
                raise ValueError("malformed request")
            request, payload = stream.read(sizes[0]), stream.read(sizes[1])
        identifier, *words = request.decode("utf-8", "replace").split("\0")
        return identifier, words, payload.decode("utf-8", "replace")

    def _answer(self, identifier: str, words: list[str], payload: str) -> Answer:
        context = self._find(identifier)
        if context is None:
            return 1, "", f"ERROR {words[0]}: the hook of this context is over\n"
        with context.model.lock:
            return hooktools.run(context, words, payload)


def _reply(connection: socket.socket, answer: Callable[[], Answer]) -> None:
    """Send an answer; who asked may have gone, which keeps nothing from being done."""
    with connection:
        try:
            code, out, err = answer()
            body = out.encode("utf-8", "replace")
            head = b"%d %d\n" % (code, len(body))
            connection.sendall(head + body + err.encode("utf-8", "replace"))
        except OSError:
            log.debug("hook tool went away", exc_info=True)
        except Exception:
            log.exception("hook tool failed")


def install_tools(juju_dir: Path) -> None:
    """Put the hook tools into a machine's shared directory."""
    directory = juju_dir / "tools"
    directory.mkdir(parents=True, exist_ok=True)
    program = directory / ".tool"
    program.write_bytes(_TOOL.read_bytes())
    program.chmod(0o755)
    for name in (*hooktools.names(), JUJU_EXEC):
        link = directory / name
        if not link.is_symlink():
            link.symlink_to(program.name)
