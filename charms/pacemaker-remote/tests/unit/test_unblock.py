"""The unblocker: its service on a machine, and its shell script with `ss` replaced."""

import subprocess

import pytest
from hypervisor import install, templates
from workload.own_node import Monitor
from workload.unblock import SCRIPT, SERVICE, UNIT, Unblocker

ACCEPTED = (
    "0 {unsent} [::ffff:10.0.0.21]:3121 [::ffff:10.0.0.{host}]:{port} "
    'users:(("pacemaker-remot",pid=99,fd=14)) cubic rto:200 lastsnd:9 lastrcv:{silent} lastack:9'
)
WAITING = "85 0 [::ffff:10.0.0.21]:3121 [::ffff:10.0.0.12]:40002 cubic lastsnd:9 lastrcv:3500"

SS = """#!/bin/sh
echo "$*" >>{log}
case "$*" in
    -Hltn*) cat {folder}/listening ;;
    -HOtnpi*) cat {folder}/established ;;
esac
"""

SLEEP = """#!/bin/sh
# Ends the script after some looks.
echo sleep >>{folder}/slept
test "$(wc -l <{folder}/slept)" -le 4 || kill "$PPID"
"""


@pytest.fixture
def run(tmp_path, host, monkeypatch):
    """Run the script for four looks; return the resets that it asked for."""
    monkeypatch.undo()  # these tests are about a process
    install(host)
    Unblocker(host, templates(host)).install(None)
    log = tmp_path / "log"
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in (("ss", SS), ("sleep", SLEEP), ("logger", "#!/bin/sh\n")):
        (tools / name).write_text(text.format(log=log, folder=tmp_path))
        (tools / name).chmod(0o755)

    def run(waiting, *established):
        (tmp_path / "listening").write_text(f"LISTEN {waiting} 10 *:3121 *:*\n")
        (tmp_path / "established").write_text("".join(f"{line}\n" for line in established))
        environment = {"PATH": f"{tools}:/usr/sbin:/usr/bin:/sbin:/bin"}
        subprocess.run([host.path(SCRIPT)], env=environment, timeout=30, check=False)
        return [line for line in log.read_text().splitlines() if line.startswith("-K")]

    return run


def test_the_connection_of_a_dead_member_is_reset_when_others_wait(run):
    dead = ACCEPTED.format(host=11, port=40001, silent=3100, unsent=0)
    resets = run(1, dead, WAITING)
    assert set(resets) == {"-K -tn state established sport = :3121 dport = :40001"}


def test_a_silent_connection_that_nobody_waits_behind_stays(run):
    """Nobody looks at it in maintenance, and its member lives."""
    assert run(0, ACCEPTED.format(host=11, port=40001, silent=99999, unsent=0)) == []


def test_the_connection_is_reset_to_which_nothing_arrives_any_longer(run):
    """The daemon would wait for its kernel to take more, and answer nobody."""
    dead = ACCEPTED.format(host=11, port=40001, silent=21100, unsent=690)
    live = ACCEPTED.format(host=12, port=40002, silent=900, unsent=345)
    resets = run(0, dead, live)
    assert set(resets) == {"-K -tn state established sport = :3121 dport = :40001"}


def test_a_member_for_which_the_cluster_would_still_wait_is_not_disturbed(run):
    assert run(0, ACCEPTED.format(host=11, port=40001, silent=20900, unsent=690)) == []


def test_a_member_that_was_heard_of_is_not_disturbed(run):
    assert run(1, ACCEPTED.format(host=11, port=40001, silent=2900, unsent=0), WAITING) == []


def test_the_service_runs_with_the_daemon_and_leaves_with_it(host):
    install(host)
    unblocker = Unblocker(host, templates(host))
    unblocker.install(None)
    assert host.mode(SCRIPT) == 0o755
    assert "PartOf=pacemaker_remote.service" in host.read(UNIT)
    log = [("daemon-reload", ""), ("enable", SERVICE), ("restart", SERVICE)]
    assert host.systemd.log == log
    unblocker.install(None)
    assert host.systemd.log == log
    unblocker.remove()
    unblocker.remove()
    assert host.systemd.log[3:] == [("stop", SERVICE), ("disable", SERVICE), ("daemon-reload", "")]
    assert not host.path(SCRIPT).exists()


def test_a_service_that_stopped_is_started_again(host):
    install(host)
    unblocker = Unblocker(host, templates(host))
    unblocker.install(Monitor(2, 4))
    host.systemd.services[SERVICE].active = False
    unblocker.install(Monitor(2, 4))
    assert host.systemd.running(SERVICE)


@pytest.mark.parametrize(
    ("monitor", "silence", "gone"),
    [
        (None, 3000, 21000),
        (Monitor(0.5, 3), 3000, 4500),
        (Monitor(2, 4), 3000, 7000),
        (Monitor(5, 20), 6000, 26000),
        (Monitor(30, 60), 31000, 91000),
    ],
)
def test_a_member_that_looks_seldom_is_not_taken_for_dead(host, monitor, silence, gone):
    install(host)
    unblocker = Unblocker(host, templates(host))
    for known in (monitor, None):  # what was known stays
        unblocker.install(known)
        assert f"\nSILENCE={silence} " in host.read(SCRIPT)
        assert f"\nGONE={gone} " in host.read(SCRIPT)
