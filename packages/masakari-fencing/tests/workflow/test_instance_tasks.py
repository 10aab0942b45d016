"""The prompt stop and the start of a failed guest, below Masakari's own tasks."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

FLOW = "masakari.engine.drivers.taskflow.instance_failure"


class Skip(Exception):  # noqa: N818 - Masakari's name
    """The guest needs no recovery."""


class Failure(Exception):  # noqa: N818 - Masakari's name
    """The guest is not recovered."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


class StopInstanceTask:
    """What Masakari's task does with its client."""

    def __init__(self, context: Any, novaclient: Any, **kwargs: Any) -> None:
        self.context, self.novaclient = context, novaclient

    def execute(self, instance_uuid: str) -> None:
        self.novaclient.stop_server(self.context, instance_uuid)


class StartInstanceTask(StopInstanceTask):
    """What Masakari's task does with its client, once the guest is stopped."""

    def execute(self, instance_uuid: str) -> None:
        self.novaclient.start_server(self.context, instance_uuid)


class ConfirmInstanceActiveTask(StopInstanceTask):
    """What Masakari's task does with its client, once the guest is started."""

    def execute(self, instance_uuid: str) -> None:
        self.novaclient.get_server(self.context, instance_uuid)


class Nova:
    """A guest that is stopped after so many looks."""

    def __init__(self, looks: int) -> None:
        self.looks = looks
        self.task: str | None = None
        self.updated = ""
        self.calls: list[str] = []

    def stop_server(self, context: Any, uuid: str) -> None:
        self.calls.append("stop")

    def get_server(self, context: Any, uuid: str) -> Any:
        self.calls.append("look")
        state = "stopped" if self.calls.count("look") >= self.looks else "active"
        shown = {"OS-EXT-STS:vm_state": state, "OS-EXT-STS:task_state": self.task}
        return SimpleNamespace(updated=self.updated, **shown)

    def reset_instance_state(self, context: Any, uuid: str, state: str) -> None:
        self.calls.append(f"reset to {state}")
        self.task = None

    def delete_server(self, uuid: str) -> str:
        return f"delete {uuid}"


@pytest.fixture
def instances(monkeypatch: pytest.MonkeyPatch) -> Any:
    packages = ["masakari", "masakari.engine", "masakari.engine.drivers", FLOW.rpartition(".")[0]]
    for name in packages:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    flow = ModuleType(FLOW)
    flow.StopInstanceTask = StopInstanceTask  # type: ignore[attr-defined]
    flow.StartInstanceTask = StartInstanceTask  # type: ignore[attr-defined]
    flow.ConfirmInstanceActiveTask = ConfirmInstanceActiveTask  # type: ignore[attr-defined]
    compute = ModuleType("masakari.compute")
    compute.nova = client = ModuleType("masakari.compute.nova")  # type: ignore[attr-defined]
    client.translate_nova_exception = lambda method: method  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "masakari.compute", compute)
    monkeypatch.setitem(sys.modules, FLOW, flow)
    lost = ModuleType("masakari_fencing.workflow.lost_hosts")
    lost.reason = lambda host, client: ""  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, lost.__name__, lost)
    errors = ModuleType("masakari.exception")
    errors.SkipInstanceRecoveryException = Skip  # type: ignore[attr-defined]
    errors.InstanceRecoveryFailureException = Failure  # type: ignore[attr-defined]
    sys.modules["masakari"].exception = errors  # type: ignore[attr-defined]
    taskflow = sys.modules[packages[-1]]
    taskflow.instance_failure = flow  # type: ignore[attr-defined]
    monkeypatch.delitem(sys.modules, "masakari_fencing.workflow.instance_tasks", raising=False)
    return importlib.import_module("masakari_fencing.workflow.instance_tasks")


def power(instances: Any, nova: Any, **options: Any) -> Any:
    """Masakari's client, which returns when a guest is stopped, or started."""
    return instances.PromptPower(nova, reboot=getattr(nova, "reboot", None), **options)


def test_it_returns_as_soon_as_the_guest_is_stopped(instances: Any) -> None:
    nova, slept = Nova(looks=3), []
    stop = power(instances, nova, sleep=slept.append, clock=lambda: sum(slept))
    stop.stop_server("context", "uuid")
    assert nova.calls == ["stop", "look", "look", "look"]
    assert slept == [instances.INTERVAL] * 3


