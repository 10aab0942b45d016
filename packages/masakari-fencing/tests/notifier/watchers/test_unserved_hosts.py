"""What is off in Masakari is fenced by nobody, as long as nobody asks for it."""

from __future__ import annotations

import pytest
from fencing_cib import Cib
from fencing_fakes import Cluster, Remote
from fencing_masakari import FakeMasakari
from keystoneauth1 import session as ks
from keystoneauth1.token_endpoint import Token
from masakari_fencing.notifier.watchers.unserved_hosts import UnservedHosts
from masakari_fencing.notifier.watchers.watcher import LIST_RANK_DELAY
from masakari_fencing.openstack.masakari_api import Host, MasakariApi
from masakari_fencing.openstack.rest import CATALOG
from masakari_fencing.pacemaker import cibadmin, fenceable, properties

ONE, TWO, THREE = "node1.maas", "node2.maas", "node3.maas"


def host(name: str, *, enabled: bool = True) -> Host:
    return Host("uuid", "segment", name, on_maintenance=False, enabled=enabled)


class Bench:
    """A cluster of three hypervisors."""

    def __init__(self) -> None:
        self.cluster = Cluster([Remote(name) for name in (ONE, TWO, THREE)])
        runner = self.cluster.runner
        self.cib = Cib()
        for name in (ONE, TWO, THREE):
            remote = f'<primitive id="{name}" class="ocf" provider="pacemaker" type="remote"/>'
            self.cib.add(remote, "configuration/resources")
        self.cib.serve(runner)
        self.rank: int | None = 0
        self.now = 0.0
        self.list = UnservedHosts(
            runner,
            lambda: cibadmin.configuration(runner),
            lambda node: self.rank,
            clock=lambda: self.now,
        )

    def reasons(self) -> list[str | None]:
        configuration = cibadmin.configuration(self.cluster.runner)
        return [properties.reason(configuration, name) for name in (ONE, TWO, THREE)]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_disabled_segment_and_none(bench: Bench) -> None:
    assert bench.list.update([host("NODE1.maas"), host(TWO, enabled=False)])
    assert bench.reasons() == [
        None,
        "its failover segment is disabled",
        "it is in no failover segment",
    ]
    assert not bench.list.update([host(ONE), host(TWO, enabled=False)]), "nothing has changed"
    assert bench.list.update([host(ONE), host(TWO), host(THREE)])
    assert bench.reasons() == [None, None, None]


def test_without_a_list_all_are_looked_after(bench: Bench) -> None:
    assert bench.reasons() == [None, None, None]


def test_the_members_take_turns(bench: Bench) -> None:
    bench.rank = 1
    assert not bench.list.update([])
    bench.now = LIST_RANK_DELAY - 1
    assert not bench.list.update([])
    bench.now = LIST_RANK_DELAY
    assert bench.list.update([])


def test_one_without_a_turn_writes_nothing(bench: Bench) -> None:
    bench.rank = None
    assert not bench.list.update([])


def test_a_fencing_is_not_interrupted(bench: Bench) -> None:
    remote = bench.cluster.remotes[0]
    remote.unclean, remote.events = True, [("reboot", "pending", None)]
    assert not bench.list.update([])
    remote.events = [("reboot", "success", 1.0)]
    assert bench.list.update([])


def test_a_segment_that_is_made_a_moment_before_the_disaster_counts(bench: Bench) -> None:
    """Pacemaker asks in vain, again and again, for what the list keeps from being fenced."""
    bench.list.update([host(TWO), host(THREE)])
    remote = bench.cluster.remotes[0]
    remote.unclean, remote.events = True, [("reboot", "pending", None)]
    assert bench.list.update([host(ONE), host(TWO), host(THREE)])
    assert bench.reasons() == [None, None, None]


def test_it_is_fenced_by_nobody(bench: Bench) -> None:
    bench.list.update([host(TWO, enabled=False)])
    record = '<instance_attributes><nvpair name="juju-machine" value="1"/></instance_attributes>'
    for name in (ONE, TWO):
        bench.cib.add(f'<node uname="{name}">{record}</node>', "configuration/nodes")
        bench.cib.fenced(name, 0)
    cib = cibadmin.cib(bench.cluster.runner)
    assert fenceable.obstacle(cib, ONE) == "it is in no failover segment"
    assert fenceable.obstacle(cib, TWO) == "its failover segment is disabled"


@pytest.mark.parametrize("answer", [{"enabled": False}, {"enabled": True}, {}])
def test_what_the_api_says_of_a_segment(
    answer: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = FakeMasakari([ONE])
    listed = server.handle

    def handle(method: str, path: str, body: dict[str, object]) -> tuple[int, object]:
        code, data = listed(method, path, body)
        if path.partition("?")[0] == "/v1/segments":
            for segment in data["segments"]:
                segment.update(answer)
        return code, data

    monkeypatch.setattr(server, "handle", handle)
    session = ks.Session(auth=Token(server.url, "token"))
    (found,) = MasakariApi(session, [CATALOG], 5).hosts()
    assert found.enabled is answer.get("enabled", True)
    server.close()
