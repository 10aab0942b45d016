"""Runs a charm's process in a machine and follows its output until it ends."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from jujulab.files import replace_text
from jujulab.machines.backend import LabMachine
from jujulab.machines.processes import start_time

Sink = Callable[[str, str], None]

_DRAIN = 0.05
"""Seconds that output may still arrive after the end of its process."""

_ONCE_RECORDED = 'read -r go && exec "$@" </dev/null'
"""Waits for a line of its input, and becomes the program that its arguments name."""


def run(
    machine: LabMachine, argv: list[str], environment: dict[str, str], *, record: Path, sink: Sink
) -> int:
    """Run a process in a machine until it ends; these are all of its variables.

    A process that it leaves in the background may keep its output open; that is not waited for.
    The sink gets ``stdout`` or ``stderr`` and a piece of text, whole lines where possible.

    Nothing of the program runs before ``record`` names it, for `kill_leftover`: a controller that
    dies in between leaves a shell that finds its input closed and ends.

    Returns:
        The exit code, negative for a signal.

    Raises:
        OSError: The process could not be started.
    """
    process = machine.popen(
        ["/bin/sh", "-c", _ONCE_RECORDED, "sh", *argv],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        replace_text(record, f"{process.pid} {start_time(process.pid)}", 0o600)
        _let_go(process)
        _follow(process, sink)
        return process.wait()
    finally:
        record.unlink(missing_ok=True)


def _let_go(process: subprocess.Popen[bytes]) -> None:
    """Have the shell become the program, unless it has ended with its machine already."""
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(b"\n")


def _follow(process: subprocess.Popen[bytes], sink: Sink) -> None:
    """Pass on what a process prints until it ends."""
    pending = {"stdout": b"", "stderr": b""}
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        for name, stream in (("stdout", process.stdout), ("stderr", process.stderr)):
            if stream is not None:
                stack.callback(stream.close)
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, selectors.EVENT_READ, name)
        end = os.pidfd_open(process.pid)
        stack.callback(os.close, end)
        selector.register(end, selectors.EVENT_READ, "")
        streams, deadline = 2, None
        while deadline is None or (streams and time.monotonic() < deadline):
            timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
            for key, _ in selector.select(timeout):
                if not key.data:
                    deadline = time.monotonic() + _DRAIN
                    selector.unregister(end)
                elif not _read(key.fd, key.data, pending, sink):
                    selector.unregister(key.fileobj)
                    streams -= 1
    for name, rest in pending.items():
        if rest:
            sink(name, rest.decode("utf-8", "replace"))


def _read(descriptor: int, name: str, pending: dict[str, bytes], sink: Sink) -> bool:
    """Pass on the whole lines that have arrived; return whether more can come."""
    try:
        data = os.read(descriptor, 65536)
    except BlockingIOError:
        return True
    lines, newline, rest = (pending[name] + data).rpartition(b"\n")
    pending[name] = rest
    if newline:
        sink(name, (lines + newline).decode("utf-8", "replace"))
    return bool(data)


def kill_leftover(record: Path) -> None:
    """Kill what a controller that died had been running, so that it can be run again."""
    try:
        number, started = record.read_text().split()
        pid = int(number)
    except (OSError, ValueError):
        record.unlink(missing_ok=True)
        return
    if started == start_time(pid):  # no later namesake
        for victim in _stopped(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
    record.unlink(missing_ok=True)


def _stopped(pid: int) -> list[int]:
    """Stop a process and all below it, and return them.

    Each is stopped before its children are listed, so that none has one more afterwards.
    """
    found = [pid]
    for current in found:
        with contextlib.suppress(OSError):
            os.kill(current, signal.SIGSTOP)
            for task in Path(f"/proc/{current}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found
