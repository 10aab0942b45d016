"""A host in a cluster that changes while its proof is waited for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from fencing_fakes import Cluster, Remote
from masakari_fencing.openstack.compute_service import ServiceState
from masakari_fencing.records.recovery import Instance, Proof, Record
from masakari_fencing.records.storage_fences import StorageFence
from masakari_fencing.workflow.proof import host_fence
from masakari_fencing.workflow.proof.decision import Policy, Report
from masakari_fencing.workflow.proof.host_fence import (
    HostFence,
    NotProvenDead,
    Withdrawn,
)

NOW = 2_000_000.0
HOST = "node1.maas"
RECORD = f'<node_state uname="{HOST}" remote_node="true" node_fenced="1999999"/>'
FRESH = Record(HOST, "a-notification", "unit-0.12345678.17.900")
LISTED = (Instance("g1", "active"),)


class Clock:
    """Time that passes only by sleeping, and what happens meanwhile."""

    def __init__(self) -> None:
        self.now = NOW
        self.later: list[tuple[float, Callable[[], object]]] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        assert self.now < NOW + 600, "it never ends"
        for due, action in list(self.later):
            if self.now >= due:
                self.later.remove((due, action))
                action()

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        self.later.append((NOW + seconds, action))


class Evidence:
    """What others than the cluster say; each answer may be a function that takes its time."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, object] = {}

    def __getattr__(self, name: str) -> Callable[[], Any]:
        assert callable(getattr(host_fence.Evidence, name, None)), f"nobody promises {name}"
        return lambda: self._ask(name)

    def _ask(self, name: str) -> Any:
        self.asked.append(name)
        return self._answer(name)

    def compute(self) -> ServiceState:
        self.asked.append("compute")
        serves = bool(self._answer("in_service"))
        return ServiceState(self._answer("compute_seen"), serves, (self._answer("settings"),))

    def instances(self) -> set[str]:
        return set(self.answers.get("there", {"g1"}))  # type: ignore[call-overload]

    def exists(self, instance: str) -> bool:
        return instance not in self.answers.get("deleted", ())  # type: ignore[operator]

    def _answer(self, name: str) -> Any:
        answer = self.answers.get(name)
        return answer() if callable(answer) else answer


class Bench:
    """A host in a cluster, and one attempt to have it proven dead."""

    def __init__(self, policy: Policy | None = None, **remote: object) -> None:
        self.remote = Remote(HOST, **remote)  # type: ignore[arg-type]
        self.cluster = Cluster([self.remote])
        self.policy = policy or Policy()
        self.record = FRESH
        self.clock = Clock()
        self.progress: list[str] = []
        self.evidence = Evidence()
        self.held: list[tuple[bool, int]] = []
        self.hold = lambda held: self.held.append((held, self.fenced_by_us))
        self.doubt: Callable[[StorageFence], str | None] = lambda _: None
        self.quorate: float | None = None

    def ensure(self, report: Report | None = None) -> Proof:
        gate = HostFence(
            self.cluster.runner,
            self.policy,
            self.evidence,
            self.record,
            hold=lambda held: self.hold(held),
            progress=self.progress.append,
            sleep=self.clock.sleep,
            clock=self.clock,
            doubt=self.doubt,
            quorate=lambda: self.quorate,
        )
        return gate.ensure(report or Report(HOST, NOW))

    def how(self, report: Report | None = None) -> str:
        return self.ensure(report).how

    def refusal(self, report: Report | None = None) -> str:
        with pytest.raises(NotProvenDead) as caught:
            self.ensure(report)
        assert HOST in str(caught.value).lower()
        return caught.value.reason

    def withdrawal(self) -> str:
        with pytest.raises(Withdrawn) as caught:
            self.ensure()
        return str(caught.value)

    def gets_healthy(self) -> None:
        vars(self.remote).update(vars(Remote(HOST, connected=self.clock.now)))

    def gets_fenced(self) -> None:
        vars(self.remote).update(online=False, role="Stopped", fenced=self.clock.now)

    @property
    def fenced_by_us(self) -> int:
        return len(self.cluster.runner.ran("stonith_admin --fence"))


def dead(**changes: object) -> dict[str, object]:
    return {"online": False, "role": "Stopped", "failed": True, **changes}


def reported(**policy: object) -> Bench:
    """A healthy host that a monitor has reported failed, where every report is believed."""
    believing = Policy(fence_reported_failed="always", **policy)  # type: ignore[arg-type]
    return Bench(believing, connected=NOW - 3600)


def returned(**changes: object) -> Bench:
    """A host that is back in the middle of its recovery."""
    bench = Bench(connected=NOW - 10, events=[("reboot", "success", NOW - 60)])
    bench.record = dataclasses.replace(FRESH, proof=Proof(NOW - 60, "fenced", HOST), **changes)
    return bench