def test_it_leaves_a_slow_guest_to_masakari(instances: Any) -> None:
    nova, slept = Nova(looks=10**6), []
    power(instances, nova, sleep=slept.append, clock=lambda: sum(slept)).stop_server("", "")
    assert sum(slept) == pytest.approx(instances.PATIENCE, abs=2 * instances.INTERVAL)


def test_everything_else_is_masakaris(instances: Any) -> None:
    nova = Nova(looks=0)
    task = instances.PromptStopInstanceTask("context", nova)
    assert task.novaclient.delete_server("uuid") == "delete uuid"
    task.execute("uuid")
    assert nova.calls == ["look", "stop", "look"]


@pytest.mark.parametrize("task", ["powering-on", "powering-off"])
@pytest.mark.parametrize("ends", [True, False])
def test_a_request_that_was_lost_is_not_in_the_way(
    instances: Any, monkeypatch: pytest.MonkeyPatch, task: str, ends: bool
) -> None:
    nova, now = Nova(looks=0), [0.0]
    nova.task = task

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if ends and now[0] > 5:
            nova.task = None

    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=sleep)
    monkeypatch.setattr(instances, "time", clock)
    instances.PromptStopInstanceTask("context", nova).execute("uuid")
    assert ("reset to active" in nova.calls) is not ends, "Nova itself takes some seconds"
    assert nova.calls[-2] == "stop"


