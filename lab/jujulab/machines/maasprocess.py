"""The process of the MAAS look-alike, as the lab starts and stops it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from jujulab.errors import LabError
from jujulab.files import LAB, replace_text
from jujulab.waiting import poll

MODULE = "jujulab.maas.server"


class MaasProcess:
    """The server's process, found through a file with its identifier.

    It listens in the bridges' network namespace, of which it gets the file.
    """

    def __init__(self, home: Path, cache: Path, namespace: Path) -> None:
        self._home = home
        self._cache = cache
        self._namespace = namespace
        self._record = home / "run" / "maas.json"

    @property
    def pid(self) -> int | None:
        """The identifier of the running server; None when there is none."""
        try:
            pid = int(json.loads(self._record.read_text())["pid"])
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError, KeyError):
            return None
        return pid if MODULE.encode() in words and str(self._home).encode() in words else None

    def ensure(self) -> None:
        """Start the server unless it runs and listens among today's bridges, or raise LabError."""
        if self.pid is not None:
            record = json.loads(self._record.read_text())
            if record["namespace"] == self._namespace.stat().st_ino:
                return
            self.stop()
        self._record.unlink(missing_ok=True)
        log = self._home / "run" / "maas.log"
        environment = os.environ | {"PYTHONPATH": str(LAB)}
        with log.open("ab") as output:
            subprocess.run(
                [
                    "setsid", "--fork", sys.executable, "-m", MODULE,
                    "--home", str(self._home), "--cache", str(self._cache),
                ],
                check=True, cwd="/", env=environment,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        if not poll(lambda: self.pid is not None, 20, 0.01):
            raise LabError(f"the MAAS look-alike did not start, see {log}")

    def stop(self) -> None:
        """Stop the server if it runs."""
        deadline = time.monotonic() + 5
        while (pid := self.pid) is not None:
            os.kill(pid, signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL)
            time.sleep(0.02)
        self._record.unlink(missing_ok=True)

    def announce(self) -> None:
        """Record that the calling process is the server and listens."""
        record = {"pid": os.getpid(), "namespace": self._namespace.stat().st_ino}
        replace_text(self._record, json.dumps(record))
