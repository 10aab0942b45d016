"""The notifier as a process, from Pacemaker's alert to the notification, and its commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import masakari_fencing
import pytest
from fencing_fakes import Cluster, Remote
from fencing_masakari import FakeMasakari
from masakari_fencing import alert
from masakari_fencing.commands import NOT_FOUND, TIMED_OUT, Subprocess
from masakari_fencing.records import out_of_service

HOST = "node1.maas"
REF = "b0482eb9-efed-4a5e-8705-bf354f86c07f"


@pytest.fixture
def masakari() -> Iterator[FakeMasakari]:
    server = FakeMasakari([HOST, "node2.maas"])
    server.hosts["node2.maas"]["on_maintenance"] = True
    yield server
    server.close()


class Daemon:
    """A member of a cluster: Pacemaker's commands, a spool, and the notifier."""

    def __init__(self, directory: Path, masakari: FakeMasakari) -> None:
        self.directory = directory
        cluster = Cluster([Remote(HOST, online=False)], dc="juju-1-lxd-0")
        programs = directory / "bin"
        programs.mkdir()
        (directory / "crm_mon.xml").write_text(cluster.crm_mon())
        for name, body in {
            "crm_mon": f"cat {directory}/crm_mon.xml",
            "crm_node": "echo juju-1-lxd-0",
            "cibadmin": "exit 105",
        }.items():
            (programs / name).write_text(f"#!/bin/sh\n{body}\n")
            (programs / name).chmod(0o755)
        (directory / "spool").mkdir()
        (directory / "conf").write_text(
            f"""[keystone]
auth_url = {masakari.url.removesuffix("/v1")}/v3
username = masakari
password = s3cret
project_name = services
[api]
endpoints = {masakari.url}
[notifier]
spool = {directory}/spool
socket = {directory}/wake
out_of_service = {directory}/out-of-service
"""
        )
        self.log = directory / "log"
        source = Path(masakari_fencing.__file__).parents[1]
        self.environment = {**os.environ, "PYTHONPATH": str(source)}
        self.environment["PATH"] = f"{programs}:{self.environment['PATH']}"
        self.start()

    def start(self) -> None:
        argv = [sys.executable, "-m", "masakari_fencing.notifier"]
        argv += ["--config-file", str(self.directory / "conf")]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(argv, env=self.environment, stderr=log)

    def alert(self) -> None:
        """Run the alert agent, as Pacemaker does when the host has been fenced."""
        environment = {
            "CRM_alert_desc": f"Operation reboot of {HOST} by a for b@c: OK (ref={REF})",
            "CRM_alert_kind": "fencing",
            "CRM_alert_node": HOST,
            "CRM_alert_rc": "0",
            "CRM_alert_task": "st_notify_fence",
            "CRM_alert_timestamp_epoch": f"{time.time():.0f}",
            "MASAKARI_FENCING_SPOOL": str(self.directory / "spool"),
            "MASAKARI_FENCING_SOCKET": str(self.directory / "wake"),
        }
        subprocess.run([sys.executable, "-IS", alert.__file__], env=environment, check=True)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


def wait_for(condition: object, limit: float = 20) -> None:
    end = time.monotonic() + limit
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "took too long"
        time.sleep(0.02)


def test_an_alert_becomes_a_notification(tmp_path: Path, masakari: FakeMasakari) -> None:
    daemon = Daemon(tmp_path, masakari)
    try:
        wait_for(lambda: any("auth/tokens" in request for request in masakari.requests))
        daemon.alert()
        wait_for(lambda: masakari.notifications)
        wait_for(lambda: not list((tmp_path / "spool").iterdir()))
        wait_for(lambda: (tmp_path / "out-of-service").exists())
    finally:
        code = daemon.stop()
    assert code == 0
    found = out_of_service.read(tmp_path / "out-of-service", time.time())
    assert found.maintenance == ("node2.maas",)
    tokens = [request for request in masakari.requests if "auth/tokens" in request]
    assert len(tokens) == 1, "the token was ready before it was needed"
    assert REF in daemon.log.read_text()
    assert "s3cret" not in daemon.log.read_text()


def test_an_alert_while_the_notifier_is_away_is_not_lost(
    tmp_path: Path, masakari: FakeMasakari
) -> None:
    daemon = Daemon(tmp_path, masakari)
    try:
        wait_for(lambda: (tmp_path / "wake").exists())
        daemon.process.kill()
        daemon.process.wait(10)
        daemon.alert()
        assert masakari.notifications == []
        daemon.start()
        wait_for(lambda: masakari.notifications)
    finally:
        daemon.stop()


def test_commands() -> None:
    runner = Subprocess()
    assert runner.run(["cat"], input="text").stdout == "text"
    assert runner.run(["cat"]).stdout == ""
    assert runner.run(["sleep", "5"], timeout=0.1, check=False).returncode == TIMED_OUT
    assert runner.run(["/no/such/program"], check=False).returncode == NOT_FOUND
    assert runner.run(["false"], check=False).returncode == 1
    with pytest.raises(subprocess.CalledProcessError):
        runner.run(["false"])
