"""The only place from which the charms start a process."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Mapping, Sequence

logger = logging.getLogger(__name__)

TIMED_OUT = 124
"""Return code reported for a command that ran out of time, as timeout(1) does."""

NOT_FOUND = 127
"""Return code reported for a program that is not installed, as a shell does."""


class MachineError(Exception):
    """The machine is not as a charm needs it; the text says what is missing."""


class CommandError(MachineError):
    """A command failed, was not found or did not end in time.

    Attributes:
        argv: the command and its arguments (never holds a secret).
        returncode: its exit code, `TIMED_OUT` or `NOT_FOUND`.
        stderr: what it wrote to its standard error.
    """

    def __init__(self, argv: Sequence[str], returncode: int, stderr: str) -> None:
        self.argv = list(argv)
        self.returncode = returncode
        self.stderr = stderr
        last = stderr.strip().splitlines()[-1:] or ["no error output"]
        super().__init__(f"{' '.join(self.argv)}: exit code {returncode}: {last[0]}")


class Runner:
    """Runs commands without a shell, with captured output and a time limit."""

    def run(
        self,
        argv: Sequence[str],
        *,
        input: str | None = None,  # noqa: A002 - subprocess.run's name
        timeout: float = 60,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end.

        Args:
            argv: program and arguments. Secrets go through `input`, never through here.
            input: text for its standard input; nothing (/dev/null) by default.
            timeout: seconds after which it is killed.
            check: raise when the exit code is not 0. Without it, a program that is not
                installed or runs out of time gives a result with that return code.
            env: variables added to this process's environment.

        Raises:
            CommandError: it failed and `check` is set.
        """
        result = self._run(list(argv), input, timeout, env)
        if result.returncode != 0:
            logger.debug("%s: %s: %s", argv[0], result.returncode, result.stderr.strip())
            if check:
                raise CommandError(argv, result.returncode, result.stderr or result.stdout)
        return result

    @staticmethod
    def _run(
        argv: list[str], text: str | None, timeout: float, env: Mapping[str, str] | None
    ) -> subprocess.CompletedProcess[str]:
        stdin: dict[str, object] = (
            {"stdin": subprocess.DEVNULL} if text is None else {"input": text}
        )
        try:
            return subprocess.run(  # type: ignore[call-overload]
                argv,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
                env={**os.environ, **env} if env else None,
                **stdin,
            )
        except subprocess.TimeoutExpired:
            message = f"did not end within {timeout:g} s"
            return subprocess.CompletedProcess(argv, TIMED_OUT, "", message)
        except OSError as error:
            return subprocess.CompletedProcess(argv, NOT_FOUND, "", str(error))
