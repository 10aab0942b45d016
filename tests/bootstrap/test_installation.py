"""`make venv` installs the lock on every Python and pip, whatever the index has become."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import pythons
from conftest import Project, entry

PIPS = [*pythons.OLD_PIPS, entry("pip")[0]]
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Name the combinations: this Python with each pip that runs on it, or all of them."""
    if {"version", "pip"} <= set(metafunc.fixturenames):
        names = pythons.NAMES if metafunc.config.getoption("all_pythons") else [HERE]
        pairs = [(name, pip) for name in names for pip in PIPS if pythons.goes_with(name, pip)]
        metafunc.parametrize(("version", "pip"), pairs)


@pytest.fixture
def python(tmp_path: Path, pips: dict[str, Path]) -> Path:
    """This Python with Debian 12's pip, or with the newest where that one does not run."""
    pip = next(pip for pip in PIPS[1:] if pythons.goes_with(HERE, pip))
    return pythons.make(tmp_path / "python", pythons.installed()[HERE], pips[pip])


def test_newer_releases_in_the_index_change_nothing(
    project: Project, pips: dict[str, Path], tmp_path: Path, version: str, pip: str
) -> None:
    if version not in pythons.installed():
        pytest.skip(f"this machine has no Python {version}")
    python = pythons.make(tmp_path / "python", pythons.installed()[version], pips[pip])
    done = project.make(python)
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.installed() == project.locked()


def test_another_lock_is_followed_and_nothing_else_stays(project: Project, python: Path) -> None:
    assert project.make(python).returncode == 0
    assert project.make(python).stdout.count("installing") == 0
    project.unlist("gamma")
    project.unlist("beta")
    assert "beta" not in project.locked()
    done = project.make(python)
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.installed() == project.locked()


def test_what_does_not_fit_together_is_said(project: Project, python: Path) -> None:
    project.unlist("alpha")
    done = project.make(python)
    assert done.returncode != 0
    assert "alpha" in done.stderr


def test_an_interrupted_run_does_not_stop_the_next(project: Project, python: Path) -> None:
    project.index.stuck.add("gamma")
    running = project.start(python)
    assert project.index.reached.wait(120)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait(30)
    assert (project.folder / ".venv").is_dir()
    project.index.stuck.clear()
    done = project.make(python)
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.installed() == project.locked()


def test_a_folder_that_was_moved_gets_commands_that_run(project: Project, python: Path) -> None:
    assert project.make(python).returncode == 0
    project.folder = project.folder.rename(project.folder.with_name("moved"))
    done = project.make(python)
    assert done.returncode == 0, done.stdout + done.stderr
    pip = project.folder / ".venv" / "bin" / "pip"
    subprocess.run([pip, "--version"], check=True, timeout=60, capture_output=True)


@pytest.mark.parametrize("rubbish", ["a file", "a dangling link", "half an environment"])
def test_whatever_is_in_its_place_goes(project: Project, python: Path, rubbish: str) -> None:
    venv = project.folder / ".venv"
    if rubbish == "a file":
        venv.touch()
    elif rubbish == "a dangling link":
        venv.symlink_to("nowhere")
    else:
        (venv / "bin").mkdir(parents=True)
        (venv / "bin" / "python").symlink_to("/nowhere/python")
        (venv / "installed.json").write_text("{")
    done = project.make(python)
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.installed() == project.locked()


def test_a_second_run_waits_for_the_first(project: Project, python: Path) -> None:
    project.index.stuck.add("gamma")
    first = project.start(python)
    assert project.index.reached.wait(120)
    second = subprocess.Popen(
        project.command(python), env=project.environment, text=True, stdout=subprocess.PIPE
    )
    assert second.stdout is not None
    assert any("waiting for another run" in line for line in second.stdout)
    project.index.stuck.clear()
    project.index.ended.set()
    assert (first.wait(120), second.wait(120)) == (0, 0)
    assert project.installed() == project.locked()
