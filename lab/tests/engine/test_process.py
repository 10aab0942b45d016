"""A charm's process and the controller that follows it, which may die at any moment."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from jujulab.engine.agent import process
from jujulab.machines.backend import LocalLab, LocalMachine
from jujulab.machines.processes import start_time


@pytest.fixture
def machine(tmp_path: Path) -> LocalMachine:
    lab = LocalLab(tmp_path / "lab")
    lab.up()
    machine = lab.create("0")
    machine.start()
    return machine


def test_output_exit_code_and_an_empty_input(machine, tmp_path):
    said = []
    record = tmp_path / "record"
    code = process.run(
        machine,
        ["/bin/sh", "-c", "cat; echo one; echo two >&2; exit 3"],
        {},
        record=record,
        sink=lambda stream, text: said.append((stream, text)),
    )
    assert code == 3
    assert sorted(said) == [("stderr", "two\n"), ("stdout", "one\n")]
    assert not record.exists()


def test_a_program_that_does_not_exist_is_named(machine, tmp_path):
    said = []
    code = process.run(
        machine,
        ["/no/such/program"],
        {},
        record=tmp_path / "record",
        sink=lambda _stream, text: said.append(text),
    )
    assert code == 127
    assert "/no/such/program" in "".join(said)


def test_nothing_runs_that_no_record_names(machine, tmp_path, monkeypatch):
    """The controller dies between the start of a process and the note of it."""
    made = tmp_path / "made"
    monkeypatch.setattr(process, "replace_text", lambda *_: os._exit(9))
    child = os.fork()
    if child == 0:
        process.run(
            machine,
            ["/bin/sh", "-c", f"touch {made}"],
            {},
            record=tmp_path / "record",
            sink=lambda *_: None,
        )
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    (started,) = (tmp_path / "lab").rglob("pid-*")
    until_ended(int(started.name.removeprefix("pid-")))
    assert not made.exists()


def test_all_that_a_record_names_is_ended(tmp_path):
    """A process that goes on making others loses none of them to the time between two looks."""
    # Not for ever: nothing else ends it where this test is ended.
    forking = (
        'i=0; while [ $((i += 1)) -lt 3000 ]; do sh -c "sleep 9 & sleep 9" & sleep 0.001; done'
    )
    started = subprocess.Popen(["/bin/sh", "-c", forking], start_new_session=True)
    record = tmp_path / "record"
    record.write_text(f"{started.pid} {start_time(started.pid)}")
    try:
        time.sleep(0.2)
        process.kill_leftover(record)
        assert started.wait(timeout=10) == -signal.SIGKILL
        ended = time.monotonic() + 10
        while running := in_session(started.pid):
            assert time.monotonic() < ended, running
            time.sleep(0.01)
    finally:
        for pid in in_session(started.pid):
            os.kill(pid, signal.SIGKILL)
    assert not record.exists()


def test_a_later_process_of_the_same_number_is_left_alone(tmp_path):
    other = subprocess.Popen(["/bin/sleep", "60"])
    record = tmp_path / "record"
    record.write_text(f"{other.pid} 1")
    try:
        process.kill_leftover(record)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
    assert not record.exists()


@pytest.mark.parametrize("text", ["", "12", "not a number", "x y"])
def test_a_record_that_names_nothing_is_removed(tmp_path, text):
    record = tmp_path / "record"
    record.write_text(text)
    process.kill_leftover(record)
    assert not record.exists()


def in_session(leader: int) -> list[int]:
    """Return the processes of a session that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session) == leader and state != "Z":
            found.append(int(stat.parent.name))
    return found


def until_ended(pid: int) -> None:
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
