"""What stand-in charms do on their machine: files, commands, systemd services."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from standin import Unit

Ini = Mapping[str, Mapping[str, object]]


def run(
    *argv: str,
    stdin: str | None = None,
    user: str | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 300,
) -> str:
    """Run a command.

    Args:
        argv: the command; never a secret, which other users could see.
        stdin: text for its standard input.
        user: the user, with its own group, to run it as.
        env: environment variables to add.
        timeout: seconds after which it is killed.

    Returns:
        Its standard output.

    Raises:
        RuntimeError: it failed; the text ends with its last words.
    """
    become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"]
    done = subprocess.run(
        [*(become if user else []), *argv],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        cwd="/",
        env={**os.environ, **(env or {})},
    )
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise RuntimeError(f"{' '.join(argv[:3])} ended with {done.returncode}: {words}")
    return done.stdout


def new_uuid() -> str:
    """Return an identifier that nothing else has."""
    import uuid

    return str(uuid.uuid4())


def ini(sections: Ini) -> str:
    """Format the sections of a configuration file; options without a value are left out."""
    lines = ["# Written by the charm; changes are overwritten."]
    for section, options in sections.items():
        lines.append(f"[{section}]")
        lines += [
            f"{name} = {value}" for name, value in options.items() if value not in (None, "")
        ]
    return "\n".join(lines) + "\n"


def flags(text: str) -> dict[str, str]:
    """Split the charm option `config-flags`, comma separated ``key=value``."""
    pairs = (item.partition("=") for item in text.split(",") if "=" in item)
    return {key.strip(): value.strip() for key, _, value in pairs}


def write(
    path: Path,
    content: str | bytes,
    *,
    owner: str = "root",
    group: str = "root",
    mode: int = 0o644,
) -> bool:
    """Write a file unless it already holds this content.

    Nobody ever sees it half written or with wider rights than ``mode``.

    Args:
        path: the file; its directory is made when missing.
        content: all of its text, or of its bytes.
        owner: the user that owns it.
        group: the group that owns it.
        mode: its permissions.

    Returns:
        Whether it changed.
    """
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    # A service's user is missing only where its package is, that is in the unit tests.
    with contextlib.suppress(KeyError):
        os.chown(part, pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid)
    part.chmod(mode)
    part.replace(path)
    return True


_CLOSES = "add-header = Connection: close"
"""uwsgi's HTTP socket closes each connection after one answer without saying so. A client that
keeps connections would then, once in a while, send its next request into a closed one."""


def tune_uwsgi(path: Path, processes: int, threads: int, *more: str) -> bool:
    """Set how many processes and threads a packaged uwsgi service runs.

    Args:
        path: the package's ini file.
        processes: worker processes.
        threads: threads of each.
        more: further lines.

    Returns:
        Whether the file changed.
    """
    lines = [
        line
        for line in path.read_text().splitlines()
        if not re.match(r"(processes|threads) *=", line) and line not in (_CLOSES, *more)
    ]
    lines += [f"processes = {processes}", f"threads = {threads}", _CLOSES, *more]
    return write(path, "\n".join(lines) + "\n")


def serve(unit: Unit, services: Sequence[str], *files: str) -> list[str]:
    """Have systemd services enabled, and running with what is in their files now.

    They are restarted when a file changed since they were last started here, also when the hook
    that changed it failed later. A service that somebody stopped stays so, and shows in the
    unit's status, until the machine or the agent starts again.

    Args:
        unit: this unit.
        services: their names.
        files: paths, below the root directory, of the files that they read when they start.

    Returns:
        The names of the services.
    """

    def start() -> None:
        unit.status("maintenance", f"Starting {', '.join(services)}")
        # Debian's packages bring init scripts too, whose links take a second to look after.
        run("systemctl", "enable", "--quiet", *services, env={"SYSTEMCTL_SKIP_SYSV": "1"})
        run("systemctl", "restart", *services)

    # `write` leaves a file alone that need not change, so its time tells.
    versions = {file: (unit.root / file).stat().st_mtime_ns for file in files}
    unit.keep(f"started {' '.join(services)}", start, key=versions)
    if unit.hook in ("start", "config-changed"):
        run("systemctl", "start", *services)
    return list(services)
