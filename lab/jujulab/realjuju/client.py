"""The `juju` client that is on the PATH, run where it reaches the lab's machines."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from jujulab.files import LAB
from jujulab.juju.errors import JujuError

SUPPORTED = ((3, 6), (4,))
"""Releases of Juju, by the beginnings of their version numbers."""

TIMEOUT = 900.0

Run = Callable[..., subprocess.CompletedProcess[str]]


def find(path: str | None = None) -> str:
    """Return the path of the client.

    Args:
        path: where to look, as in $PATH, which is the default.

    Raises:
        JujuError: there is none.
    """
    folders = (path if path is not None else os.environ.get("PATH", "")).split(os.pathsep)
    # `lab/lab shell` has the lab's own command before it.
    others = [folder for folder in folders if Path(folder or ".").resolve() != LAB]
    found = shutil.which("juju", path=os.pathsep.join(others))
    if found is None:
        raise JujuError(
            "LAB_ENGINE=juju: there is no juju on the PATH: install the client of Juju 3.6 or 4,"
            " or leave LAB_ENGINE out for the lab's own"
        )
    return found


class RealJuju:
    """The client, with the data of one lab, or the user's own where JUJU_MODEL names a model.

    Args:
        binary: its path.
        data: its directory, JUJU_DATA.
        network: the file of the network namespace that it runs in; it has the lab's spaces.
        model: JUJU_MODEL. With it the client runs in the host's own network, where it has reached
            that model's controller before, and with the data that it had then.
        run: runs a command, for tests.
    """

    def __init__(
        self, binary: str, data: Path, network: Path, model: str = "", run: Run = subprocess.run
    ) -> None:
        self.model = model
        self._run = run
        self._binary = binary
        self._inside = [] if model else ["nsenter", f"--net={network}"]
        self._environment = dict(os.environ)
        own = Path(os.environ.get("HOME", "/root"), ".local/share/juju")
        self.data = Path(os.environ.get("JUJU_DATA", own)) if model else data
        if not model:
            self._environment["JUJU_DATA"] = str(data)

    def version(self) -> tuple[int, ...]:
        """Return the client's version number.

        Raises:
            JujuError: it is a release that is not supported, or it says none.
        """
        text = self._output([self._binary], "version").strip()
        numbers = re.match(r"(\d+)\.(\d+)(?:[.-](?:beta|rc)?(\d+))?", text)
        if not numbers:
            raise JujuError(f"`juju version` says {text!r}, which is no version")
        version = tuple(int(number) for number in numbers.groups() if number)
        if not any(version[: len(release)] == release for release in SUPPORTED):
            raise JujuError(f"juju {text} is not supported: it takes 3.6 LTS or 4")
        return version

    def __call__(self, *words: str, timeout: float = TIMEOUT) -> str:
        """Run a command and return its standard output.

        Raises:
            JujuError: it failed; the text is the command and the last line of what it said.
        """
        return self._output([*self._inside, self._binary], *words, timeout=timeout)

    def _output(self, command: list[str], *words: str, timeout: float = TIMEOUT) -> str:
        shown = f"juju {' '.join(words)}"
        try:
            done = self._run(
                [*command, *words], env=self._environment, capture_output=True, text=True,
                timeout=timeout, check=False, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise JujuError(f"`{shown}` took more than {timeout:g} s") from None
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()
            raise JujuError(f"`{shown}` failed: {said[-1].removeprefix('ERROR ')}")
        return done.stdout

    def json(self, *words: str) -> Any:
        """Run a command with `--format json` and return what it printed."""
        return json.loads(self(*words, "--format", "json") or "{}")

    def become(self, words: Sequence[str], *, inside: bool) -> NoReturn:
        """Go on as the client.

        Args:
            words: the command line.
            inside: where it reaches the lab's machines; elsewhere, the lab need not be up.
        """
        argv = [*(self._inside if inside else ()), self._binary, *words]
        os.execvpe(argv[0], argv, self._environment)  # noqa: S606
