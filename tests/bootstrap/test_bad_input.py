"""What stops an installation is said in one line, with the cure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import pythons
from conftest import TIMEOUT, Project, entry

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
NOBODY = 65534


@pytest.fixture
def python(tmp_path: Path, pips: dict[str, Path]) -> Path:
    return pythons.make(tmp_path / "python", pythons.installed()[HERE], pips[entry("pip")[0]])


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """Return what the bootstrap says last, and make sure that it is not a traceback."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("bootstrap: ")]
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_without_a_network(project: Project, python: Path) -> None:
    project.environment["PIP_INDEX_URL"] = "http://127.0.0.1:9/simple"
    project.environment["PIP_RETRIES"] = "0"
    assert "index, or archive, does not answer" in complaint(project.make(python))


def test_when_the_network_goes_away_after_uv(project: Project, python: Path) -> None:
    project.environment["UV_DEFAULT_INDEX"] = "http://127.0.0.1:9/simple"
    assert "index, or archive, does not answer" in complaint(project.make(python))


@pytest.mark.parametrize("package", ["uv", "alpha"])
def test_a_file_that_is_not_the_locks(project: Project, python: Path, package: str) -> None:
    project.index.altered.add(package)
    assert "another file than the one that the lock lists" in complaint(project.make(python))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk(project: Project, python: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=2m disk "$1" && cp -a "$2" "$1/project" && shift 2 && "$@"'
    shell = ["unshare", "--mount", "sh", "-ec", script, "sh", str(disk), str(project.folder)]
    # The cache is on the small disk, too, and the packages are large ones.
    project.environment["UV_CACHE_DIR"] = str(disk / "uv")
    source, project.folder = project.folder, disk / "project"
    done = subprocess.run(
        [*shell, *project.command(python)], env=project.environment, capture_output=True,
        text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    assert "the disk is full" in complaint(done), source


def test_without_ensurepip_and_without_root(project: Project, tmp_path: Path) -> None:
    python = pythons.make(tmp_path / "python", pythons.installed()[HERE], None)
    user: dict[str, object] = {}
    if os.geteuid() == 0:
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(0o755)
    done = project.make(python, **user)
    if "Permission denied" in done.stderr and "bootstrap" not in done.stderr:
        pytest.skip("this Python is readable for root alone")
    assert f"sudo apt-get install python{HERE}-venv" in complaint(done)


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes two users")
def test_an_environment_of_root(project: Project, python: Path, tmp_path: Path) -> None:
    (project.folder / ".venv" / "bin").mkdir(parents=True)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    done = project.make(python, user=NOBODY, group=NOBODY, extra_groups=[])
    if "Permission denied" in done.stderr and "bootstrap" not in done.stderr:
        pytest.skip("this Python is readable for root alone")
    assert "belongs to another user" in complaint(done)


def test_an_old_python(project: Project) -> None:
    old = [name for name in ("3.8", "3.9") if name in pythons.installed()]
    if not old:
        pytest.skip("this machine has no Python before 3.10")
    done = project.make(pythons.installed()[old[0]])
    assert "Python 3.10 or newer is needed" in complaint(done)
    assert not (project.folder / ".venv").exists()


def test_no_python(project: Project, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("make", "sh", "echo"):
        (tools / name).symlink_to(str(shutil.which(name)))
    project.environment["PATH"] = str(tools)
    done = project.make("python3")
    assert done.returncode != 0
    assert "no python3 here: apt-get install python3" in done.stderr
