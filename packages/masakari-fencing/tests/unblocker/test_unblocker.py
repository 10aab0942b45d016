"""Which connections are reset: by what ss prints, and with a real one in a network of its own."""

import os
import shutil
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import masakari_fencing
import pytest
from fencing_fakes import FakeRunner
from masakari_fencing.unblocker import unblocker
from masakari_fencing.unblocker.unblocker import Unblocker, longest_silence, read_connections

CIB = """<xpath-query>
 <op id="a" name="monitor" interval="1s" timeout="3s"/>
 <op id="b" name="monitor" interval="2000ms" timeout="4"/>
</xpath-query>"""

LINE = (
    "0      0      10.0.0.11:{port} 10.0.0.{host}:3121 cubic wscale:7,7 rto:204 rtt:0.1/0.05 "
    "cwnd:10 lastsnd:12 lastrcv:{silent} lastack:12 pacing_rate 2Gbps rcv_space:14480\n"
)


def runner(*lines: str, cib: "str | int" = CIB) -> FakeRunner:
    return FakeRunner().on("ss -HOtni", "".join(lines)).on("cibadmin", cib).on("ss -K", "")


def resets(runner: FakeRunner) -> list[str]:
    return [call[-1] for call in runner.calls if call[:2] == ["ss", "-K"]]


def line(silent: int, *, host: int = 21, port: int = 40001) -> str:
    return LINE.format(silent=silent, host=host, port=port)


def test_a_silent_connection_to_a_host_that_is_gone_is_reset() -> None:
    run = runner(line(7100), line(7100, host=22, port=40002))
    Unblocker(run, lambda host: host == "10.0.0.22").check()
    assert resets(run) == ["dst 10.0.0.21 and dport = :3121 and sport = :40001"]


def test_what_pacemaker_itself_still_waits_for_is_left_alone() -> None:
    """Two seconds between two looks, four for an answer, and one because timers are late."""
    run = runner(line(6900))
    Unblocker(run, lambda host: False).check()
    assert resets(run) == []


@pytest.mark.parametrize("cib", [1, 124, "<cut sho"])
def test_a_cluster_that_does_not_answer_has_nothing_reset(cib: "str | int") -> None:
    run = runner(line(99999), cib=cib)
    Unblocker(run, lambda host: False).check()
    assert resets(run) == []


def test_without_a_monitor_pacemakers_own_limit_counts() -> None:
    assert longest_silence(runner(cib=105)) == 21
    assert longest_silence(runner(cib='<x><op interval="1min"/></x>')) == 81


def test_one_that_nobody_monitors_is_judged_ever_more_seldom() -> None:
    asked = []
    run = runner(line(7100))
    found = Unblocker(run, lambda host: asked.append(host) or True)
    for silent in range(7100, 40000, 1000):
        run.on("ss -HOtni", line(silent))
        found.check()
    assert len(asked) == 4


def test_a_connection_of_the_same_host_that_is_new_is_judged_anew() -> None:
    asked: list[str] = []
    run = runner(line(9000))
    found = Unblocker(run, lambda host: bool(asked.append(host)) or True)
    found.check()
    run.on("ss -HOtni", line(100, port=40003))
    found.check()
    run.on("ss -HOtni", line(7200, port=40003))
    found.check()
    assert asked == ["10.0.0.21"] * 2


def test_a_healthy_cluster_costs_one_process_for_each_look() -> None:
    run = runner(line(900))
    found = Unblocker(run, lambda host: True)
    for _ in range(5):
        found.check()
    assert [call[0] for call in run.calls].count("cibadmin") == 1
    assert len(run.calls) == 6


def test_what_ss_prints_of_other_families_and_nonsense() -> None:
    text = (
        "0 0 [::1]:50000 [::1]:3121 cubic lastrcv:4000 lastack:1\n"
        "0 0 [::1]:50001 [::1]:3121 cubic\n"
        "Cannot open netlink socket: Operation not permitted\n\n"
    )
    assert [tuple(c) for c in read_connections(text)] == [(50000, "[::1]", 4.0)]


def test_a_closed_port_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(unblocker, "PORT", free.getsockname()[1])
    assert unblocker.accepts("127.0.0.1")
    monkeypatch.setattr(socket, "create_connection", _no_route)
    assert not unblocker.accepts("10.0.0.21")


def _no_route(address: object, timeout: float) -> None:
    raise OSError(113, "No route to host")


_REAL = """
import socket, subprocess, time
from masakari_fencing.commands import Subprocess
from masakari_fencing.unblocker.unblocker import Unblocker

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
server = socket.create_server(("127.0.0.1", 3121))
clients = [socket.create_connection(("127.0.0.1", 3121)) for _ in range(2)]
served = [server.accept()[0] for _ in clients]


class Runner(Subprocess):
    def run(self, argv, **options):
        if argv[0] == "cibadmin":
            text = '<x><op name="monitor" interval="10ms" timeout="10ms"/></x>'
            return subprocess.CompletedProcess(argv, 0, text, "")
        done = super().run(argv, **options)
        if "-HOtni" in argv:  # only the second one is silent
            lines = [line for line in done.stdout.splitlines() if "lastrcv" in line]
            mine = [l for l in lines if f":{clients[1].getsockname()[1]} " in l]
            done.stdout = mine[0].replace("lastrcv:", "lastrcv:9")
        return done


time.sleep(0.2)
Unblocker(Runner(), lambda host: False).check()
clients[0].setblocking(False)
try:
    clients[0].recv(1)
except BlockingIOError:
    print("first lives")
try:
    clients[1].settimeout(5)
    print("second ends", clients[1].recv(1))
except ConnectionError:
    print("second ends")
"""


def test_the_kernel_resets_that_connection_and_no_other() -> None:
    alone = ["unshare", "--user", "--map-root-user", "--net"]
    tools = [shutil.which(name) for name in ("unshare", "ss", "ip")]
    if not all(tools) or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("needs unshare, ss and ip, and a network namespace of one's own")
    script = [*alone, sys.executable, "-c", textwrap.dedent(_REAL)]
    paths = {"PYTHONPATH": str(Path(masakari_fencing.__file__).parents[1])}
    done = subprocess.run(
        script, env={**os.environ, **paths}, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[:1] == ["first lives"], done.stderr
    assert done.stdout.splitlines()[1].startswith("second ends"), done.stderr
