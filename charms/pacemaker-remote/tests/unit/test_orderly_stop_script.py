"""The shell script of an orderly stop itself, with Pacemaker's tools replaced on its PATH."""

import os
import stat
import subprocess

import pytest
from hypervisor import templates
from workload.orderly_stop import SCRIPT, OrderlyStop

NODE = "node1.maas"
FINGERPRINT = "2c70e12b7a0646f9"  # sha256sum of "key", first 16 digits
TOOL = """#!/bin/sh
echo "{name} $*" >> {log}
case "$*" in *is-active*) exit $(cat {log}.active 2>/dev/null || echo 0) ;; esac
exit $(cat {log}.{name} 2>/dev/null || echo 0)
"""


@pytest.fixture
def tools(tmp_path):
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in ("crm_resource", "cibadmin", "systemctl", "logger"):
        tool = directory / name
        tool.write_text(TOOL.format(name=name, log=tmp_path / "log"))
        tool.chmod(0o755)
    return directory


@pytest.fixture
def run(tmp_path, host, tools, monkeypatch):
    monkeypatch.undo()  # these tests are about a process
    OrderlyStop(host, templates(host)).install(NODE)
    (tmp_path / "authkey").write_text("key")
    text = (
        host.read(SCRIPT)
        .replace("/etc/pacemaker/authkey", str(tmp_path / "authkey"))
        .replace("/run/pacemaker-remote-guard.lock", str(tmp_path / "lock"))
        .replace("LIMIT=6 ", "LIMIT=3 ")
        .replace("WAIT=90 ", "WAIT=1 ")
    )
    script = tmp_path / "script"
    script.write_text(text)
    script.chmod(stat.S_IRWXU)

    def run(*argv):
        result = subprocess.run(
            [script, *argv],
            env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
            timeout=30,
            check=False,
            capture_output=True,
        )
        log = tmp_path / "log"
        calls = log.read_text().splitlines() if log.exists() else []
        return result.returncode, calls

    return run


def exit_with(tmp_path, tool, code):
    (tmp_path / f"log.{tool}").write_text(str(code))


def test_a_stop_marks_unmanages_and_waits_for_the_acknowledgement(run):
    code, calls = run("stop")
    assert code == 0
    meta = f"crm_resource --resource {NODE} --meta --set-parameter"
    assert calls[:2] == [
        f"{meta} instance-ha-guard --parameter-value {FINGERPRINT}",
        f"{meta} is-managed --parameter-value false",
    ]
    assert calls[2].startswith("cibadmin --query --xpath //node_state")
    assert "node_in_maintenance" in calls[2]
    assert "unmanaged" in calls[3]


def test_an_isolated_host_stops_all_the_same_and_soon(run, tmp_path):
    exit_with(tmp_path, "crm_resource", 102)
    code, calls = run("stop")
    assert code == 0
    assert len([c for c in calls if c.startswith("crm_resource")]) > 1, "it tries again"
    assert "out of reach" in calls[-1]


def test_a_node_that_the_cluster_does_not_have_stops_at_once(run, tmp_path):
    exit_with(tmp_path, "crm_resource", 105)
    code, calls = run("stop")
    assert code == 0
    assert len([c for c in calls if c.startswith("crm_resource")]) == 1
    assert "not in the cluster" in calls[-1]


def test_a_cluster_that_never_acknowledges_does_not_hold_a_shutdown_for_ever(run, tmp_path):
    exit_with(tmp_path, "cibadmin", 105)
    code, calls = run("stop")
    assert code == 0
    assert "did not acknowledge" in calls[-1]


def test_a_host_cut_off_while_it_waits_stops_at_once(run, tmp_path):
    exit_with(tmp_path, "cibadmin", 102)
    code, calls = run("stop")
    assert code == 0
    assert len([call for call in calls if call.startswith("cibadmin")]) == 1
    assert "lost the cluster" in calls[-1]


def test_clear_gives_the_connection_back(run):
    _, calls = run("clear")
    removed = [call.split()[-1] for call in calls if call.startswith("crm_resource")]
    assert removed == ["is-managed", "instance-ha-guard"]


def test_clear_keeps_out_of_the_way_of_a_stop(run, tmp_path):
    exit_with(tmp_path, "active", 3)
    _, calls = run("clear")
    assert not [call for call in calls if call.startswith("crm_resource")]


def test_clear_that_fails_keeps_the_marker(run, tmp_path):
    exit_with(tmp_path, "crm_resource", 102)
    code, calls = run("clear")
    assert code == 0
    assert len([call for call in calls if call.startswith("crm_resource")]) == 1


def test_misuse(run):
    assert run("whatever")[0] == 64
