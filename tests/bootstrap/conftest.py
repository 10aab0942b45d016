"""A project of tiny packages, to be installed from an index that has newer releases."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent)]

import pythons  # noqa: E402 - they are beside this file
import wheels  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = REPOSITORY / ".cache" / "pips"
TIMEOUT = 600
"""Seconds: a bound against hanging."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-pythons", action="store_true", help="every Python of this machine, every pip"
    )


@dataclass
class Project:
    """A copy of what installs this project, with a lock of its own.

    Attributes:
        folder: where it is.
        index: where packages come from.
        environment: the variables that `make` gets.
    """

    folder: Path
    index: wheels.Index
    environment: dict[str, str]

    def command(self, python: Path | str) -> list[str]:
        return ["make", "-C", str(self.folder), "venv", f"PYTHON={python}"]

    def make(self, python: Path | str, **options: object) -> subprocess.CompletedProcess[str]:
        """Run `make venv`."""
        return subprocess.run(
            self.command(python), env=self.environment, capture_output=True, text=True,
            timeout=TIMEOUT, check=False, **options,
        )  # fmt: skip

    def start(self, python: Path | str) -> subprocess.Popen[bytes]:
        """Start `make venv` in a process group of its own."""
        return subprocess.Popen(
            self.command(python), env=self.environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def installed(self) -> dict[str, str]:
        """Return what is in .venv: package -> version."""
        found = self.folder.glob(".venv/lib/python3.*/site-packages/*.dist-info")
        return dict(path.name.removesuffix(".dist-info").split("-") for path in found)

    def unlist(self, package: str) -> None:
        """Take a package out of the lock."""
        lock = self.folder / "requirements.txt"
        entries = re.split(r"(?m)^(?=\w)", lock.read_text())
        lock.write_text("".join(e for e in entries if not e.startswith(f"{package}==")))

    def locked(self) -> dict[str, str]:
        text = (self.folder / "requirements.txt").read_text()
        return dict(re.findall(r"(?m)^(\S+)==(\S+)", text))


def entry(package: str) -> tuple[str, str]:
    """Return a package's version in the project's lock, and its entry there."""
    lock = (REPOSITORY / "requirements.txt").read_text()
    found = re.search(rf"(?ms)^{package}==(\S+).*?[^\\]$", lock)
    assert found is not None
    return found[1], found[0]


def download(requirement: str) -> Path:
    """Return pip's wheel of a requirement with hashes; it is kept for the next time."""
    version = requirement.split("==")[1].split()[0]
    wheel = CACHE / f"pip-{version}-py3-none-any.whl"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not wheel.exists():
            (CACHE / "pip.txt").write_text(requirement + "\n")
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            command += ["--require-hashes", "-d", str(CACHE), "-r", str(CACHE / "pip.txt")]
            subprocess.run(command, check=True, timeout=TIMEOUT)
    return wheel


@pytest.fixture(scope="session")
def pips() -> dict[str, Path]:
    """The wheels of the pips that users have, by version; the newest is the lock's."""
    found = {
        version: download(f"pip=={version} --hash=sha256:{digest}")
        for version, digest in pythons.OLD_PIPS.items()
    }
    version, newest = entry("pip")
    return found | {version: download(newest)}


@pytest.fixture(scope="session")
def here() -> str:
    """This Python's version, like `3.11`."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def project(tmp_path: Path, pips: dict[str, Path]) -> Iterator[Project]:
    """The project, with a lock of one release each, and an index that has newer ones.

    `gamma` needs `alpha[toml]`: that is what pip before 23.3 looks for in its newest release.
    """
    version, _ = entry("uv")
    uv = shutil.which("uv", path=Path(sys.executable).parent)
    folder = tmp_path / "wheels"
    folder.mkdir()
    extra = "Provides-Extra: toml\nRequires-Dist: beta; extra == 'toml'\n"
    needs = "Requires-Dist: alpha[toml]>=1\n"
    locked = [
        wheels.build(folder, "uv", version, script=f'#!/bin/sh\nexec {uv} "$@"\n'),
        wheels.build(folder, "alpha", "1.0", metadata=extra),
        wheels.build(folder, "beta", "1.0"),
        wheels.build(folder, "gamma", "1.0", metadata=needs),
        pips[entry("pip")[0]],
    ]
    newer = [
        wheels.build(folder, "uv", "99.0", script="#!/bin/sh\nexit 99\n"),
        wheels.build(folder, "alpha", "1.1", metadata=extra),
        wheels.build(folder, "beta", "1.1"),
        wheels.build(folder, "gamma", "1.1", metadata=needs),
        wheels.build(folder, "pip", "99.0"),
    ]
    target = tmp_path / "project"
    target.mkdir()
    for name in ("Makefile", "bootstrap.py"):
        if (REPOSITORY / name).exists():
            shutil.copy(REPOSITORY / name, target)
    (target / "requirements.txt").write_text(wheels.lock(locked))
    with wheels.serve(locked + newer) as index:
        yield Project(
            target,
            index,
            {
                "PATH": os.defpath + ":/usr/local/bin",
                "HOME": str(tmp_path),
                "TMPDIR": str(tmp_path),
                "PIP_CONFIG_FILE": os.devnull,
                "PIP_INDEX_URL": f"{index.url}/simple",
                "PIP_NO_CACHE_DIR": "1",
                "UV_CACHE_DIR": str(tmp_path / "uv"),
                "UV_HTTP_RETRIES": "0",
            },
        )
