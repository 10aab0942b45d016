"""Failure domains: where instances go, how many hosts are fenced, and the way back.

Two of four hypervisors are in one host aggregate. What is judged are the guests' own heartbeats.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from jujulab.cloud.records import Records
from jujulab.trials.failover import IN_DUTY, Failover
from jujulab.trials.watch import PREFIX
from jujulab.waiting import poll

ONE, TWO = f"{PREFIX}1", f"{PREFIX}2"
RACK = "aggregate:rack"
KNOWN = 120.0
"""Seconds within which the cluster knows the domains: the notifiers look each 20 s."""


@pytest.fixture
def rack(failover: Failover) -> Iterator[tuple[str, str]]:
    """Two hypervisors in an aggregate."""
    first, *_, last = failover.hypervisors()
    body = {"aggregate": {"name": "left", "availability_zone": None}}
    made = failover.cloud.post("compute", "/os-aggregates", body)["aggregate"]
    path = f"/os-aggregates/{made['id']}"
    act = f"{path}/action"
    for host in (first, last):
        failover.cloud.post("compute", act, {"add_host": {"host": host}})
    failover.cloud.post("compute", act, {"set_metadata": {"metadata": {"rack": "left"}}})
    yield first, last
    for host in (first, last):
        failover.cloud.post("compute", act, {"remove_host": {"host": host}})
    failover.cloud.request("DELETE", "compute", path)


def on(names: tuple[str, ...], host: str, lists: Records) -> bool:
    found = [lists.servers[name] for name in names]
    return all((s.status, s.task, s.host) == ("ACTIVE", None, host) for s in found)


def test_guests_stay_within_their_rack_and_go_back_when_asked(
    failover: Failover, rack: tuple[str, str]
) -> None:
    first, near = rack
    failover.arrange("auto")
    failover.configure(f"recovery-destination={RACK}")
    failover.boot({ONE: first, TWO: first})
    plan = failover.action("plan-recovery", f"host={first}")
    assert plan["table"].count(f"there is room on {near}") == 2

    with failover.watched(f"power cut: {first}, whose guests stay within its rack"):
        failover.faults.power_off(failover.machine(first))
        failover.await_records(lambda lists: on((ONE, TWO), near, lists))
        assert failover.await_end() == ["finished"]
    assert all(failover.beats(name) for name in (ONE, TWO))
    failover.judge(first)

    assert "is not in service" in failover.refused("restore-placement", f"host={first}")
    failover.settle()
    failover.action("return-host", f"host={first}")
    lives = {name: len(found) for name, found in failover.guests.lives(PREFIX).items()}
    foretold = failover.action("restore-placement", f"host={first}")
    assert (foretold["outcome"], int(foretold["instances"])) == ("would-be-restored", 2)
    restored = failover.action("restore-placement", f"host={first}", "dry-run=false")
    assert restored["outcome"] == "restored"
    assert on((ONE, TWO), first, failover.show())
    assert all(failover.beats(name) for name in (ONE, TWO))
    now = {name: len(found) for name, found in failover.guests.lives(PREFIX).items()}
    assert now == lives, "they were moved while they ran"
    again = failover.action("restore-placement", f"host={first}", "dry-run=false")
    assert again["outcome"] == "unchanged"


def test_two_of_a_rack_that_may_lose_one_are_not_fenced(
    failover: Failover, rack: tuple[str, str]
) -> None:
    """The limit for all hypervisors would let both through."""
    first, near = rack
    failover.arrange("auto")
    failover.set_options("masakari", fencing_limit_domains=f"{RACK}=1")
    member = failover.cluster.members[0]
    query = "cibadmin --query --xpath \"//cluster_property_set[@id='masakari-fencing-domains']\""

    def told() -> bool:
        answer = member.run(["sh", "-c", f"{query} || true"])
        return all(host in answer.stdout for host in rack)

    assert poll(told, KNOWN), "the cluster does not know the rack"
    failover.boot({ONE: first, TWO: near})
    with failover.watched(f"power cut of both of a rack: {first}, {near}"):
        for host in rack:
            failover.faults.power_off(failover.machine(host))
        failover.await_status("masakari", "of aggregate left are lost", "allow-fencing")
        assert failover.silent(ONE, TWO)
        assert failover.states("COMPUTE_HOST") == []
        failover.action("allow-fencing", "duration=120")
        others = set(failover.hypervisors()) - set(rack)
        failover.await_records(
            lambda lists: all(lists.servers[name].host in others for name in (ONE, TWO))
        )
        assert failover.await_end() == ["finished", "finished"]
    assert all(failover.beats(name) for name in (ONE, TWO))
    failover.judge(first, near)
    lists = failover.show()
    assert all(lists.hosts[host] == IN_DUTY for host in others)
