"""After a large outage many recoveries are begun again; the hosts are listed once for all."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from fencing_cib import Cib
from fencing_fakes import Cluster
from masakari_fencing.notifier.watchers.unattended_recoveries import UnattendedRecoveries
from masakari_fencing.openstack.masakari_api import Host, Notification
from masakari_fencing.records.recoveries import Records
from masakari_fencing.records.recovery import FAILED, End, Record

HERE = "juju-1-lxd-0"
NUMBER = 5


class Masakari:
    """Has a failed recovery of each host, all of which are out of service."""

    listed = 0

    def hosts(self) -> Iterable[Host]:
        self.listed += 1
        return [Host(f"u{n}", "segment", f"Node{n}.maas", True) for n in range(NUMBER)]

    def running(self) -> list[Notification]:
        return []

    def failed_instances(self, since: float) -> list[Notification]:
        return []


def test_the_hosts_are_listed_once_however_many_recoveries_have_failed() -> None:
    cluster, cib, masakari, now = Cluster(dc=HERE), Cib(), Masakari(), [1000.0]
    cluster.runner.on("crm_node --name", f"{HERE}\n")
    cluster.runner.on(f"{sys.executable} -m masakari_fencing.notifier.requeue", "")
    cib.others = lambda argv: cluster.runner.run(argv).stdout
    for n in range(NUMBER):
        end = End(FAILED, "no room", 1.0)
        assert Records(cib).create(Record(f"node{n}.maas", f"n{n}", "", end=end, attempts=1))
    watcher = UnattendedRecoveries(
        cib,
        masakari,  # type: ignore[arg-type]
        lambda instance: True,
        clock=lambda: now[0],
    )
    assert watcher.check() == []
    now[0] += 10
    assert len(watcher.check()) == NUMBER
    assert masakari.listed == 1
