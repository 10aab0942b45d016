"""The failure domains that the notifiers keep in the cluster's configuration."""

from __future__ import annotations

import pytest
from fencing_cib import Cib
from fencing_fakes import Cluster, Remote
from masakari_fencing.notifier.domain_lists import DomainLists
from masakari_fencing.notifier.watchers.watcher import LIST_RANK_DELAY
from masakari_fencing.openstack.failure_domains import Aggregate, parse_limits
from masakari_fencing.openstack.masakari_api import Host
from masakari_fencing.openstack.rest import ApiError
from masakari_fencing.pacemaker import cibadmin, fencing_limit, properties
from masakari_fencing.pacemaker.fencing_limit import Domain

ONE, TWO, THREE = "node1.maas", "node2.maas", "node3.maas"


def host(name: str, segment: str = "a") -> Host:
    return Host("uuid", f"uuid-{segment}", name, on_maintenance=False, segment_name=segment)


class Bench:
    """A cluster of three hypervisors, whose configuration is changed as cibadmin would."""

    def __init__(self, limits: str) -> None:
        self.cluster = Cluster([Remote(name) for name in (ONE, TWO, THREE)])
        self.aggregates: list[Aggregate] = []
        self.failure: Exception | None = None
        self.rank: int | None = 0
        self.now = 0.0
        self.cib = Cib()
        for name in (ONE, TWO, THREE):
            remote = f'<primitive id="{name}" class="ocf" provider="pacemaker" type="remote"/>'
            self.cib.add(remote, "configuration/resources")
        self.cib.serve(self.cluster.runner)
        self.watcher = self.watch(limits)

    def watch(self, limits: str) -> DomainLists:
        return DomainLists(
            self.cluster.runner,
            lambda: cibadmin.configuration(self.cluster.runner),
            lambda node: self.rank,
            parse_limits(limits),
            self._ask,
            clock=lambda: self.now,
        )

    def _ask(self) -> list[Aggregate]:
        if self.failure:
            raise self.failure
        return self.aggregates

    def known(self) -> list[Domain]:
        return fencing_limit.domains(cibadmin.configuration(self.cluster.runner))

    def pairs(self) -> dict[str, str]:
        found = cibadmin.configuration(self.cluster.runner)
        return properties.told(found, fencing_limit.DOMAINS)


@pytest.fixture
def bench() -> Bench:
    return Bench("segment=1, aggregate:rack=50%")


def test_what_nova_and_masakari_say_is_written_once_and_changes_with_them(bench: Bench) -> None:
    bench.aggregates = [Aggregate("r1", (ONE.upper(), TWO, "elsewhere"), {"rack": "1"})]
    hosts = [host(ONE), host(TWO), host(THREE, "b")]
    assert bench.watcher.update(hosts)
    assert bench.known() == [
        Domain("segment a", 1, frozenset({ONE, TWO})),
        Domain("segment b", 1, frozenset({THREE})),
        Domain("aggregate r1", 1, frozenset({ONE, TWO})),
    ]
    assert not bench.watcher.update(hosts), "nothing has changed"
    assert bench.watcher.update([host(ONE)])
    assert bench.known() == [
        Domain("segment a", 1, frozenset({ONE})),
        Domain("aggregate r1", 1, frozenset({ONE, TWO})),
    ]


def test_without_limits_nova_is_not_asked_and_what_was_is_taken_out(bench: Bench) -> None:
    bench.watcher.update([host(ONE)])
    assert bench.known()
    bench.failure = ApiError("away")
    assert bench.watch("").update([host(ONE)])
    assert (bench.known(), bench.pairs()) == ([], {})


def test_while_nova_does_not_answer_the_last_word_stands(bench: Bench) -> None:
    bench.watcher.update([host(ONE)])
    bench.failure = ApiError("away")
    with pytest.raises(ApiError):
        bench.watcher.update([host(TWO)])
    assert bench.known() == [Domain("segment a", 1, frozenset({ONE}))]


def test_the_members_take_turns(bench: Bench) -> None:
    bench.rank = 1
    assert not bench.watcher.update([host(ONE)])
    bench.now = LIST_RANK_DELAY
    assert bench.watcher.update([host(ONE)])
    bench.rank = None
    assert not bench.watcher.update([])


def test_a_fencing_is_not_interrupted(bench: Bench) -> None:
    remote = bench.cluster.remotes[0]
    remote.unclean, remote.events = True, [("reboot", "pending", None)]
    assert not bench.watcher.update([host(ONE)])
    remote.events = [("reboot", "success", 1.0)]
    assert bench.watcher.update([host(ONE)])
