"""Packs the charms with Charmcraft's monorepo mode, each beside its charmcraft.yaml.

That is where overlays/masakari.yaml looks for them.

Charmcraft builds in LXD containers, one per base, and installs its own snap in them: the channel
$CRAFT_SNAP_CHANNEL, or latest/stable, and not the release of the lock. Without LXD it can build
for the base of the very machine it runs on: `--destructive-mode`, on Ubuntu, with the release of
the lock; it installs build packages there, through the system's python3-apt.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import reproducible
from workspace import CHARMS, REPOSITORY, WorkspaceError, stage

BASES = ("22.04", "24.04")
TIMEOUT = 3600
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def platform_here(os_release: str, machine: str) -> str:
    """Return the name, in charmcraft.yaml, of the platform that this machine can build.

    Args:
        os_release: the content of /etc/os-release.
        machine: the processor as the kernel names it, `x86_64`.

    Raises:
        WorkspaceError: the charms have no such base.
    """
    values = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    values = {name: value.strip('"') for name, value in values.items()}
    version = values.get("VERSION_ID", "")
    if values.get("ID") != "ubuntu" or version not in BASES:
        here = values.get("PRETTY_NAME", "this system")
        raise WorkspaceError(
            f"--destructive-mode needs Ubuntu {' or '.join(BASES)}, not {here}: Charmcraft then"
            " builds for the machine that it runs on"
        )
    if machine not in _ARCHITECTURES:
        raise WorkspaceError(f"the charms have no platform for {machine}")
    return f"ubuntu@{version}:{_ARCHITECTURES[machine]}"


def arguments(destructive: bool) -> list[str]:
    """Return Charmcraft's arguments for a build in LXD, or on this machine itself.

    Raises:
        WorkspaceError: that is not possible here.
    """
    if destructive:
        release = platform.freedesktop_os_release()
        text = "".join(f"{name}={value}\n" for name, value in release.items())
        if not importlib.util.find_spec("apt"):
            raise WorkspaceError(
                "--destructive-mode needs the system's python3-apt in charmcraft's Python:"
                " `apt-get install python3-apt`, then `rm -r .venv .tox` and `make pack"
                " PYTHON=/usr/bin/python3`, because it is a module of that Python alone"
            )
        return ["--destructive-mode", f"--platform={platform_here(text, platform.machine())}"]
    if not shutil.which("lxd") and not shutil.which("lxc"):
        raise WorkspaceError(
            "Charmcraft builds in LXD, which this machine does not have: `snap install lxd`, or"
            f" `tox run -e pack -- --destructive-mode` on an Ubuntu {' or '.join(BASES)} machine"
        )
    return []


def pack(charms: list[str], options: list[str]) -> list[Path]:
    """Pack charms from a copy of the repository.

    Args:
        charms: their directories.
        options: further arguments of `charmcraft pack`.

    Returns:
        The packed charms.

    Raises:
        WorkspaceError: one cannot be packed; Charmcraft has said why.
    """
    packed = []
    with tempfile.TemporaryDirectory(prefix="pack-", dir=_scratch()) as scratch:
        workspace = Path(scratch) / "workspace"
        stage(workspace)
        for charm in charms:
            _charmcraft(workspace / "charms" / charm, options)
            for path in sorted((workspace / "charms" / charm).glob("*.charm")):
                reproducible.normalise(path, reproducible.build_time())
                target = REPOSITORY / "charms" / charm / path.name
                packed.append(Path(shutil.move(path, target)))
    return packed


def _scratch() -> Path:
    """Return a directory that LXD, which may be a snap, can see: not one below /tmp."""
    directory = REPOSITORY / "build"
    directory.mkdir(exist_ok=True)
    return directory


def _charmcraft(directory: Path, options: list[str]) -> None:
    environment = {**os.environ, "CHARMCRAFT_EXPERIMENTAL_MONOREPO": "1"}
    command = ["charmcraft", "pack", *options]
    done = subprocess.run(command, cwd=directory, env=environment, check=False, timeout=TIMEOUT)
    if done.returncode:
        raise WorkspaceError(f"charmcraft could not pack {directory.name}")


def main(argv: list[str]) -> int:
    """Pack; the exit status is 1 when that is not possible."""
    parser = argparse.ArgumentParser(prog="pack", description=__doc__)
    parser.add_argument("charms", nargs="*", metavar="CHARM", help="only these; all without any")
    parser.add_argument("--destructive-mode", action="store_true", help="build without LXD")
    options = parser.parse_args(argv)
    try:
        if unknown := sorted(set(options.charms) - set(CHARMS)):
            raise WorkspaceError(f"no such charm: {', '.join(unknown)}; there are {CHARMS}")
        how = arguments(options.destructive_mode)
        for path in pack(options.charms or CHARMS, how):
            print(path)
    except (WorkspaceError, ValueError) as error:
        print(f"pack: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
