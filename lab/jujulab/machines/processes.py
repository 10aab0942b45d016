"""Processes of containers, as the host sees them."""

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jujulab.waiting import poll


def inner_pid(pid: int) -> int | None:
    """Return the process identifier that a process has in its own namespace."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                numbers = line.split()[1:]
                return int(numbers[-1]) if len(numbers) > 1 else None
    return None


def start_time(pid: int) -> str | None:
    """Return when a process started, in clock ticks since the host's boot."""
    with contextlib.suppress(OSError):
        # The second field, the name in parentheses, may hold anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return None


def send(pid: int, number: int) -> None:
    """Send a signal to a process, which may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def wait_exit(pid: int, timeout: float) -> bool:
    """Wait until a process has ended; False when it has not after ``timeout`` seconds."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poller = select.poll()
        poller.register(handle, select.POLLIN)
        return bool(poller.poll(timeout * 1000))
    finally:
        os.close(handle)


def end_all_but(init: int, pids: Callable[[], set[int]], timeout: float) -> bool:
    """Stop a container's process 1, and end all others; return whether they have ended in time.

    Stopped, it starts none anew. All identifiers are the host's.
    """
    send(init, signal.SIGSTOP)

    def ended() -> bool:
        for pid in (left := pids() - {init}):
            send(pid, signal.SIGKILL)
        return not left

    return poll(ended, timeout, 0.002)


def communicate(
    process: subprocess.Popen[Any], argv: Sequence[str], text: str, timeout: float, *, check: bool
) -> subprocess.CompletedProcess[str]:
    """Hand a command, which leads a session, its input and return what it printed.

    After the timeout in seconds it and its children are killed.

    Raises:
        subprocess.CalledProcessError: it failed, and ``check`` is set.
        subprocess.TimeoutExpired: it took too long.
    """
    try:
        stdout, stderr = process.communicate(text, timeout=timeout)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        # In a frozen machine even SIGKILL waits for the thaw; the caller does not.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=1)
        raise
    result = subprocess.CompletedProcess(list(argv), process.returncode, stdout, stderr)
    if check:
        result.check_returncode()
    return result
