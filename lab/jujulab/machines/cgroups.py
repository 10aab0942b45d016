"""A control group per machine, so that everything in it can be frozen and found.

Hosts differ: the unified hierarchy (cgroup v2), the separate ones (v1), or both. A machine gets
a group in each hierarchy that systemd inside of it uses or that can freeze.
"""

import contextlib
import os
import shlex
import time
from pathlib import Path

_COMMANDS = "commands"
"""The child group of what is run in a machine from outside: with v2, a group that has child
groups with controllers may hold no process itself."""


def hierarchies(mounts: str) -> dict[str, Path]:
    """Find the hierarchies that matter here in the text of /proc/mounts.

    Returns:
        Mount points by kind: ``unified`` (v2), ``freezer`` (v1), ``systemd`` (v1, named).
    """
    found: dict[str, Path] = {}
    for line in mounts.splitlines():
        _, mount_point, kind, options, *_ = line.split()
        if kind == "cgroup2":
            found.setdefault("unified", Path(mount_point))
        elif kind == "cgroup":
            words = options.split(",")
            if "freezer" in words:
                found.setdefault("freezer", Path(mount_point))
            elif "name=systemd" in words:
                found.setdefault("systemd", Path(mount_point))
    return found


class Cgroup:
    """The control group of one machine, by its path in each of `hierarchies`: ``juju-lab/0``."""

    def __init__(self, name: str, mounts: dict[str, Path]) -> None:
        self._groups = {kind: mount / name for kind, mount in mounts.items()}

    @property
    def can_freeze(self) -> bool:
        """Whether the host has a freezer."""
        return "freezer" in self._groups or "unified" in self._groups

    def create(self) -> None:
        """Make the group where it is missing."""
        for group in self._groups.values():
            (group / _COMMANDS).mkdir(parents=True, exist_ok=True)

    def join_script(self, *, leaf: bool) -> str:
        """Return shell commands by which a shell moves into the group, or its child: a leaf."""
        groups = (group / _COMMANDS if leaf else group for group in self._groups.values())
        return " ".join(f"echo 0 >{shlex.quote(str(g / 'cgroup.procs'))};" for g in groups)

    def pids(self) -> set[int]:
        """Return the host's process identifiers of all that is in the group."""
        group = self._groups.get("freezer") or self._groups.get("unified")
        if group is None:
            return set()
        found: set[int] = set()
        # os.walk, unlike Path.rglob, passes over a group that is removed at this moment.
        for folder, _, _ in os.walk(group):
            with contextlib.suppress(OSError):
                lines = (Path(folder) / "cgroup.procs").read_text().split()
                found |= {int(line) for line in lines if line != "0"}
        return found

    @property
    def frozen(self) -> bool:
        """Whether the group is frozen."""
        with contextlib.suppress(OSError):
            if "freezer" in self._groups:
                text = (self._groups["freezer"] / "freezer.state").read_text()
                return text.strip() in ("FROZEN", "FREEZING")
            if "unified" in self._groups:
                text = (self._groups["unified"] / "cgroup.freeze").read_text()
                return text.strip() == "1"
        return False

    def set_frozen(self, frozen: bool, *, timeout: float = 30.0) -> None:
        """Stop every process of the group where it is, or let all go on, or raise TimeoutError."""
        if "freezer" in self._groups:
            control = status = self._groups["freezer"] / "freezer.state"
            word, reached = ("FROZEN", "FROZEN") if frozen else ("THAWED", "THAWED")
        else:
            control = self._groups["unified"] / "cgroup.freeze"
            status = self._groups["unified"] / "cgroup.events"
            word, reached = ("1", "frozen 1") if frozen else ("0", "frozen 0")
        deadline = time.monotonic() + timeout
        control.write_text(word)
        while reached not in status.read_text():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{control}: not {word} after {timeout:g} s")
            time.sleep(0.005)
            control.write_text(word)

    def remove(self) -> None:
        """Remove the group and its children; they must be empty, others stay."""
        for group in self._groups.values():
            for folder, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()
