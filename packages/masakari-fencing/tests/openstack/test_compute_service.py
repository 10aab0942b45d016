"""Forcing a compute service down, and knowing when it was last heard of."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from masakari_fencing.openstack.compute_service import ComputeError, ComputeService
from masakari_fencing.records.recoveries import Superseded

HOST = "node1.maas"


class FakeNova:
    """The services part of novaclient (microversion 2.53)."""

    def __init__(self, *hosts: str) -> None:
        self.known = [
            SimpleNamespace(
                id=f"id-{host}",
                host=host,
                state="up",
                status="enabled",
                forced_down=False,
                updated_at="2026-11-21T03:53:43.000000",
            )
            for host in hosts
        ]
        self.services = self
        self.failures = 0
        self.ignores = False
        self.forced: list[tuple[str, bool]] = []
        self.now = 0.0

    def list(self, binary: str, host: str = "") -> list[Any]:
        assert binary == "nova-compute"
        if self.failures:
            self.failures -= 1
            raise ConnectionError("no route to nova")
        return self.known

    def force_down(self, identifier: str, down: bool) -> None:
        self.forced.append((identifier, down))
        for service in self.known:
            if service.id == identifier and not self.ignores:
                service.forced_down, service.state = down, "down"

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def service(self) -> ComputeService:
        return ComputeService(lambda: self, HOST, sleep=self.sleep, clock=lambda: self.now)


def test_a_service_is_forced_down_and_seen_to_be() -> None:
    nova = FakeNova(HOST, "node10.maas")
    assert nova.service().force_down(60).in_service
    assert nova.forced == [(f"id-{HOST}", True)]


def test_an_answer_that_shows_it_down_is_believed() -> None:
    nova = FakeNova(HOST)
    service = SimpleNamespace(host=HOST, forced_down=True, state="down")
    nova.services.force_down = lambda uuid, down: service
    assert nova.service().force_down(0).changed == 1795233223.0


def test_a_service_that_is_down_already_is_left_alone() -> None:
    nova = FakeNova(HOST)
    nova.service().force_down(60)
    assert nova.service().force_down(60).changed is None
    assert len(nova.forced) == 1


def test_a_service_that_merely_looks_down_is_forced_down() -> None:
    nova = FakeNova(HOST)
    nova.known[0].state = "down"
    assert nova.service().force_down(60).changed is None
    assert nova.known[0].forced_down


def test_nova_may_be_away_for_a_while() -> None:
    nova = FakeNova(HOST)
    nova.failures = 10
    assert nova.service().force_down(60).in_service


def test_but_not_for_ever() -> None:
    nova = FakeNova(HOST)
    nova.failures = 10_000
    with pytest.raises(ComputeError, match="no route to nova"):
        nova.service().force_down(20)
    assert 20 <= nova.now <= 22


@pytest.mark.parametrize("hosts", [(), ("node10.maas",), (HOST, HOST)])
def test_there_must_be_exactly_one(hosts: tuple[str, ...]) -> None:
    nova = FakeNova(*hosts)
    with pytest.raises(ComputeError, match="compute services on host"):
        nova.service().force_down(3)
    with pytest.raises(ComputeError):
        nova.service().state()
    assert nova.forced == []


def test_a_nova_that_only_says_yes_is_not_believed() -> None:
    nova = FakeNova(HOST)
    nova.ignores = True
    with pytest.raises(ComputeError, match="does not show"):
        nova.service().force_down(5)


def test_changed() -> None:
    nova = FakeNova(HOST)
    assert nova.service().state().changed == 1795233223.0
    nova.known[0].updated_at = None
    assert nova.service().state().changed is None
    nova.known[0].updated_at = "2026-11-21T03:53:43.000000"
    assert nova.service().state().last is None
    nova.known[0].state = "down"
    assert nova.service().state().changed is None
    assert nova.service().state().last == 1795233223.0
    nova.known[0].forced_down = True
    assert nova.service().state().last is None, "whoever did that has changed it"
    nova.failures = 1
    with pytest.raises(ComputeError, match="no route"):
        nova.service().state()


@pytest.mark.parametrize(
    "change", [{"state": "down"}, {"status": "disabled"}, {"forced_down": True}]
)
def test_a_service_is_in_service_only_where_instances_are_placed(change: dict[str, Any]) -> None:
    nova = FakeNova(HOST, "node10.maas")
    assert nova.service().state().in_service is True
    vars(nova.known[0]).update(change)
    assert nova.service().state().in_service is False


def test_one_that_nova_does_not_show_is_not_taken_to_be_out_of_service() -> None:
    nova = FakeNova(HOST)
    del nova.known[0].status
    assert nova.service().state().in_service is False


def test_the_newest_report_of_others() -> None:
    nova = FakeNova(HOST)
    assert nova.service().newest_report_of_others() is None
    nova = FakeNova(HOST, "node10.maas", "node2.maas", "new.maas")
    for service, second in zip(nova.known, (59, 44, 45), strict=False):
        service.updated_at = f"2026-11-21T03:53:{second}.000000"
    nova.known[2].forced_down, nova.known[3].updated_at = True, None
    assert nova.service().newest_report_of_others() == 1795233225.0
    nova.failures = 1
    with pytest.raises(ComputeError, match="no route"):
        nova.service().newest_report_of_others()


def test_each_request_is_asked_for_only_as_long_as_that_is_right() -> None:
    """Nova is away; meanwhile another engine has recovered the host, and it was returned."""
    nova = FakeNova(HOST)
    nova.failures = 5

    def check() -> None:
        if nova.now >= 3:
            raise Superseded("it has been taken over")

    with pytest.raises(Superseded):
        nova.service().force_down(60, check)
    assert nova.forced == []
