"""The process failure's last task, below Masakari's own base of tasks."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import pytest

BASE = "masakari.engine.drivers.taskflow.base"


class MasakariTask:
    """What Masakari's base of tasks does that ours relies on."""

    def __init__(self, context: Any, novaclient: Any, **kwargs: Any) -> None:
        self.context, self.novaclient, self.requires = context, novaclient, kwargs["requires"]
        self.details: list[str] = []

    def update_details(self, progress_data: str, progress: float = 0.0) -> None:
        self.details.append(progress_data)


class ProcessRecoveryFailureException(Exception):  # noqa: N818 - Masakari's name
    def __init__(self, message: str) -> None:
        super().__init__(message)


class Nova:
    """A compute service that is disabled after so many looks."""

    def __init__(self, looks: float) -> None:
        self.looks = looks

    def is_service_disabled(self, context: Any, host: str, process: str) -> bool:
        assert (host, process) == ("node1", "nova-compute")
        self.looks -= 1
        return self.looks < 0


@pytest.fixture
def computenode(monkeypatch: pytest.MonkeyPatch) -> Any:
    names = BASE.split(".")
    made = {".".join(names[:n]): ModuleType(names[n - 1]) for n in range(1, len(names) + 1)}
    made[BASE].MasakariTask = MasakariTask  # type: ignore[attr-defined]
    made["masakari.engine.drivers.taskflow"].base = made[BASE]  # type: ignore[attr-defined]
    exception = ModuleType("masakari.exception")
    exception.ProcessRecoveryFailureException = (  # type: ignore[attr-defined]
        ProcessRecoveryFailureException
    )
    made["masakari"].exception = exception  # type: ignore[attr-defined]
    for name, module in {**made, "masakari.exception": exception}.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "masakari_fencing.workflow.process_tasks", raising=False)
    module = importlib.import_module("masakari_fencing.workflow.process_tasks")
    monkeypatch.setattr(module, "INTERVAL", 0.001)
    return module


@pytest.mark.parametrize("looks", [0, 3])
def test_it_looks_until_the_service_is_disabled(computenode: Any, looks: int) -> None:
    task = computenode.ConfirmComputeNodeDisabledTask(None, Nova(looks))
    assert task.requires == ["process_name", "host_name"]
    task.execute("nova-compute", "node1")
    assert "Confirmed" in task.details[-1]


def test_it_does_not_look_for_ever(computenode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computenode, "PATIENCE", 0.01)
    task = computenode.ConfirmComputeNodeDisabledTask(None, Nova(float("inf")))
    with pytest.raises(ProcessRecoveryFailureException, match="node1"):
        task.execute("nova-compute", "node1")
