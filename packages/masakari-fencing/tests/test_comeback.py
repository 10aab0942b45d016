"""Hosts that operators take back by Masakari's and Nova's own commands, without our action."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from fencing_fakes import CONFIGURATION, Cluster, FakeMasakari, Remote
from keystoneauth1 import session as ks
from keystoneauth1.token_endpoint import Token
from masakari_fencing import turn
from masakari_fencing.api import CATALOG, MasakariApi, NovaApi
from masakari_fencing.comeback import Comeback

HOST = "Node1.maas"
HOLDER = "7b2b0b3e-0000-4000-8000-000000000001"


class Bench:
    """A host that was recovered, and that its operator has taken back since."""

    def __init__(self, cloud: FakeMasakari) -> None:
        self.cloud = cloud
        self.cloud.forced_down = {HOST}
        self.cluster = Cluster([Remote(HOST)], dc="juju-1-lxd-0")
        self.turns = [(HOST.lower(), HOLDER)]
        runner = self.cluster.runner
        runner.on(CONFIGURATION, lambda _: self._turns())
        runner.on("cibadmin --delete", lambda _: self.turns.clear() or "")
        session = ks.Session(auth=Token(cloud.url, "token"))
        apis = MasakariApi(session, [CATALOG], 2), NovaApi(session, 2)
        self.comeback = Comeback(runner, *apis)

    def _turns(self) -> str:
        groups = ""
        for host, holder in self.turns:
            name = f"{turn.PREFIX}{host}"
            groups += (
                f'<cluster_property_set id="{name}"><nvpair id="{name}-by" value="{holder}"/>'
                f'<nvpair id="{name}-engine" value="juju-1-lxd-0.b.1.2"/></cluster_property_set>'
            )
        return f"<configuration><crm_config>{groups}</crm_config></configuration>"

    def asked(self) -> list[str]:
        return [request for request in self.cloud.requests if "auth" not in request]


@pytest.fixture
def bench() -> Iterator[Bench]:
    server = FakeMasakari([HOST, "node2.maas"])
    yield Bench(server)
    server.close()


def test_a_host_that_is_enabled_and_out_of_maintenance_is_no_longer_forced_down(
    bench: Bench,
) -> None:
    assert bench.comeback.look() == [HOST]
    assert bench.cloud.forced_down == set()
    (forgotten,) = bench.cluster.runner.ran("cibadmin --delete")
    assert HOLDER in forgotten[3], "another recovery's turn would stay"
    assert bench.comeback.look() == []


def test_one_that_was_forced_down_by_hand_stays_so(bench: Bench) -> None:
    """Nothing was recovered: whoever forced it down wants to evacuate it himself."""
    bench.turns.clear()
    assert bench.comeback.look() == []
    assert bench.cloud.forced_down == {HOST}
    assert bench.asked() == []


def test_a_recovery_that_return_host_has_ended_is_forgotten(bench: Bench) -> None:
    """Or a forced-down state of later would be taken for that recovery's."""
    bench.cloud.forced_down.clear()
    assert bench.comeback.look() == [HOST]
    assert bench.turns == []
    assert not [request for request in bench.asked() if request.startswith("PUT")]


@pytest.mark.parametrize(
    "obstacle", ["maintenance", "disabled", "not connected", "not the controller", "no quorum"]
)
def test_what_is_not_back_yet_is_left_alone(bench: Bench, obstacle: str) -> None:
    remote = bench.cluster.remotes[0]
    if obstacle == "maintenance":
        bench.cloud.hosts[HOST]["on_maintenance"] = True
    elif obstacle == "disabled":
        bench.cloud.disabled = {HOST}
    elif obstacle == "not connected":
        remote.role, remote.online = "Stopped", False
    elif obstacle == "not the controller":
        bench.cluster.dc = "juju-3-lxd-0"
    else:
        bench.cluster.quorum = False
    assert bench.comeback.look() == []
    assert bench.cloud.forced_down == {HOST}
    assert bench.turns


def test_nova_may_refuse_for_a_while(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.cloud.refuse_up = True
    for _ in range(2):
        assert bench.comeback.look() == []
    assert bench.turns
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "evacuation migration records remain" in warnings[0]
    bench.cloud.refuse_up = False
    assert bench.comeback.look() == [HOST]
