"""What Nova and Masakari write down, read in their database.

Their APIs would tell the same, but asking them four times a second takes a good part of a small
machine's time from the very recovery that is being watched.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import threading
import time
from dataclasses import dataclass, field, replace

from jujulab.machines.lab import Machine

_CLIENT = ("mariadb", "--batch", "--skip-column-names", "--raw", "--unbuffered", "--force")

_END = "-- end of the answer --"

_RUNNING = "1"
"""Nova's power state of a guest that runs: nova.compute.power_state."""

_SERVERS = (
    "SELECT display_name, vm_state, IFNULL(task_state, ''), IFNULL(host, ''), power_state,"
    " IFNULL(updated_at, '') FROM nova.instances WHERE deleted = 0"
)

NOTIFICATIONS = (
    "SELECT notification_uuid, type, status, source_host_uuid FROM masakari.notifications"
    """ WHERE deleted = 0 AND payload NOT LIKE '%"event": "STARTED"%' ORDER BY id"""
)
"""Reports of failures; that a host has come back is none."""

_STATUSES = {"active": "ACTIVE", "stopped": "SHUTOFF", "error": "ERROR", "building": "BUILD"}
"""Nova's API's words for the states in its database; the others are alike, in capitals."""


class DatabaseError(Exception):
    """The database does not answer."""


@dataclass(frozen=True)
class ServerView:
    """What Nova says about a guest at one moment.

    Attributes:
        status: as the API calls it, such as `ACTIVE`; `REBUILD` while it is evacuated.
        host: the hypervisor.
        task: what Nova is doing with it; None for nothing.
        powered: the hypervisor said, the last time, that it runs.
        updated: when the record changed, in whole seconds as text.
    """

    status: str
    host: str
    task: str | None
    powered: bool
    updated: str

    @property
    def rebuilding(self) -> bool:
        """Whether it is being evacuated."""
        return (self.task or "").startswith("rebuild")

    @property
    def runs(self) -> bool:
        """Whether it is where it should be, and nothing has to be done any more."""
        return self.status == "ACTIVE" and self.task is None and self.powered

    def same_but_for_time(self, other: ServerView) -> bool:
        """Whether only the time of the last change differs."""
        return replace(self, updated=other.updated) == other


@dataclass(frozen=True)
class Notification:
    """A notification of Masakari's; `host` is the UUID of the host that it is about."""

    uuid: str
    kind: str
    status: str
    host: str


@dataclass
class DatabaseView:
    """A client of the database, started when it is first asked.

    No answer within the timeout, in seconds, is a DatabaseError.
    """

    machine: Machine
    timeout: float = 10.0
    _client: subprocess.Popen[bytes] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def servers(self) -> dict[str, ServerView]:
        """Return all guests by their names."""
        found = {}
        for name, state, task, host, power, updated in self._rows(_SERVERS, 6):
            rebuilt = task.startswith("rebuild")
            status = "REBUILD" if rebuilt else _STATUSES.get(state, state.upper())
            found[name] = ServerView(status, host, task or None, power == _RUNNING, updated)
        return found

    def notifications(self) -> list[Notification]:
        """Return all notifications of failures, the first one first."""
        return [Notification(*row) for row in self._rows(NOTIFICATIONS, 4)]

    def close(self) -> None:
        """End the client."""
        with self._lock:
            self._end()

    def _rows(self, query: str, columns: int) -> list[list[str]]:
        rows = [line.split("\t") for line in self._ask(query).splitlines()]
        return [row for row in rows if len(row) == columns]

    def _ask(self, query: str) -> str:
        with self._lock:
            if self._client is None:
                self._client = self.machine.popen(
                    _CLIENT,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                )  # fmt: skip
            try:
                return self._exchange(self._client, f"{query};\nSELECT '{_END}';\n")
            except (OSError, DatabaseError) as error:
                self._end()
                raise DatabaseError(f"the database does not answer: {error}") from error

    def _exchange(self, client: subprocess.Popen[bytes], request: str) -> str:
        if client.stdin is None or client.stdout is None:
            raise DatabaseError("the client has no pipes")
        client.stdin.write(request.encode())
        client.stdin.flush()
        deadline = time.monotonic() + self.timeout
        answer, end = b"", f"{_END}\n".encode()
        while not answer.endswith(end):
            ready, _, _ = select.select([client.stdout], [], [], deadline - time.monotonic())
            part = os.read(client.stdout.fileno(), 65536) if ready else b""
            if not part:
                raise DatabaseError("nothing in time" if not ready else "the client ended")
            answer += part
        return answer.removesuffix(end).decode()

    def _end(self) -> None:
        if self._client is not None:
            self._client.kill()
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                self._client.communicate(timeout=10)
            self._client = None
