"""The controller's socket: one line of JSON for a call, one for the answer.

    {"method": "add_unit", "params": {...}}  ->  {"result": ...} or {"error": "..."}

A line with ``ready`` greets the caller: who does not get it knows that nothing was done. Lines
with ``progress`` may come before the answer.
"""

import json
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from jujulab.engine.api.calls import carry_out
from jujulab.engine.api.changing import Changing
from jujulab.engine.api.deploying import Deploying
from jujulab.juju.errors import JujuError
from jujulab.juju.listener import Listener

log = logging.getLogger(__name__)


class Api(Deploying, Changing):
    """All calls; an object serves one."""


class Server(Listener):
    """Accepts calls, each on a thread of its own; `api` returns what serves one."""

    def __init__(self, path: Path, api: Callable[[Callable[[str], None]], Api]) -> None:
        super().__init__(path, "api")
        self._api = api

    def serve(self, connection: socket.socket) -> None:
        """Answer a call, on a thread of its own."""
        threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        def send(message: dict[str, Any]) -> None:
            connection.sendall(json.dumps(message).encode() + b"\n")

        with connection, connection.makefile("rb") as stream, suppress(OSError):
            try:
                send({"ready": True})
                line = stream.readline()
                if not line:
                    return
                request = json.loads(line)
                api = self._api(lambda text: send({"progress": text}))
                send({"result": carry_out(api, str(request["method"]), request["params"])})
            except OSError:
                raise
            except JujuError as error:
                send({"error": str(error)})
            except Exception as error:
                log.exception("call failed")
                send({"error": f"the controller failed: {error!r} (see logs/controller.log)"})
