"""What a failed evacuation did to a guest is undone, on top of Masakari's own task."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import masakari_fencing
import pytest

HOST = "node1.maas"
FLOW = "masakari.engine.drivers.taskflow"


def server(uuid: str, state: str, task: str | None = None) -> SimpleNamespace:
    found = SimpleNamespace(id=uuid)
    vars(found).update({"OS-EXT-STS:vm_state": state, "OS-EXT-STS:task_state": task})
    return found


class OriginalTask:
    """As much of Masakari's task as has to do with its client."""

    def __init__(self, context: Any, novaclient: Any, **kwargs: Any) -> None:
        self.context, self.novaclient = context, novaclient

    def execute(self, host_name: str, instance_list: list[str]) -> None:
        for uuid in instance_list:
            self.novaclient.lock_server(self.context, uuid)
            self.novaclient.get_server(self.context, uuid)


class World:
    """Nova, as Masakari's client and as novaclient show it."""

    def __init__(self, setbacks: Path) -> None:
        self.guests: dict[str, SimpleNamespace] = {}
        self.reset: list[tuple[str, str]] = []
        self.locked: list[str] = []
        self.errors = 0
        self.fencing = SimpleNamespace(
            nova_timeout=0.2, poll_interval=0.01, setbacks_directory=str(setbacks)
        )
        self.servers = SimpleNamespace(list=self._list, reset_state=self._reset)

    def have(self, *found: SimpleNamespace) -> None:
        self.guests = {guest.id: guest for guest in found}

    def get_server(self, context: str, uuid: str) -> SimpleNamespace:
        assert context == "context"
        return self.guests[uuid]

    def lock_server(self, context: str, uuid: str) -> None:
        self.locked.append(uuid)

    def novaclient(self, context: str, timeout: float) -> World:
        assert timeout > 0
        return self

    def _list(self, detailed: bool, search_opts: dict[str, object]) -> list[SimpleNamespace]:
        assert search_opts == {"host": HOST, "all_tenants": True}
        if self.errors:
            self.errors -= 1
            raise ConnectionError("the database is away")
        return list(self.guests.values())

    def _reset(self, uuid: str, state: str) -> None:
        self.reset.append((uuid, state))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)

    def ignore(*arguments: object, **options: object) -> Any:
        return SimpleNamespace(name="fencing")

    conf = SimpleNamespace(fencing=made.fencing, register_group=ignore, register_opts=ignore)
    options = dict.fromkeys(("BoolOpt", "StrOpt", "IntOpt", "FloatOpt", "OptGroup"), ignore)
    contents: dict[str, dict[str, Any]] = {
        "masakari": {},
        "masakari.conf": {"CONF": conf},
        "masakari.compute": {},
        "masakari.compute.nova": {"novaclient": made.novaclient},
        "masakari.engine": {},
        "masakari.engine.drivers": {},
        FLOW: {},
        f"{FLOW}.host_failure": {"EvacuateInstancesTask": OriginalTask},
        "oslo_config": {},
        "oslo_config.cfg": {"ConfigOpts": object, **options},
        "oslo_log": {},
        "oslo_log.log": {"getLogger": logging.getLogger},
    }
    for name, values in contents.items():
        module = ModuleType(name)
        module.__dict__.update(values)
        monkeypatch.setitem(sys.modules, name, module)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
    return made


@pytest.fixture
def evacuate(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("evacuate", "conf"):
        monkeypatch.delitem(sys.modules, f"masakari_fencing.{name}", raising=False)
        monkeypatch.delattr(masakari_fencing, name, raising=False)
    yield importlib.import_module("masakari_fencing.evacuate")
    for name in ("evacuate", "conf"):
        sys.modules.pop(f"masakari_fencing.{name}", None)


def attempt(evacuate: Any, world: World, *before: SimpleNamespace) -> Any:
    """Let Masakari's task see the guests; afterwards it fails."""
    world.have(*before)
    task = evacuate.EvacuateInstancesTask("context", world, update_host_method=None)
    task.execute(HOST, [guest.id for guest in before])
    assert world.locked == [guest.id for guest in before], "the rest is Masakari's client"
    return task


def revert(task: Any) -> None:
    task.revert(HOST, "n1", result="a failure", flow_failures={})


def test_only_guests_that_ran_and_are_in_error_now_are_put_back(
    evacuate: Any, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    task = attempt(
        evacuate, world, *(server(*g) for g in (("a", "active"), ("b", "stopped"), ("c", "error")))
    )
    world.have(*(server(uuid, "error") for uuid in ("a", "b", "c", "unseen")))
    revert(task)
    assert world.reset == [("a", "active")]
    assert "active again, after a failure: a" in caplog.text


def test_what_it_saw_first_counts(evacuate: Any, world: World) -> None:
    """Masakari looks at a guest again and again, also after it has reset its state."""
    task = attempt(evacuate, world, server("a", "active"))
    world.have(server("a", "error"))
    task.execute(HOST, ["a"])
    revert(task)
    assert world.reset == [("a", "active")]


@pytest.mark.parametrize(
    "now", [[], [server("a", "active")], [server("a", "error", "rebuilding")]]
)
def test_one_that_was_evacuated_or_is_being_rebuilt_is_left_alone(
    evacuate: Any, world: World, now: list[SimpleNamespace]
) -> None:
    task = attempt(evacuate, world, server("a", "active"))
    world.have(*now)
    revert(task)
    assert world.reset == []


def test_it_waits_for_nova_but_not_for_ever(
    evacuate: Any, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    task = attempt(evacuate, world, server("a", "active"))
    world.have(server("a", "error"))
    world.errors = 3
    revert(task)
    assert world.reset == [("a", "active")]
    world.errors = 10**6
    revert(task)
    assert "may stay in ERROR: the database is away" in caplog.text


def test_it_is_left_for_the_notifier(evacuate: Any, world: World, tmp_path: Path) -> None:
    task = attempt(evacuate, world)
    revert(task)
    assert [path.name for path in tmp_path.iterdir()] == ["n1"]
    world.fencing.setbacks_directory = str(tmp_path / "none")
    revert(task)
