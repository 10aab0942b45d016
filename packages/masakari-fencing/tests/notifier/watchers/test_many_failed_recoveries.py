"""After a large outage many recoveries are begun again; the hosts are listed once for all."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import pytest
from fencing_cib import Cib
from fencing_fakes import Cluster
from masakari_fencing.notifier.watchers.unattended_recoveries import UnattendedRecoveries
from masakari_fencing.openstack.masakari_api import Host, Notification
from masakari_fencing.openstack.rest import ApiError
from masakari_fencing.records.recoveries import Records
from masakari_fencing.records.recovery import FAILED, End, Record

HERE = "juju-1-lxd-0"
NUMBER = 5


class Masakari:
    """Has a failed recovery of each host, all of which are out of service."""

    def __init__(self) -> None:
        self.listed = 0
        self.enabled: bool | None = True  # None: it does not answer.

    def hosts(self) -> Iterable[Host]:
        self.listed += 1
        if self.enabled is None:
            raise ApiError("away")
        return [Host(f"u{n}", "s", f"Node{n}.maas", True, self.enabled) for n in range(NUMBER)]

    def running(self) -> list[Notification]:
        return []

    def failed_instances(self, since: float) -> list[Notification]:
        return []


class Bench:
    """Recoveries, one of each host, and who looks after them."""

    def __init__(self, **record: Any) -> None:
        cluster, cib, self.masakari, self.now = Cluster(dc=HERE), Cib(), Masakari(), 1000.0
        cluster.runner.on("crm_node --name", f"{HERE}\n")
        cluster.runner.on(f"{sys.executable} -m masakari_fencing.notifier.requeue", "")
        cib.others = lambda argv: cluster.runner.run(argv).stdout
        for n in range(NUMBER):
            assert Records(cib).create(Record(f"node{n}.maas", f"n{n}", "", **record))
        self.watcher = UnattendedRecoveries(
            cib,
            self.masakari,  # type: ignore[arg-type]
            lambda instance: True,
            clock=lambda: self.now,
        )

    def begun_again(self) -> int:
        """How many are, by now."""
        self.now += 40
        return len(self.watcher.check())


END = End(FAILED, "no room", 1.0)


def test_the_hosts_are_listed_once_however_many_recoveries_have_failed() -> None:
    bench = Bench(end=END, attempts=1)
    assert bench.watcher.check() == []
    assert bench.begun_again() == NUMBER
    assert bench.masakari.listed == 1


@pytest.mark.parametrize(
    "record",
    [{"end": END, "attempts": 1}, {}, {"end": END, "down": 1.0}],
    ids=["failed", "interrupted", "owed to a host that is back"],
)
def test_none_is_begun_again_in_vain_while_its_segment_is_disabled(
    record: dict[str, Any],
) -> None:
    bench = Bench(**record)
    bench.masakari.enabled = False
    assert [bench.begun_again() for _ in range(3)] == [0, 0, 0]
    bench.masakari.enabled = True
    assert bench.begun_again() == NUMBER


def test_what_was_interrupted_does_not_wait_for_masakaris_answer() -> None:
    bench = Bench()
    bench.masakari.enabled = None
    assert bench.begun_again() == NUMBER
    assert bench.masakari.listed == 1, "nor is it asked for each of them"
