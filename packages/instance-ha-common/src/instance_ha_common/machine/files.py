"""Files written so that nobody ever sees half of one, or a secret with the wrong mode."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
import tempfile
from pathlib import Path
from typing import Protocol


class Ownership(Protocol):
    """How files get their owner; tests that do not own the accounts record it instead."""

    def set(self, fd: int, path: Path, user: str, group: str) -> None:
        """Give the open file that will become `path` to `user` and `group`."""

    def matches(self, path: Path, user: str, group: str) -> bool:
        """Whether `path` already belongs to `user` and `group`."""


class SystemOwnership:
    """Owners looked up in the machine's account database."""

    def set(self, fd: int, path: Path, user: str, group: str) -> None:
        """Give the open file to `user` and `group`.

        Raises:
            KeyError: no such user or group on this machine.
        """
        os.fchown(fd, pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid)

    def matches(self, path: Path, user: str, group: str) -> bool:
        """Whether `path` belongs to `user` and `group`.

        Raises:
            KeyError: no such user or group on this machine.
        """
        status = path.stat()
        wanted = (pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid)
        return (status.st_uid, status.st_gid) == wanted


SYSTEM = SystemOwnership()


def write(
    path: Path,
    content: str | bytes,
    *,
    mode: int = 0o644,
    user: str = "root",
    group: str = "root",
    ownership: Ownership = SYSTEM,
) -> bool:
    """Make `path` a regular file with exactly this content, mode and owner.

    The content goes to a temporary file beside it, which has its final mode and owner before the
    first byte is written and then replaces `path`; a reader sees the old file or the new one.
    Missing parent directories are made with mode 0755.

    Returns:
        Whether anything was different before.

    Raises:
        KeyError: `user` or `group` does not exist on this machine.
        OSError: the file cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    if _is_current(path, data, mode, user, group, ownership):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(fd, "wb") as file:
            ownership.set(file.fileno(), path, user, group)
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return True


def _is_current(
    path: Path, data: bytes, mode: int, user: str, group: str, ownership: Ownership
) -> bool:
    try:
        status = path.lstat()
        return (
            stat.S_ISREG(status.st_mode)
            and stat.S_IMODE(status.st_mode) == mode
            and path.read_bytes() == data
            and ownership.matches(path, user, group)
        )
    except FileNotFoundError:
        return False


def remove(path: Path) -> bool:
    """Remove a file or a link; say whether there was one."""
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
