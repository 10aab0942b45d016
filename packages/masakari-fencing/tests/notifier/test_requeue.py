"""A recovery is begun again by turning its notification into a new one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fencing_fakes import FakeRunner
from masakari_fencing.notifier import requeue
from masakari_fencing.pacemaker.tools import PacemakerError

COMMAND = f"{sys.executable} -m masakari_fencing.notifier.requeue"


class Objects:
    """Masakari's objects, with one notification, and its engines."""

    def __init__(self, status: str) -> None:
        self.notification = SimpleNamespace(status=status, saved=None, source_host_uuid="host")
        self.segment = SimpleNamespace(enabled=True)
        host = SimpleNamespace(failover_segment=self.segment)
        self.Host = SimpleNamespace(get_by_uuid=lambda context, uuid: host)
        self.notification.save = lambda: setattr(
            self.notification, "saved", self.notification.status
        )
        self.told: list[str] = []
        self.Notification = SimpleNamespace(get_by_uuid=self._find)

    def _find(self, context: str, uuid: str) -> Any:
        assert (context, uuid) == ("context", "uuid")
        return self.notification

    def process_notification(self, context: str, notification: Any) -> None:
        """As `masakari.engine.rpcapi.EngineAPI`; engines look the notification up themselves."""
        assert context == "context"
        self.told.append(notification.saved)

    def requeue(self, *states: tuple[str, ...]) -> bool:
        return requeue.requeue("context", self, self, "uuid", *states)


def test_a_running_notification_is_begun_again() -> None:
    objects = Objects("running")
    assert objects.requeue() is True
    assert objects.notification.saved == "new"
    assert objects.told == ["new"], "an engine takes it up at once, and finds it as it is"


@pytest.mark.parametrize("status", ["new", "error", "failed", "finished", "ignored"])
def test_any_other_notification_stays_as_it_is(status: str) -> None:
    objects = Objects(status)
    assert objects.requeue() is False
    assert objects.notification.saved is None
    assert objects.told == []


@pytest.mark.parametrize("status", ["running", "error", "failed", "finished", "ignored"])
def test_one_whose_record_is_open_is_begun_again_whatever_masakari_says(status: str) -> None:
    """Two engines may have had it; the one that did nothing writes its status last."""
    objects = Objects(status)
    assert objects.requeue(requeue.UNFINISHED) is True
    assert objects.told == ["new"]


def test_but_not_one_that_waits_for_an_engine() -> None:
    objects = Objects("new")
    assert objects.requeue(requeue.UNFINISHED) is False
    assert objects.told == []


@pytest.mark.parametrize("states", [requeue.INTERRUPTED, requeue.UNFINISHED])
def test_while_its_segment_is_disabled_it_stays_as_it_is(states: tuple[str, ...]) -> None:
    """Masakari would ignore it, and nobody would begin it again."""
    objects = Objects("running")
    objects.segment.enabled = False
    assert objects.requeue(states) is False
    assert (objects.notification.saved, objects.told) == (None, [])


@pytest.mark.parametrize(("unfinished", "option"), [(False, []), (True, ["--unfinished"])])
def test_it_runs_as_a_process_of_its_own(unfinished: bool, option: list[str]) -> None:
    runner = FakeRunner().on(COMMAND, "")
    requeue.hand_back(runner, "a-notification", unfinished=unfinished)
    assert runner.calls == [[*COMMAND.split(), *option, "a-notification"]]


def test_a_process_that_fails_is_an_error() -> None:
    with pytest.raises(PacemakerError, match="ended with 1"):
        requeue.hand_back(FakeRunner().on(COMMAND, 1), "a-notification", unfinished=True)


@pytest.mark.parametrize("uuid", ["", "--help", "a b", "a'b"])
def test_what_is_no_identifier_is_not_handed_to_a_process(uuid: str) -> None:
    runner = FakeRunner()
    with pytest.raises(ValueError, match="cannot be the name"):
        requeue.hand_back(runner, uuid, unfinished=True)
    assert runner.calls == []


class NotFound(Exception):  # noqa: N818
    """As `masakari.exception.NotFound`."""


@pytest.mark.parametrize(
    ("argv", "status", "told"),
    [
        (["uuid"], "running", ["new"]),
        (["uuid"], "error", []),
        (["--unfinished", "uuid"], "error", ["new"]),
        (["uuid"], None, []),
    ],
)
def test_the_process(
    monkeypatch: pytest.MonkeyPatch, argv: list[str], status: str | None, told: list[str]
) -> None:
    """Its imports of Masakari's own modules are exercised where that is installed."""
    objects = Objects(status or "")

    def missing(context: str, uuid: str) -> Any:
        raise NotFound(uuid)

    if status is None:
        objects.Notification.get_by_uuid = missing
    parsed: list[list[str]] = []
    modules: dict[str, Any] = {
        "config": SimpleNamespace(parse_args=parsed.append),
        "context": SimpleNamespace(get_admin_context=lambda: "context"),
        "exception": SimpleNamespace(NotFound=NotFound),
        "objects": objects,
    }
    objects.register_all = lambda: None  # type: ignore[attr-defined]
    rpcapi = SimpleNamespace(EngineAPI=lambda: objects)
    monkeypatch.setitem(sys.modules, "masakari", SimpleNamespace(__path__=[], **modules))
    monkeypatch.setitem(sys.modules, "masakari.cmd", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "masakari.engine", SimpleNamespace(rpcapi=rpcapi))
    assert requeue.main(argv) == 0
    assert objects.told == told
    assert parsed == [["masakari-fencing-requeue", "--config-file", requeue.CONFIGURATION]]


def test_a_wrong_call_says_how_it_is_called() -> None:
    argv = [*COMMAND.split(), "--failed", "uuid"]
    environment = {**os.environ, "PYTHONPATH": str(Path(requeue.__file__).parents[2])}
    answer = subprocess.run(
        argv, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert answer.returncode == 2
    assert "usage:" in answer.stderr
