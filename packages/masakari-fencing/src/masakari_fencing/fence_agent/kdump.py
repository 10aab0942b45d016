"""Takes a panicking hypervisor's own word: it runs its crash kernel, and none of its instances.

The crash kernel tells so again and again, by `fence_kdump_send`, while it writes the dump. With
that word the hypervisor counts as fenced, keeps its power, and finishes its dump.

`fence_kdump` itself (ClusterLabs' fence-agents) is started here instead of by Pacemaker: as a
device it wants a crash kernel on the member that runs it (its `monitor` looks for `crashkernel=`
there), and it asks the resolver for the node's name, where the cluster knows an address. It
listens on one UDP port, which it shares with nobody: whoever comes second on a member tries again.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from masakari_fencing.commands import NOT_FOUND, Runner

PROGRAM = "fence_kdump"
"""Of the Debian package `fence-agents`, where that is split, `fence-agents-extra`."""

RETRY = 1.0
"""Seconds until it is started again while the port is somebody else's."""

MARGIN = 5.0
"""Seconds that it is given to end after its own time."""


class NoWordError(Exception):
    """The hypervisor has not said that it runs its crash kernel."""


def await_word(
    runner: Runner,
    address: str,
    seconds: int,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until a hypervisor says that it runs its crash kernel.

    Args:
        runner: runs the program.
        address: of the hypervisor, as the cluster connects to it; its messages come from there.
        seconds: to wait at most.
        clock: seconds, only ever compared with each other.
        sleep: waits for so many seconds.

    Raises:
        NoWordError: it does not, or nobody could listen.
    """
    end = clock() + seconds
    while (left := round(end - clock())) > 0:
        argv = [PROGRAM, f"--nodename={address}", "--action=off", f"--timeout={left}"]
        answer = runner.run(argv, timeout=left + MARGIN, check=False)
        if answer.returncode == 0:
            return
        if answer.returncode == NOT_FOUND:
            raise NoWordError(f"{PROGRAM} is not installed (apt install fence-agents)")
        sleep(RETRY)
    raise NoWordError(f"no message of kdump from {address} within {seconds} s")
