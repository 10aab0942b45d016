"""One fault, followed until its instances run again: what else breaks meanwhile, and when."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jujulab.cloud.console import Console
from jujulab.trials import experiment
from jujulab.trials.experiment import Experiment
from jujulab.trials.observe import Event


class Observer:
    """Sees an evacuation at its third look, and the instance beat once something else broke."""

    database = SimpleNamespace(
        servers=lambda: {"demo-1": SimpleNamespace(runs=True, host="node2.maas")}
    )

    def __init__(self, *_arguments: Any, **_options: Any) -> None:
        self.looks = 0
        self.broken = False
        self._seen: list[Event] = []

    @property
    def events(self) -> list[Event]:
        self.looks += 1
        if self.looks == 3:
            self.add("nova", "evacuating", "demo-1", "evacuating demo-1")
        if self.broken and self._seen[-1].kind != "beats":
            self.add("guest", "beats", "demo-1", "demo-1 beats")
        return self._seen

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def add(
        self, source: str, kind: str, subject: str, text: str, at: float | None = None
    ) -> None:
        self._seen.append(Event(at or time.time(), source, kind, subject, text))


def test_what_is_lost_in_the_middle_is_lost_once_an_instance_is_evacuated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    observer = Observer()
    monkeypatch.setattr(experiment, "Observer", lambda *arguments, **options: observer)
    monkeypatch.setattr(experiment.Judges, "unsafe", lambda *arguments, **options: [])
    measured: Any = Experiment.__new__(Experiment)
    measured._console = Console(quiet=True)
    measured._deployment = SimpleNamespace(
        hypervisors=lambda: [], database_view=lambda: None, console=None
    )
    measured._lab = SimpleNamespace(run_dir=tmp_path)
    measured._cluster = SimpleNamespace(answering=None)
    servers = {"demo-1": {"id": "g1", "OS-EXT-SRV-ATTR:host": "node1.maas"}}
    measured._guests = SimpleNamespace(find=lambda _prefix: servers, pulses=lambda _prefix: {})
    seen: list[list[str]] = []

    def broke() -> None:
        seen.append([event.kind for event in observer._seen])
        observer.broken = True

    outcome = measured.measure("node1.maas", lambda: None, "a power cut", 5, meanwhile=broke)
    assert seen == [["fault", "evacuating"]]
    assert outcome.problems == []
