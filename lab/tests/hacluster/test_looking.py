"""A unit whose principal's resources do not run yet looks again by itself, and not for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hacluster_charm import Unit, load

hooks, cluster = load("hooks", "cluster")
SERVICE = "hacluster-0-looks.service"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is run; systemd keeps its transient services under the root."""
    calls: list[str] = []
    units = tmp_path / "run/systemd/transient"
    units.mkdir(parents=True)

    def systemd(*argv: str, timeout: float = 60, stdin: str | None = None) -> str:
        calls.append(" ".join(argv))
        if argv[0] == "systemd-run":
            (units / SERVICE).touch()
        else:
            (units / argv[-1]).unlink()
        return ""

    monkeypatch.setattr(cluster, "run", systemd)
    return calls


def charm(root: Path, monkeypatch: pytest.MonkeyPatch, status: tuple[str, str]) -> Any:
    monkeypatch.setattr(hooks.standin, "tool_json", lambda *argv: {})
    made = hooks.Hacluster(Unit(root, {}))
    made.assess = lambda: status
    return made


def test_what_does_not_run_yet_is_looked_at_again(tmp_path, run, monkeypatch):
    unready = charm(tmp_path, monkeypatch, ("blocked", "Resource: res_haproxy not running"))
    unready.tell()
    unready.tell()
    (started,) = run
    assert f"--unit={SERVICE}" in started
    assert "RuntimeMaxSec=" in started
    ready = charm(tmp_path, monkeypatch, ("active", "Unit is ready and clustered"))
    ready.tell()
    ready.tell()
    assert run[1:] == [f"systemctl stop {SERVICE}"]
    assert ready.unit.statuses == [("active", "Unit is ready and clustered")] * 2


def test_what_no_look_can_change_is_not_looked_at(tmp_path, run, monkeypatch):
    charm(tmp_path, monkeypatch, ("blocked", "Insufficient peer units")).tell()
    assert run == []


@pytest.mark.parametrize(
    ("departing", "looks"), [("hacluster/0", 0), ("hacluster/2", 1)], ids=["itself", "another"]
)
def test_a_leader_that_goes_waits_for_nobody_else_to_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, departing: str, looks: int
) -> None:
    """It sees the others depart: its hook waited a minute for each, and its machine with it."""
    monkeypatch.setattr(hooks.standin, "tool_json", lambda *argv: {"maintenance-mode": False})
    forgotten: list[str] = []
    unit = Unit(tmp_path, {})
    unit.hook, unit.environ = "hanode-relation-departed", {"JUJU_DEPARTING_UNIT": departing}
    charm = hooks.Hacluster(unit)
    charm.member.write_nodes = lambda *args, **kwargs: True
    charm.departed = lambda: forgotten.append(departing)
    charm.tell = lambda: None
    charm.run()
    assert len(forgotten) == looks
