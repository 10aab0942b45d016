"""The way to the controller: starts it where it does not run, and makes calls."""

import json
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from jujulab.files import LAB, lab_home
from jujulab.juju.errors import JujuError
from jujulab.waiting import poll

_START_TIMEOUT, _STOP_TIMEOUT = 20.0, 20.0
_GREETING_TIMEOUT = 10.0
_POLL = 0.02


class _Connection:
    """A connection to a controller that has greeted: from here on it serves the call.

    Raises:
        OSError: There is no controller, or it is ending.
    """

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_GREETING_TIMEOUT)
        try:
            self._socket.connect(str(path))
            self._stream = self._socket.makefile("rb")
            if not self._stream.readline():
                raise ConnectionResetError(f"{path}: no greeting")
        except OSError:
            self._socket.close()
            raise
        self._socket.settimeout(None)

    def exchange(self, request: dict[str, Any], progress: Callable[[str], None]) -> Any:
        """Send a request and return its result."""
        gone = "the controller went away in the middle of a call"
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            for line in self._stream:
                answer = json.loads(line)
                if "progress" in answer:
                    progress(answer["progress"])
                elif "error" in answer:
                    raise JujuError(answer["error"])
                else:
                    return answer["result"]
        except OSError as error:
            raise JujuError(f"{gone}: {error}") from error
        finally:
            self._stream.close()
            self._socket.close()
        raise JujuError(gone)


class Client:
    """Calls to the controller of one lab; `progress` gets what it says while a call goes on."""

    def __init__(
        self, home: Path | None = None, progress: Callable[[str], None] = lambda text: None
    ) -> None:
        self.home = home or lab_home()
        self._socket = self.home / "run" / "controller.sock"
        self._progress = progress

    def call(self, method: str, **params: Any) -> Any:
        """Make a call and return its result; the controller is started if it does not run.

        Raises:
            JujuError: The controller refuses, or cannot be reached.
        """
        try:
            connection = _Connection(self._socket)
        except OSError:
            connection = self._start()
        return connection.exchange({"method": method, "params": params}, self._progress)

    def stop_controller(self) -> None:
        """Stop the controller, if it runs, and wait until it has ended.

        Raises:
            JujuError: It has not ended after a while.
        """
        try:
            connection = _Connection(self._socket)
        except OSError:
            return
        connection.exchange({"method": "shutdown", "params": {}}, self._progress)
        if not poll(lambda: not self._socket.exists(), _STOP_TIMEOUT, _POLL):
            raise JujuError("the controller does not stop")

    def _start(self) -> _Connection:
        """Start the controller and return a connection to it."""
        import subprocess  # seldom needed, and most calls should be quick
        import sys

        from jujulab.errors import LabError, cure
        from jujulab.machines.backend import open_lab

        try:
            open_lab(self.home).up()
        except (LabError, OSError) as error:
            raise JujuError(f"{error}{cure(str(error))}") from error
        log = self.home / "logs" / "controller.log"
        log.parent.mkdir(mode=0o700, exist_ok=True)
        environment = dict(os.environ, PYTHONPATH=str(LAB))
        daemon = None
        deadline = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < deadline:
            with suppress(OSError):
                return _Connection(self._socket)
            # It ends well where another one holds the lock; that one may be about to die.
            if daemon is None or daemon.poll() == 0:
                with log.open("a") as errors:
                    daemon = subprocess.Popen(
                        [sys.executable, "-m", "jujulab.engine.controller", str(self.home)],
                        env=environment,
                        cwd="/",
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL,
                        stderr=errors,
                        start_new_session=True,
                    )
            elif daemon.poll() is not None:
                break
            time.sleep(_POLL)
        raise JujuError(f"the controller does not start; see {log}")
