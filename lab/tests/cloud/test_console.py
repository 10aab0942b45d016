"""What counts as ready when a program waits for a deployment."""

import json
from pathlib import Path
from typing import Any

import pytest
from jujulab.cloud import console
from jujulab.cloud.console import Console, StepError, unit_lines, units
from jujulab.juju.client import Client
from jujulab.waiting import poll


def status(
    workload: str, agent: str, message: str = "", agent_message: str = ""
) -> dict[str, Any]:
    """`juju status` with one subordinate below one principal that is ready."""

    def unit(workload: str, agent: str, message: str, agent_message: str) -> dict[str, Any]:
        return {
            "workload-status": {"current": workload, "message": message},
            "juju-status": {"current": agent, "message": agent_message},
        }

    principal = unit("active", "idle", "Unit is ready", "")
    principal["subordinates"] = {"sub/0": unit(workload, agent, message, agent_message)}
    return {"applications": {"app": {"units": {"app/0": principal}}, "sub": {"units": None}}}


def waiting(content: dict[str, Any]) -> list[str]:
    return [line for line in unit_lines(content) if not line.endswith(" ok")]


def test_active_and_idle_is_ready() -> None:
    assert waiting(status("active", "idle")) == []


def test_the_message_of_a_unit_that_is_not_ready_is_shown() -> None:
    assert waiting(status("blocked", "idle", "Missing relations: ha")) == [
        "sub/0: blocked (idle) Missing relations: ha"
    ]


def test_the_units_of_a_subordinate_are_found_below_their_principals() -> None:
    found = dict(units(status("blocked", "idle", "no names")))
    assert list(found) == ["app/0", "sub/0"]
    assert found["sub/0"]["workload-status"]["message"] == "no names"


def test_a_hook_that_may_change_something_is_waited_for() -> None:
    busy = status("active", "executing", agent_message="running config-changed hook")
    assert len(waiting(busy)) == 1


def test_a_unit_whose_status_is_old_has_no_hook_to_run() -> None:
    lines = unit_lines(
        status("waiting", "idle", "Node node1.maas is not connected"), any_status=True
    )
    assert all(line.endswith(" ok") for line in lines)
    busy = unit_lines(
        status("active", "executing", agent_message="running start hook"), any_status=True
    )
    assert [line.endswith(" ok") for line in busy] == [True, False]


def test_update_status_is_not_waited_for() -> None:
    assert waiting(status("active", "executing", agent_message="running update-status hook")) == []


def test_poll_gives_up_after_its_timeout() -> None:
    calls = []
    assert not poll(lambda: bool(calls.append(1)), timeout=0.05, interval=0.01)
    assert len(calls) > 1


def test_poll_returns_as_soon_as_it_is_done() -> None:
    answers = iter([False, True, False])
    assert poll(lambda: next(answers), timeout=5, interval=0)


class Model(Console):
    """A console whose model becomes ready, status by status."""

    def __init__(self, *statuses: dict[str, Any]) -> None:
        super().__init__()
        self.statuses = list(statuses)

    def status(self) -> dict[str, Any]:
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


STALL = {"since": 2e9, "seconds": 75.2, "units": {"sub/0": "waiting: Waiting for HAProxy"}}
STALLED = "nothing ran for 75 s while sub/0 was waiting: Waiting for HAProxy"


def test_what_is_waited_for_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(Client, "call", lambda _self, _method: [])
    busy = status("waiting", "executing", agent_message="running install hook")
    Model(*[busy] * 30, status("active", "idle")).wait_active("the cloud", timeout=60)
    first, last = capsys.readouterr().out.splitlines()
    assert "the cloud: until every unit is active ..." in first
    assert last.startswith(first + " 0 s")


def test_a_deployment_that_stood_still_is_said_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(Client, "call", lambda _self, _method: [STALL, {**STALL, "since": 1.0}])
    Model(status("waiting", "idle"), status("active", "idle")).wait_active("it", timeout=60)
    assert capsys.readouterr().out.count(STALLED) == 1


def test_a_deployment_that_does_not_come_says_what_its_unit_said_last(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LAB_HOME", str(tmp_path))
    monkeypatch.setattr(Client, "call", lambda _self, _method: [])
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs/unit-sub-0.log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    with pytest.raises(StepError) as caught:
        Model(status("blocked", "idle", "Services not running")).wait_active("it", timeout=-1)
    lines = str(caught.value).splitlines()
    assert lines[1].strip() == "sub/0: blocked (idle) Services not running"
    assert lines[2].strip() == f"the end of {log}:"
    assert [line.strip() for line in lines[3:]] == [f"line {number}" for number in range(60, 100)]


@pytest.mark.parametrize(
    ("printed", "said", "text"),
    [
        ({"a/0": {"status": "failed", "message": "no such host"}}, "", "no such host"),
        ({}, "Operation 3 failed to schedule any tasks:", "failed to schedule"),
    ],
)
def test_an_action_that_fails_is_an_error_whatever_the_client_ends_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, printed: object, said: str, text: str
) -> None:
    """Juju's client ends with 0 where the charm's process does, and where no unit was asked."""
    juju = tmp_path / "juju"
    juju.write_text(f"#!/bin/sh\necho '{json.dumps(printed)}'\necho '{said}' >&2\n")
    juju.chmod(0o755)
    monkeypatch.setattr(console, "JUJU", juju)
    with pytest.raises(StepError, match=f"the action add-hosts of a/leader failed: .*{text}"):
        Console(quiet=True).run_action("a/leader", "add-hosts")


def test_giving_up_names_what_is_left_and_where_it_stood_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Client, "call", lambda _self, _method: [STALL])
    with pytest.raises(
        StepError, match=f"(?s)it was not active within.*sub/0: waiting.*{STALLED}"
    ):
        Model(status("waiting", "idle")).wait_active("it", timeout=-1)


def test_slow_manners_have_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(Client, "call", lambda _self, _method: [])
    for slower, given in ((1.0, "10"), (4.0, "40")):
        monkeypatch.setattr(console, "SLOWER", slower)
        clock = iter(range(0, 1000, 7))
        monkeypatch.setattr(console.time, "monotonic", lambda clock=clock: next(clock))
        with pytest.raises(StepError, match=f"it was not active within {given} s"):
            Model(status("waiting", "idle")).wait_active("it", timeout=10)
