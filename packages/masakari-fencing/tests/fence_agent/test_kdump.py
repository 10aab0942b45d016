"""A panicking hypervisor's own word, by the real `fence_kdump` where it is installed."""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from fencing_fakes import FakeRunner
from masakari_fencing.commands import NOT_FOUND, Subprocess
from masakari_fencing.fence_agent import agent, kdump
from masakari_fencing.fence_agent.agent import Agent, AgentError
from masakari_fencing.fence_agent.kdump import NoWordError

HOST = "node1.maas"
CIB = (
    f'<cib><configuration><resources><primitive id="{HOST}" type="remote"><instance_attributes>'
    '<nvpair name="server" value="10.0.0.1"/></instance_attributes></primitive></resources>'
    "</configuration></cib>"
)


class Program:
    """A runner for which a program takes its time, and ends with these codes."""

    def __init__(self, *codes: int, takes: float = 1.0) -> None:
        self.codes = list(codes)
        self.takes = takes
        self.now = 0.0
        self.calls: list[list[str]] = []

    def run(self, argv: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        self.calls.append(list(argv))
        self.now += self.takes
        return subprocess.CompletedProcess(list(argv), self.codes.pop(0), "", "")

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def wait(self, seconds: int) -> None:
        clock = lambda: self.now  # noqa: E731
        kdump.await_word(self, "10.0.0.1", seconds, clock=clock, sleep=self.sleep)


def test_its_word_ends_the_wait() -> None:
    program = Program(0)
    program.wait(30)
    words = ["fence_kdump", "--nodename=10.0.0.1", "--action=off", "--timeout=30"]
    assert program.calls == [words]


def test_whoever_finds_the_port_taken_tries_again_for_the_rest_of_the_time() -> None:
    program = Program(1, 1, 0)
    program.wait(30)
    assert [call[-1] for call in program.calls] == [f"--timeout={n}" for n in (30, 28, 26)]


def test_without_its_word_it_ends() -> None:
    program = Program(1, takes=30.0)
    with pytest.raises(NoWordError, match=r"no message of kdump from 10.0.0.1 within 30 s"):
        program.wait(30)


def test_a_member_without_the_program_does_not_wait() -> None:
    program = Program(NOT_FOUND, takes=0.0)
    with pytest.raises(NoWordError, match="fence_kdump is not installed"):
        program.wait(30)
    assert program.now == 0


def made(values: dict[str, str], reasons: list[str | None] | None = None) -> tuple[Agent, Any]:
    heard: list[tuple[str, int]] = []
    answers = list(reasons or [])
    runner = FakeRunner()
    runner.on("cibadmin --query", CIB)
    found = Agent(
        runner,
        {"nodename": HOST, "max_hosts": "2", **values},
        check=lambda *args, **options: answers.pop(0) if answers else None,
        remember=lambda refusal: None,
        forget=lambda node: None,
        listen=lambda runner, address, seconds: heard.append((address, seconds)),
    )
    return found, heard


@pytest.mark.parametrize("action", ["off", "reboot"])
def test_the_node_is_listened_to_where_the_cluster_connects_to_it(action: str) -> None:
    found, heard = made({"kdump": "20"})
    assert found.run(action) == 0
    assert heard == [("10.0.0.1", 20)]


def test_what_the_guard_refuses_is_not_listened_to() -> None:
    found, heard = made({"kdump": "20"}, ["3 of 10 are lost"])
    with pytest.raises(AgentError, match="3 of 10"):
        found.run("reboot")
    assert heard == []


def test_the_guard_is_asked_again_when_the_word_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "FRESH", -1.0)
    found, heard = made({"kdump": "20"}, [None, "the quorum is gone"])
    with pytest.raises(AgentError, match="the quorum is gone"):
        found.run("reboot")
    assert heard


def test_it_switches_nothing_on_so_that_the_next_level_does() -> None:
    found, heard = made({"kdump": "20"})
    with pytest.raises(AgentError, match="the next level does"):
        found.run("on")
    assert (found.run("status"), found.run("monitor"), heard) == (0, 0, [])


@pytest.mark.parametrize("value", ["", "0"])
def test_without_a_time_nothing_is_waited_for(value: str) -> None:
    found, heard = made({"kdump": value})
    assert (found.run("reboot"), heard) == (0, [])


@pytest.mark.parametrize("value", ["x", "-1", "1.5"])
def test_a_time_that_is_none(value: str) -> None:
    found, _ = made({"kdump": value})
    with pytest.raises(AgentError, match="kdump: "):
        found.run("reboot")


@pytest.mark.skipif(not shutil.which("fence_kdump"), reason="no fence_kdump: apt fence-agents")
def test_the_real_program() -> None:
    """A message as `fence_kdump_send` sends it: magic 0x1B302A40, version 1 (its message.h)."""
    done = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while not done.wait(0.2):
                out.sendto(struct.pack("=II", 0x1B302A40, 0x1), ("127.0.0.1", 7410))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        kdump.await_word(Subprocess(), "127.0.0.1", 20)
    finally:
        done.set()
        thread.join()
    begun = time.monotonic()
    with pytest.raises(NoWordError):
        kdump.await_word(Subprocess(), "127.0.0.1", 2)
    assert time.monotonic() - begun >= 1
