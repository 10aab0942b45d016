"""Which process it is that carries out a recovery, and whether it lives."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def identity(pid: int | None = None, proc: Path = Path("/proc")) -> str:
    """Return what identifies a process over restarts of it and of its machine.

    Args:
        pid: the process; this one by default.
        proc: where the kernel shows processes.

    Raises:
        OSError: there is no such process.
    """
    number = os.getpid() if pid is None else pid
    boot = (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
    # The name in parentheses may hold spaces; the start time is field 22 of all.
    fields = (proc / str(number) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return f"{socket.gethostname()}.{boot}.{number}.{fields[19]}"


def lives(process: str, proc: Path = Path("/proc")) -> bool | None:
    """Whether a process lives; None when it is not one of this machine."""
    parts = process.rsplit(".", 3)
    if len(parts) != 4 or parts[0] != socket.gethostname():
        return None
    try:
        return identity(int(parts[2]), proc) == process
    except (OSError, ValueError, IndexError):
        return False


def machine(process: str) -> str:
    """Return the name of the machine that a process runs on."""
    return process.rsplit(".", 3)[0]