def test_one_that_another_engine_has_started_meanwhile_is_not_stopped(
    instances: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    nova = Nova(looks=10**6)
    nova.task = "powering-on"
    sleep = lambda seconds: setattr(nova, "task", None)  # noqa: E731
    monkeypatch.setattr(instances, "time", SimpleNamespace(monotonic=lambda: 0, sleep=sleep))
    with pytest.raises(Skip):
        instances.PromptStopInstanceTask("context", nova).execute("uuid")
    assert "stop" not in nova.calls


def test_what_another_engine_has_just_begun_anew_is_not_lost(
    instances: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    nova, now, resets = Nova(looks=10**6), [0.0], []
    nova.task = "powering-off"

    def reset(context: Any, uuid: str, state: str) -> None:
        resets.append(now[0])
        nova.task = None

    def sleep(seconds: float) -> None:
        now[0] += seconds
        nova.updated = "2026-11-18T11:08:10Z" if now[0] > 80 else "2026-11-18T11:06:40Z"

    nova.reset_instance_state = reset  # type: ignore[method-assign]
    monkeypatch.setattr(instances, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    instances.PromptStopInstanceTask("context", nova).execute("uuid")
    assert len(resets) == 1
    assert resets[0] >= 80 + 90, "the other engine's request is as old as that then"


def test_it_does_not_wait_for_a_host_that_is_lost_meanwhile(instances: Any) -> None:
    """Masakari waits for three minutes, and the host's own recovery for that."""
    nova, now = Nova(looks=10**6), [0.0]
    clock = {"sleep": lambda seconds: None, "clock": lambda: now[0]}
    lost = lambda host: f"{host} is lost" if now[0] > 30 else ""  # noqa: E731
    waiting = power(instances, nova, lost=lost, **clock)
    for now[0] in range(30):
        waiting.get_server("context", "uuid")
    now[0] = 30 + instances.LOOK
    with pytest.raises(Failure, match="is lost"):
        waiting.get_server("context", "uuid")


class Starting:
    """A guest that is being started: what Nova shows of it, one second after the other.

    What it shows begins anew with each request that it takes: the first of `shown` at the first,
    and so on, the last one for all further ones. It is `before` until then.
    """

    def __init__(self, *shown: list[tuple[str, str | None] | Exception]) -> None:
        self.shown = shown
        self.before: tuple[str, str | None] | Exception = GIVEN_UP
        self.requests: list[float] = []
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def clock(self) -> float:
        return self.now

    def reboot(self, context: Any, uuid: str) -> None:
        self.requests.append(self.now)

    def get_server(self, context: Any, uuid: str) -> Any:
        states, since = [self.before], 0.0
        if self.requests:
            states = self.shown[min(len(self.requests), len(self.shown)) - 1]
            since = self.requests[-1]
        found = states[min(int(self.now - since), len(states) - 1)]
        if isinstance(found, Exception):
            raise found
        state, task = found
        return SimpleNamespace(**{"OS-EXT-STS:vm_state": state, "OS-EXT-STS:task_state": task})


STARTING, STARTED, GIVEN_UP = ("stopped", "rebooting_hard"), ("active", None), ("stopped", None)


def start(instances: Any, nova: Starting) -> None:
    power(instances, nova, sleep=nova.sleep, clock=nova.clock).start_server("context", "uuid")


def test_one_that_is_started_is_left_alone(instances: Any) -> None:
    nova = Starting([STARTING, STARTED])
    start(instances, nova)
    assert nova.requests == [0]
    assert nova.now == pytest.approx(1, abs=0.2)


def test_one_whose_start_nova_gave_up_is_started_again(instances: Any) -> None:
    """Its hypervisor could not ask Keystone or Neutron for a moment."""
    nova = Starting([STARTING, GIVEN_UP], [STARTING, GIVEN_UP], [STARTING, STARTED])
    start(instances, nova)
    assert nova.requests == pytest.approx([0, 2, 4], abs=0.6)
    assert nova.now < 6


def test_one_whose_start_nova_calls_an_error_is_started_again(instances: Any) -> None:
    nova = Starting([STARTING, ("error", None)], [STARTING, STARTED])
    start(instances, nova)
    assert nova.requests == pytest.approx([0, 2], abs=0.6)


@pytest.mark.parametrize("task", ["rebooting_hard", None])
def test_one_that_another_engine_has_started_is_not_rebooted(
    instances: Any, task: str | None
) -> None:
    nova = Starting()
    nova.before = ("stopped" if task else "active", task)
    start(instances, nova)
    assert nova.requests == []
    assert nova.now == pytest.approx(instances.PATIENCE if task else 0, abs=0.2)


def test_one_that_nova_starts_for_long_is_left_to_masakari(instances: Any) -> None:
    nova = Starting([STARTING])
    start(instances, nova)
    assert nova.requests == [0]
    assert nova.now == pytest.approx(instances.PATIENCE, abs=0.2)


def test_one_that_cannot_be_started_is_left_to_masakari_after_a_while(instances: Any) -> None:
    nova = Starting([STARTING, GIVEN_UP])
    start(instances, nova)
    assert nova.now == pytest.approx(instances.START_PATIENCE, abs=1)
    assert len(nova.requests) <= instances.START_PATIENCE / instances.START_AGAIN + 1


def test_nor_is_it_waited_for_at_the_end(instances: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instances, "LOOK", 0.0)
    monkeypatch.setattr(instances.lost_hosts, "reason", lambda host, client: "it is lost")
    task = instances.PromptConfirmInstanceActiveTask("context", Nova(looks=10**6))
    with pytest.raises(Failure, match="it is lost"):
        task.execute("uuid")


def test_nor_is_one_started_again_there(instances: Any) -> None:
    nova = Starting([STARTING, GIVEN_UP])
    lost = lambda host: "it is lost" if nova.now > 20 else ""  # noqa: E731
    client = power(instances, nova, lost=lost, sleep=nova.sleep, clock=nova.clock)
    with pytest.raises(Failure, match="it is lost"):
        client.start_server("context", "uuid")
    assert nova.now < 20 + 2 * instances.LOOK


def test_a_look_that_nova_does_not_answer_is_done_again(instances: Any) -> None:
    nova = Starting([RuntimeError("503"), STARTED])
    start(instances, nova)
    assert nova.requests == [0]


def test_a_start_that_nova_refuses_is_an_error(instances: Any) -> None:
    nova = Starting([GIVEN_UP])

    def refuse(context: Any, uuid: str) -> None:
        if nova.requests:
            raise RuntimeError("409")
        nova.requests.append(nova.now)

    nova.reboot = refuse  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="409"):
        start(instances, nova)


def test_masakaris_task_starts_it_by_a_hard_reboot(instances: Any) -> None:
    nova, asked = Starting([STARTED]), []

    def reboot(uuid: str, *, reboot_type: str) -> None:
        asked.append((uuid, reboot_type))
        nova.requests.append(0)

    client = SimpleNamespace(servers=SimpleNamespace(reboot=reboot))
    instances.nova.novaclient = lambda context, timeout: client
    instances.PersistentStartInstanceTask("context", nova).execute("uuid")
    assert asked == [("uuid", "HARD")]
