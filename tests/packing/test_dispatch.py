"""The charms' own dispatch: which Python it starts, with which environment."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import workspace

TELL = "import json, os, sys\nprint(json.dumps([sys.executable, sys.path[0], dict(os.environ)]))\n"


@pytest.fixture
def python():
    """The program that dispatch takes, whatever runs these tests."""
    return Path(shutil.which("python3")).resolve()


@pytest.fixture
def charm(tmp_path, python):
    """An unpacked charm that tells what it was started with."""
    directory = tmp_path / "unit" / "charm"
    (directory / "venv" / "lib" / python.name).mkdir(parents=True)
    (directory / "venv" / "pyvenv.cfg").write_text(f"home = {python.parent}\n")
    (directory / "src").mkdir()
    (directory / "src" / "charm.py").write_text(TELL)
    shutil.copy2(workspace.REPOSITORY / "charms" / "dispatch", directory)
    return directory


def dispatch(charm, **variables):
    left_out = ("PYTHONPATH", "LD_LIBRARY_PATH", "JUJU_ACTION_NAME")
    inherited = {name: v for name, v in os.environ.items() if name not in left_out}
    return subprocess.run(
        [charm / "dispatch"],
        env={**inherited, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def ran(charm, hook):
    """Whether Python ran in a hook."""
    done = dispatch(charm, JUJU_DISPATCH_PATH=f"hooks/{hook}")
    assert done.returncode == 0, done.stderr
    return bool(done.stdout)


def test_programs_that_the_charm_starts_get_none_of_its_paths(charm):
    done = dispatch(charm, JUJU_DISPATCH_PATH="hooks/install")
    assert done.returncode == 0, done.stderr
    executable, first, environment = json.loads(done.stdout)
    assert executable == str(charm / "venv" / "bin" / "python")
    assert first == str(charm / "src")
    assert not {"PYTHONPATH", "LD_LIBRARY_PATH"} & environment.keys()
    assert environment["JUJU_DISPATCH_PATH"] == "hooks/install"


def test_a_unit_that_only_joins_starts_no_python(charm):
    """The hook relation-changed follows, with what the unit has published."""
    done = dispatch(charm, JUJU_DISPATCH_PATH="hooks/amqp-relation-joined")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_new_unit_starts_python_to_install_and_to_start(charm):
    """What comes between would do the same: `start` does it all."""
    elected = ("leader-elected", "leader-settings-changed")
    hooks = ("install", "db-relation-created", *elected, "config-changed", "start")
    assert [hook for hook in hooks if ran(charm, hook)] == ["install", "start"]
    later = ("db-relation-created", "leader-elected", "config-changed", "db-relation-changed")
    assert all(ran(charm, hook) for hook in later)
    assert not ran(charm, "leader-settings-changed")


def test_a_unit_that_is_taken_away_before_it_starts_cleans_up(charm):
    hooks = ("db-relation-departed", "db-relation-broken", "stop", "remove")
    assert all(ran(charm, hook) for hook in hooks)


def test_a_unit_that_has_an_older_charm_counts_as_started(charm):
    assert ran(charm, "upgrade-charm")
    assert ran(charm, "config-changed") and ran(charm, "db-relation-created")


def test_a_link_to_a_python_that_is_gone_is_made_anew(charm, python):
    link = charm / "venv" / "bin" / "python"
    link.parent.mkdir()
    link.symlink_to("/nowhere/python3.8")
    assert dispatch(charm).returncode == 0
    assert link.readlink() == python


@pytest.mark.parametrize(
    ("variables", "tool"),
    [({}, "status-set blocked"), ({"JUJU_ACTION_NAME": "pause"}, "action-fail")],
)
def test_a_pack_for_another_ubuntu_says_so_and_does_nothing(charm, tmp_path, variables, tool):
    (charm / "venv" / "lib").joinpath(Path(shutil.which("python3")).resolve().name).rename(
        charm / "venv" / "lib" / "python3.8"
    )
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("status-set", "action-fail"):
        (tools / name).write_text('#!/bin/sh\necho "${0##*/} $*"\n')
        (tools / name).chmod(0o755)
    done = dispatch(charm, PATH=f"{tools}:{os.environ['PATH']}", **variables)
    assert done.returncode == 0
    assert done.stdout.startswith(f"{tool} packed for python3.8, not python3.")
    assert "refresh to the file" in done.stdout
    assert not (charm / "venv" / "bin").exists()
