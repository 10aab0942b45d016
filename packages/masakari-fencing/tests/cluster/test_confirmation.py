"""The operator's word is taken about hosts that nobody reaches, and about no other."""

from __future__ import annotations

import pytest
from fencing_fakes import CONFIGURATION, Cluster, Remote
from masakari_fencing.cluster import confirmation
from masakari_fencing.cluster.confirmation import Refused
from masakari_fencing.pacemaker.tools import PacemakerError

HOST = "node1.maas"
PRIMITIVE = (
    f'<configuration><resources><primitive id="{HOST}" type="remote"><instance_attributes>'
    '<nvpair name="server" value="10.0.0.1"/></instance_attributes></primitive>'
    '<primitive id="node2.maas" type="remote"><instance_attributes>'
    '<nvpair name="server" value="10.0.0.2"/></instance_attributes></primitive>'
    "</resources></configuration>"
)


class Bench:
    """A host that Pacemaker has lost and cannot fence."""

    def __init__(self) -> None:
        self.remote = Remote(HOST, online=False, unclean=True, role="Stopped", failed=True)
        self.cluster = Cluster([self.remote, Remote("node2.maas")])
        self.cluster.runner.on(CONFIGURATION, PRIMITIVE)
        self.cluster.runner.on("stonith_admin --confirm", lambda argv: self.confirmed(argv))
        self.answers = False
        self.networks: list[str] = []
        self.recorded = True
        self.now = 0.0

    def confirmed(self, argv: list[str]) -> str:
        assert argv == ["stonith_admin", "--confirm", HOST]
        self.remote.unclean = False
        self.remote.fenced = 2_000_000 if self.recorded else 0
        return ""

    def reachable(self, address: str, port: int) -> bool:
        assert (address, port) == ("10.0.0.1", 3121)
        return self.answers

    def reached(self, addresses: list[str], host: str) -> list[str]:
        assert (addresses, host) == (["10.0.0.2"], HOST)
        return self.networks

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def confirm(self, host: str = HOST) -> float:
        return confirmation.confirm(
            self.cluster.runner,
            host,
            reachable=self.reachable,
            reached=self.reached,
            sleep=self.sleep,
            clock=lambda: self.now,
        )

    def refused(self, host: str = HOST) -> str:
        with pytest.raises(Refused) as caught:
            self.confirm(host)
        assert self.cluster.runner.ran("stonith_admin") == []
        return str(caught.value)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize("name", [HOST, "NODE1.maas"])
def test_a_lost_host_counts_as_fenced(bench: Bench, name: str) -> None:
    assert bench.confirm(name) == 2_000_000


def test_one_that_pacemaker_has_forgotten_to_fence(bench: Bench) -> None:
    bench.remote.unclean = False
    assert bench.confirm() == 2_000_000


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"online": True, "unclean": False, "role": "Started", "failed": False}, "is connected"),
        ({"unclean": True, "role": "Started", "failed": False}, "is connected"),
        ({"online": True, "unclean": False, "role": "Starting"}, "is connected"),
        ({"managed": False}, "stopped on purpose"),
        ({"target_role": "Stopped"}, "stopped on purpose"),
        ({"maintenance": True}, "stopped on purpose"),
        ({"unclean": False, "fenced": 1_999_999}, "fenced already"),
    ],
)
def test_a_host_that_is_not_lost(bench: Bench, changes: dict[str, object], reason: str) -> None:
    vars(bench.remote).update(changes)
    assert reason in bench.refused()


def test_a_host_that_the_cluster_does_not_know(bench: Bench) -> None:
    assert "it has: node1.maas, node2.maas" in bench.refused("node3.maas")
    assert "no hypervisor of that name" in bench.refused("juju-1-lxd-0"), "a member"
    with pytest.raises(ValueError, match="cannot be the name"):
        bench.confirm("node1; reboot")


def test_without_quorum(bench: Bench) -> None:
    bench.cluster.quorum = False
    assert "no quorum" in bench.refused()


def test_a_host_whose_daemon_answers(bench: Bench) -> None:
    bench.answers = True
    assert "accepts connections at 10.0.0.1" in bench.refused()


def test_a_host_that_others_reach(bench: Bench) -> None:
    bench.networks = ["storage", "tenant"]
    assert "other hypervisors reach it (storage, tenant)" in bench.refused()


def test_a_host_that_comes_back_while_others_are_asked(bench: Bench) -> None:
    def reached(addresses: list[str], host: str) -> list[str]:
        vars(bench.remote).update(vars(Remote(HOST)))
        return []

    bench.reached = reached  # type: ignore[method-assign]
    assert "is connected" in bench.refused()


def test_a_word_that_is_not_recorded(bench: Bench) -> None:
    bench.recorded = False
    with pytest.raises(PacemakerError, match="has not recorded"):
        bench.confirm()
