"""What the lab needs of the machine that it runs on, and how it gets it."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from jujulab.errors import LabError
from jujulab.progress import step

PACKAGES = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "mount": "mount",
    "nasm": "nasm",  # assembles the guest of the demo and the tests
}
"""Commands that the lab runs on the host, and the packages of Debian and Ubuntu with them."""

ARCHIVE_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

LIMITS = {
    # The kernel counts inotify instances per user, over all containers, and its default is 128:
    # a booted systemd holds seven, and without one it dies.
    "fs/inotify/max_user_instances": 4096,
    "fs/inotify/max_user_watches": 262144,
    # Each MariaDB reserves some thousand requests of the default of 65536.
    "fs/aio-max-nr": 1048576,
}
"""Kernel settings below /proc/sys that many containers outgrow, with what they need at least."""

SYSCTL = Path("/proc/sys")


def install_packages(also: Mapping[str, str] | None = None) -> None:
    """Install with apt-get what the lab needs on the host and does not find, or raise LabError.

    Args:
        also: further commands, and the packages with them.
    """
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    wanted = {**PACKAGES, **(also or {})}
    missing = {name for command, name in wanted.items() if not shutil.which(command, path=path)}
    if not ARCHIVE_KEYS.exists():
        missing.add("debian-archive-keyring")
    if not missing:
        return
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with step(f"host: installing {' '.join(sorted(missing))}"):
        for argv in (
            ["apt-get", "-q", "update"],
            ["apt-get", "-q", "-y", "install", "--no-install-recommends", *sorted(missing)],
        ):
            result = subprocess.run(
                argv, env=environment, capture_output=True, text=True, check=False
            )
            if result.returncode:
                raise LabError(f"{shlex.join(argv)} failed:\n{result.stdout}{result.stderr}")


def check_space(folder: Path, gigabytes: float) -> None:
    """Find out now, not in the middle, that a disk is too full.

    Raises:
        LabError: there is less free space than that, in GB, where the folder is.
    """
    free = shutil.disk_usage(folder).free / 1e9
    if free < gigabytes:
        raise LabError(f"not enough free space: {folder} has {free:.1f} of {gigabytes} GB")


def raise_limits(folder: Path = SYSCTL) -> None:
    """Raise the kernel's limits to what the lab needs; never lower one."""
    for name, least in LIMITS.items():
        setting = folder / name
        if setting.exists() and int(setting.read_text()) < least:
            setting.write_text(f"{least}\n")
