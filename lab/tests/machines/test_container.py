import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from jujulab.machines import processes
from jujulab.machines.cgroups import Cgroup
from jujulab.machines.container import Container, ContainerError


@pytest.fixture
def subject(tmp_path):
    return Container("lab.1", tmp_path / "root", tmp_path / "1.pid", Cgroup("lab/1", {}))


@pytest.fixture
def supervisor(tmp_path):
    """A process that looks like the container's systemd-nspawn."""
    argv = [
        sys.executable,
        "-c",
        "import time; time.sleep(60)",
        f"--directory={tmp_path / 'root'}",
    ]
    with started(argv) as process:
        yield process


@contextlib.contextmanager
def started(argv):
    """Start a process and wait until its command line can be read, a moment after the exec."""
    with subprocess.Popen(argv) as process:
        deadline = time.monotonic() + 10
        while not Path(f"/proc/{process.pid}/cmdline").read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.001)
        yield process
        process.kill()


def test_nothing_runs_without_a_pid_file(subject):
    assert subject.supervisor is None
    assert subject.init is None
    assert subject.boot_id is None
    assert not subject.running


def test_the_supervisor_is_found_through_its_file(subject, supervisor, tmp_path):
    (tmp_path / "1.pid").write_text(f"{supervisor.pid}\n")
    assert subject.supervisor == supervisor.pid
    assert subject.running


def test_a_number_that_another_process_has_now_is_not_believed(subject, tmp_path):
    (tmp_path / "1.pid").write_text(f"{os.getpid()}\n")
    assert subject.supervisor is None


def test_a_container_in_a_longer_path_is_another_one(subject, tmp_path):
    argv = [sys.executable, "-c", "import time; time.sleep(60)", f"--directory={tmp_path}/root2"]
    with started(argv) as process:
        (tmp_path / "1.pid").write_text(f"{process.pid}\n")
        assert subject.supervisor is None


def test_a_zombie_is_dead(subject, supervisor, tmp_path):
    (tmp_path / "1.pid").write_text(f"{supervisor.pid}\n")
    os.kill(supervisor.pid, signal.SIGKILL)
    os.waitid(os.P_PID, supervisor.pid, os.WEXITED | os.WNOWAIT)
    assert subject.supervisor is None


@pytest.mark.parametrize("text", ["", "rubbish", "99999999"])
def test_a_broken_pid_file_means_off(subject, tmp_path, text):
    (tmp_path / "1.pid").write_text(text)
    assert not subject.running


def test_kill_ends_the_supervisor_and_forgets_it(subject, supervisor, tmp_path):
    (tmp_path / "1.pid").write_text(f"{supervisor.pid}\n")
    subject.kill(timeout=5)
    assert supervisor.wait(5) == -signal.SIGKILL
    assert not (tmp_path / "1.pid").exists()


def test_commands_need_a_running_container(subject):
    with pytest.raises(ContainerError, match=r"lab\.1 is not running"):
        subject.run(["true"])


def test_the_start_time_survives_odd_process_names(tmp_path):
    program = tmp_path / "a) b (c"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as process:
        first = processes.start_time(process.pid)
        process.kill()
    assert first is not None
    assert first.isdigit()
    assert processes.start_time(process.pid) is None
