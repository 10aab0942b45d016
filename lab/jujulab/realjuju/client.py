"""The `juju` client that is on the PATH, run where it reaches the lab's machines."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from jujulab.files import LAB, replace_text
from jujulab.juju.errors import JujuError
from jujulab.machines.addresses import SPACES

SUPPORTED = ((3, 6), (4,))
"""Releases of Juju, by the beginnings of their version numbers."""

TIMEOUT = 900.0


def find(path: str | None = None) -> str:
    """Return the path of the client, from folders as in $PATH, the default, or raise JujuError."""
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
        home: the lab's directory; the client's data, JUJU_DATA, are in it.
        network: the file of the network namespace that it runs in; it has the lab's spaces.
        model: JUJU_MODEL. With it the client runs in the host's own network, where it has reached
            that model's controller before, and with the data that it had then.
    """

    def __init__(self, binary: str, home: Path, network: Path, model: str = "") -> None:
        self.model = model
        self._binary = binary
        self._inside = [] if model else ["nsenter", f"--net={network}"]
        self._environment = dict(os.environ)
        own = Path(os.environ.get("HOME", "/root"), ".local/share/juju")
        self.data = Path(os.environ.get("JUJU_DATA", own)) if model else home / "juju-data"
        if not model:
            self._environment["JUJU_DATA"] = str(self.data)
        self._ssh = home / "real-juju" / "ssh"
        self._environment["PATH"] = f"{self._ssh}:{os.environ.get('PATH', os.defpath)}"

    def know_machines(self) -> None:
        """Let the client's `ssh` and `scp` into the lab's machines, whose keys nobody has seen.

        Juju's client runs those of the PATH without a word on the machines' keys
        (`opensshOptions` of github.com/juju/utils, ssh/ssh_openssh.go). It would ask on the
        terminal, fail where there is none, and keep the answer among the user's own known hosts.

        Raises:
            JujuError: there is no `ssh`.
        """
        found = [(name, shutil.which(name)) for name in ("ssh", "scp", "ssh-keygen")]
        self._ssh.mkdir(parents=True, exist_ok=True)
        networks = " ".join(str(net.network_address)[:-1] + "*" for net in SPACES.values())
        config = self._ssh / "config"
        replace_text(
            config,
            f"Host {networks}\n  StrictHostKeyChecking no\n"
            f'  UserKnownHostsFile "{self._ssh}/known_hosts"\n'
            "Host *\n  Include ~/.ssh/config\n  Include /etc/ssh/ssh_config\n",
        )
        for name, path in found:
            if not path:
                raise JujuError(f"no {name} on this machine, which is needed: openssh-client")
            if name != "ssh-keygen":
                command = self._ssh / name
                replace_text(
                    command, f'#!/bin/sh\nexec {shlex.join([path, "-F", str(config)])} "$@"\n'
                )
                command.chmod(0o755)

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
            done = subprocess.run(
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
        """Go on as the client, `inside` where it reaches the lab's machines: that has to be up."""
        argv = [*(self._inside if inside else ()), self._binary, *words]
        os.execvpe(argv[0], argv, self._environment)  # noqa: S606
