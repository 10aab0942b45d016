"""The alert agent, run as Pacemaker runs it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from masakari_fencing import alert
from masakari_fencing.records.spool import Spool

SCRIPT = Path(alert.__file__)
REF = "b0482eb9-efed-4a5e-8705-bf354f86c07f"


def environment(tmp_path: Path, **changes: str) -> dict[str, str]:
    """What Pacemaker 2.1.5 sets for a completed fencing."""
    values = {
        "CRM_alert_desc": "Operation reboot of node1.maas by juju-1-lxd-0 for "
        f"pacemaker-controld.455@juju-2-lxd-0: OK (ref={REF})",
        "CRM_alert_kind": "fencing",
        "CRM_alert_node": "node1.maas",
        "CRM_alert_node_sequence": "1",
        "CRM_alert_rc": "0",
        "CRM_alert_recipient": "",
        "CRM_alert_task": "st_notify_fence",
        "CRM_alert_timestamp": "03:53:43.558412",
        "CRM_alert_timestamp_epoch": "1795233223",
        "CRM_alert_timestamp_usec": "558412",
        "CRM_alert_version": "2.1.5",
        "MASAKARI_FENCING_SPOOL": str(tmp_path),
        "MASAKARI_FENCING_SOCKET": str(tmp_path / "wake"),
    }
    values.update(changes)
    return {name: value for name, value in values.items() if value != "UNSET"}


def run(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-IS", str(SCRIPT)],
        env=environ,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )


def test_a_completed_fencing_is_spooled_and_the_notifier_poked(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wake:
        wake.bind(str(tmp_path / "wake"))
        wake.settimeout(5)
        result = run(environment(tmp_path))
        assert (result.returncode, result.stderr) == (0, "")
        assert wake.recv(16)
    (event,) = Spool(tmp_path).events()
    assert (event.id, event.node, event.time) == (REF, "node1.maas", 1795233223.558412)
    path = tmp_path / f"{REF}.json"
    assert json.loads(path.read_text())["action"] == "reboot"
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    "changes",
    [
        {"CRM_alert_rc": "1"},
        {"CRM_alert_rc": "UNSET"},
        {"CRM_alert_kind": "node"},
        {"CRM_alert_task": "st_notify_history_synced"},
        {"CRM_alert_node": ""},
        {"CRM_alert_desc": f"Operation on of node1.maas by x for y@z: OK (ref={REF})"},
        {"CRM_alert_desc": "A fencing device (x) was added"},
        {"CRM_alert_desc": "Operation off of node1.maas by x for y@z: OK (ref=../../etc/x)"},
        {"CRM_alert_desc": "UNSET"},
    ],
)
def test_other_events_leave_nothing(tmp_path: Path, changes: dict[str, str]) -> None:
    assert run(environment(tmp_path, **changes)).returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_the_word_of_an_operator_is_an_event(tmp_path: Path) -> None:
    text = f"Operation off of node1.maas by a human for stonith_admin.8@ha1: OK (ref={REF})"
    assert run(environment(tmp_path, CRM_alert_desc=text)).returncode == 0
    assert [(event.id, event.node) for event in Spool(tmp_path).events()] == [(REF, "node1.maas")]


def test_an_event_is_kept_while_no_notifier_runs(tmp_path: Path) -> None:
    result = run(environment(tmp_path))
    assert result.returncode == 0
    assert "alert" in result.stderr
    assert [event.id for event in Spool(tmp_path).events()] == [REF]


def test_the_cluster_is_not_disturbed_by_a_missing_spool(tmp_path: Path) -> None:
    result = run(environment(tmp_path, MASAKARI_FENCING_SPOOL=str(tmp_path / "none")))
    assert result.returncode == 0
    assert "No such file" in result.stderr


def test_a_time_that_pacemaker_does_not_give_is_now(tmp_path: Path) -> None:
    found = alert.event(environment(tmp_path, CRM_alert_timestamp_epoch="UNSET"), 42.0)
    assert found is not None
    assert found["time"] == 42.0


def test_the_same_event_twice_is_one_event(tmp_path: Path) -> None:
    for _ in range(2):
        run(environment(tmp_path))
    assert len(Spool(tmp_path).events()) == 1


def test_the_agent_is_executable_and_runs_without_its_package() -> None:
    first = SCRIPT.read_text(encoding="utf-8").splitlines()[0]
    assert first == "#!/usr/bin/python3 -IS"
    assert os.access(SCRIPT, os.X_OK)
    assert "masakari_fencing." not in SCRIPT.read_text(encoding="utf-8").replace(
        "masakari_fencing.notifier", ""
    )


def test_what_is_no_event_does_not_stay_in_the_spool(tmp_path: Path) -> None:
    for name, text in {
        "torn.json": '{"node": "no',
        "empty.json": "",
        "list.json": "[1]",
        "name.json": '{"node": "a b", "time": 1}',
        "time.json": '{"node": "a", "time": "soon"}',
    }.items():
        (tmp_path / name).write_text(text)
    assert Spool(tmp_path).events() == []
    assert list(tmp_path.iterdir()) == []


def test_an_event_that_is_being_written_is_left_alone_for_a_while(tmp_path: Path) -> None:
    fresh, old = tmp_path / "a.json.1.new", tmp_path / "b.json.2.new"
    fresh.touch()
    old.touch()
    os.utime(old, (time.time() - 3600,) * 2)
    assert Spool(tmp_path).events() == []
    assert [path.name for path in tmp_path.iterdir()] == [fresh.name]
