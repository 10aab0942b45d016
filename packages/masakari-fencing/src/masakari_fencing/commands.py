"""How this package starts processes, and the protocol that a caller's own runner must follow."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Protocol

TIMED_OUT = 124
"""Return code of a command that was killed because it ran out of time, as timeout(1) gives."""

NOT_FOUND = 127
"""Return code of a program that could not be started, as a shell gives."""


class Runner(Protocol):
    """Runs a command; `instance_ha_common.machine.commands.Runner` is one."""

    def run(
        self,
        argv: Sequence[str],
        *,
        input: str | None = None,  # noqa: A002 - subprocess.run's name
        timeout: float = 60,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` for at most `timeout` seconds.

        This package always passes `check=False`; then no exit code raises, and neither does a
        program that is missing or too slow.
        """
        ...


class Subprocess:
    """The runner of masakari-engine and the notifier, which have no charm library.

    Under eventlet (masakari-engine patches the standard library before anything else) only the
    greenthread that called waits; elsewhere only the thread does.
    """

    def run(
        self,
        argv: Sequence[str],
        *,
        input: str | None = None,  # noqa: A002 - subprocess.run's name
        timeout: float = 60,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command without a shell.

        Args:
            argv: program and arguments.
            input: text for its standard input; nothing by default.
            timeout: seconds after which it is killed.
            check: raise when it does not end with 0.

        Raises:
            subprocess.CalledProcessError: it failed and `check` is set.
        """
        arguments = list(argv)
        try:
            result = subprocess.run(
                arguments,
                input=input or "",
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            result = _failed(arguments, TIMED_OUT, f"did not end within {timeout:g} s")
        except OSError as error:
            result = _failed(arguments, NOT_FOUND, str(error))
        if check:
            result.check_returncode()
        return result


def _failed(argv: list[str], code: int, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess(argv, code, "", text)
