"""The picture of a recovery: what a terminal shows while it happens."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jujulab.cloud.database import ServerView
from jujulab.trials import picture
from jujulab.trials.observe import Event, Observer

HOSTS = ["node1.maas", "node2.maas"]
GUESTS = ["demo-1", "demo-2"]


def observer(since: float, *events: tuple[float, str, str, str]) -> Observer:
    database: Any = SimpleNamespace()
    seen = Observer(database, lambda: None, Path("/nonexistent"), {})
    seen.events = [Event(since + at, source, kind, who, "") for at, source, kind, who in events]
    seen.nodes = {"node1.maas": "unclean", "node2.maas": "online", "juju-lab-1-lxd-0": "online"}
    seen.servers = {
        "demo-1": ServerView("REBUILD", "node1.maas", "rebuilding", True, ""),
        "demo-2": ServerView("ACTIVE", "node2.maas", None, True, ""),
    }
    return seen


def shown(seen: Observer, since: float, **more: Any) -> list[str]:
    arguments: dict[str, Any] = {"hosts": HOSTS, "guests": GUESTS, "lost": "node1.maas"}
    return picture.rows(seen, since=since, **(arguments | more))


def test_phases_hosts_and_guests_are_where_they_are_now() -> None:
    since = time.time() - 8
    seen = observer(
        since,
        (0.1, "guest", "silent", "demo-1"),
        (0.1, "guest", "silent", "demo-2"),
        (4.1, "pacemaker", "lost", "node1.maas"),
        (5.0, "pacemaker", "fenced", "node1.maas"),
        (7.5, "guest", "beats", "demo-2"),
    )
    phases, first, second = shown(seen, since)
    assert phases.lstrip().startswith("8.")
    assert "detected 4.1  →  fenced 5.0  →  notified …  →  evacuating …" in phases
    assert phases.endswith("1 of 2 back")
    assert first.split(maxsplit=1)[1].startswith("unclean, was fenced")
    assert first.endswith("demo-1 REBUILD (silent)")
    assert second.endswith("demo-2 ACTIVE")


def test_a_guests_own_failure_has_no_phases_of_a_host() -> None:
    since = time.time()
    phases, _host = shown(observer(since), since, lost="", hosts=["node2.maas"])
    assert "fenced" not in phases and "notified …" in phases


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_drawn_in_place_and_ends_with_the_last_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((40, 24)))
    out, since = Terminal(), time.time()
    seen = observer(since)
    with picture.live(seen, since=since, hosts=HOSTS, guests=GUESTS, stream=out):
        time.sleep(0.7)
        seen.nodes["node1.maas"] = "offline"
    frames = out.getvalue().split("\x1b[3F")
    assert len(frames) >= 3
    assert "offline" in frames[-1] and "offline" not in frames[0]
    assert all(len(line) < 50 for line in out.getvalue().splitlines())


def test_without_a_terminal_nothing_is_drawn() -> None:
    out = io.StringIO()
    with picture.live(observer(0), since=0, hosts=HOSTS, guests=GUESTS, stream=out):
        pass
    assert out.getvalue() == ""
