"""Which process it is that carries out a recovery."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
from masakari_fencing import processes
from masakari_fencing.pacemaker import tools


def test_processes_are_told_apart() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        identity = processes.identity(process.pid)
        assert processes.lives(identity) is True
        assert processes.lives(processes.identity()) is True
        assert processes.identity() != identity
        assert processes.identity() == processes.identity(os.getpid())
        earlier = identity.rsplit(".", 1)[0] + ".1"
        assert processes.lives(earlier) is False, "another process with the same number"
        process.kill()
    assert processes.lives(identity) is False


@pytest.mark.parametrize("process", ["elsewhere.b.1.1", "nonsense", "", "a.b.c"])
def test_of_a_process_elsewhere_nothing_is_known(process: str) -> None:
    assert processes.lives(process) is None


@pytest.mark.parametrize("rest", ["b.x.1", "b.0.1", "b..1", "..."])
def test_one_of_this_machine_that_is_none_does_not_live(rest: str) -> None:
    assert processes.lives(f"{socket.gethostname()}.{rest}") is not True


def fake_proc(directory: Path, boot: str = "0123456789abcdef") -> Path:
    """A kernel's view with one process whose name looks like more fields than it is."""
    (directory / "7").mkdir()
    (directory / "7" / "stat").write_text("7 (a) b) " + " ".join(str(n) for n in range(3, 53)))
    (directory / "sys/kernel/random").mkdir(parents=True)
    (directory / "sys/kernel/random/boot_id").write_text(f"{boot}\n")
    return directory


def test_a_process_with_a_strange_name(tmp_path: Path) -> None:
    identity = processes.identity(7, fake_proc(tmp_path))
    assert identity == f"{socket.gethostname()}.01234567.7.22"
    assert processes.lives(identity, tmp_path) is True


def test_after_a_boot_the_same_number_is_another_process(tmp_path: Path) -> None:
    identity = processes.identity(7, fake_proc(tmp_path))
    (tmp_path / "sys/kernel/random/boot_id").write_text("fedcba9876543210\n")
    assert processes.lives(identity, tmp_path) is False


def test_no_such_process(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="8"):
        processes.identity(8, fake_proc(tmp_path))


def test_the_machine_of_a_process_whatever_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("juju-1-lxd-0", "juju-1-lxd-0.maas.example"):
        monkeypatch.setattr(socket, "gethostname", lambda name=name: name)
        identity = processes.identity()
        assert processes.machine(identity) == name
        assert processes.lives(identity) is True
        tools.check_name(identity)
