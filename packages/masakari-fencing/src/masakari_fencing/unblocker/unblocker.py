"""Resets the connections of this member to hypervisors that are gone.

Pacemaker's controller does one thing at a time. When a hypervisor loses its power between the two
halves of a message, the controller of the member that is connected to it waits a minute for the
rest (`pcmk__read_remote_message`); while a message to it is larger than what the kernel takes, it
tries to send the rest until the kernel gives the connection up, which takes a quarter of an hour
(`send_tls`; both in lib/common/remote.c, from 2.1.2 to 3.0.2). Nothing is watched and nothing
decided on that member meanwhile; after about half a minute pacemakerd kills the controller, and
the orders that were lost with it hold up the cluster for one more minute (seen with 2.1.5).

By then the monitor of the connection would long have failed. So a connection that has been silent
for longer than that, to a host where not even the kernel accepts one, is reset: the controller
learns at once what it would have found out itself.
"""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Callable, Iterator
from typing import NamedTuple

from masakari_fencing.commands import Runner
from masakari_fencing.pacemaker import tools
from masakari_fencing.pacemaker.crm_mon import REMOTE_AGENT
from masakari_fencing.pacemaker.remote_nodes import PORT

LOG = logging.getLogger("masakari_fencing.unblocker")

PERIOD = 1.0
"""Seconds between two looks."""

TARDINESS = 1.0
"""Seconds by which Pacemaker's own timers may be late."""

_SILENCE = re.compile(r"\blastrcv:(\d+)")
_MONITOR = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|msec|s|sec|m|min|h|hr)?", re.IGNORECASE)
_UNITS = {"ms": 0.001, "msec": 0.001, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hr": 3600}
_DEFAULT_TIMEOUT = 20.0  # Pacemaker's, of an operation that has none


class Connection(NamedTuple):
    """A connection to a hypervisor.

    Attributes:
        local: port on this member.
        host: address of the hypervisor, as ss writes it.
        silence: seconds since the last byte came from it.
    """

    local: int
    host: str
    silence: float


def read_connections(output: str) -> Iterator[Connection]:
    """Read what `ss -HOtni` prints of established connections; what is unknown is left out."""
    for line in output.splitlines():
        words, silence = line.split(), _SILENCE.search(line)
        if len(words) < 4 or not silence:
            continue
        local, host = words[2].rpartition(":")[2], words[3].rpartition(":")[0]
        if local.isdigit():
            yield Connection(int(local), host, int(silence[1]) / 1000)


def accepts(host: str) -> bool:
    """Whether the kernel of a host answers; a port that is closed is an answer, too."""
    try:
        socket.create_connection((host.strip("[]"), PORT), timeout=1).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True


class Unblocker:
    """Looks at the connections of one member, and resets those that only hold it up."""

    def __init__(self, runner: Runner, answers: Callable[[str], bool] = accepts) -> None:
        """Look with `runner`; `answers` tells whether the kernel of a host still does."""
        self._runner = runner
        self._answers = answers
        self._longest: float | None = None
        self._next: dict[tuple[str, int], float] = {}

    def check(self) -> None:
        """Look once; what cannot be asked changes nothing."""
        argv = ["ss", "-HOtni", "state", "established", f"dport = :{PORT}"]
        found = list(read_connections(self._runner.run(argv, timeout=10, check=False).stdout))
        known = {(connection.host, connection.local) for connection in found}
        self._next = {key: value for key, value in self._next.items() if key in known}
        for connection in found:
            key = (connection.host, connection.local)
            if connection.silence > max(self._longest or 0.0, self._next.get(key, 0.0)):
                self._judge(connection)
                # One that nobody monitors, as in maintenance, stays silent for days.
                self._next[key] = 1.5 * connection.silence

    def _judge(self, connection: Connection) -> None:
        try:
            self._longest = longest_silence(self._runner)
        except tools.PacemakerError as error:
            LOG.warning("%s", error)
            return
        if connection.silence <= self._longest or self._answers(connection.host):
            return
        LOG.warning(
            "resetting the connection to %s, silent for %.1f s: its host does not answer",
            connection.host,
            connection.silence,
        )
        which = f"dst {connection.host} and dport = :{PORT} and sport = :{connection.local}"
        argv = ["ss", "-K", "-Htn", "state", "established", which]
        self._runner.run(argv, timeout=10, check=False)


def longest_silence(runner: Runner) -> float:
    """Seconds after which a healthy controller has dropped any silent connection by itself.

    Raises:
        PacemakerError: the cluster does not answer.
    """
    path = f"//primitive[@type='{REMOTE_AGENT.rpartition(':')[2]}']//op[@name='monitor']"
    argv = ["cibadmin", "--query", "--xpath", path]
    result = runner.run(argv, timeout=10, check=False)
    if result.returncode == tools.NO_SUCH:
        return TARDINESS + _DEFAULT_TIMEOUT
    answer = tools.parse(tools.output(argv, result))
    return TARDINESS + max(
        _seconds(op.get("interval"), 0.0) + _seconds(op.get("timeout"), _DEFAULT_TIMEOUT)
        for op in answer.iter("op")
    )


def _seconds(text: str | None, default: float) -> float:
    match = _MONITOR.fullmatch((text or "").strip())
    return float(match[1]) * _UNITS[(match[2] or "s").lower()] if match else default
