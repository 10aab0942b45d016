"""Each recovery method, judged by the lists that an operator reads and by the guests' disks."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pytest
from jujulab.cloud.records import Records
from jujulab.trials.failover import IN_DUTY, IN_MAINTENANCE, IN_RESERVE, Failover
from jujulab.trials.watch import PREFIX

ONE, TWO = f"{PREFIX}1", f"{PREFIX}2"

Arrived = Callable[[Records], bool]


def arrived(names: Collection[str], hosts: Collection[str]) -> Arrived:
    """All of some guests are ACTIVE on these hypervisors."""

    def look(lists: Records) -> bool:
        found = [lists.servers[name] for name in names]
        return all((s.status, s.task) == ("ACTIVE", None) and s.host in hosts for s in found)

    return look


def lose(failover: Failover, host: str, *, to: Collection[str]) -> Records:
    """Cut a hypervisor's power; its guests come up on others, and the lists say what Sunbeam's do.

    Returns:
        the lists afterwards.
    """
    victims = failover.victims([host])
    with failover.watched(f"power cut: {host}, with {len(victims)} guests"):
        failover.faults.power_off(failover.machine(host))
        failover.await_records(arrived(victims, to))
        assert failover.await_end() == ["finished"]
    lists = failover.show()
    assert all(failover.beats(name) for name in victims)
    assert lists.hosts[host] == IN_MAINTENANCE
    service = lists.services[host]
    assert (service.status, service.state, service.forced_down) == ("disabled", "down", True)
    failover.judge(host)
    return lists


def test_auto(failover: Failover) -> None:
    """The guests spread over whatever is left."""
    first, *others = failover.hypervisors()
    failover.arrange("auto")
    failover.boot({ONE: first, TWO: first})
    lists = lose(failover, first, to=others)
    assert all(lists.hosts[host] == IN_DUTY for host in others)
    assert all(lists.services[host].status == "enabled" for host in others)


def test_reserved_host_and_the_failed_one_takes_its_place(failover: Failover) -> None:
    first, second, *_, reserved = failover.hypervisors()
    failover.arrange("reserved_host", reserved=[reserved])
    lists = failover.show()
    assert lists.hosts[reserved] == IN_RESERVE
    assert (lists.services[reserved].status, lists.services[reserved].state) == ("disabled", "up")
    failover.boot({ONE: first, TWO: second})
    lists = lose(failover, first, to=[reserved])
    assert lists.hosts[reserved] == IN_DUTY
    assert lists.services[reserved].status == "enabled"
    assert lists.servers[TWO].host == second

    failover.settle()
    failover.action("return-host", f"host={first}", "reserved=true")
    lists = failover.show()
    assert lists.hosts[first] == IN_RESERVE
    assert (lists.services[first].status, lists.services[first].state) == ("disabled", "up")
    assert not lists.services[first].forced_down

    lists = lose(failover, second, to=[first])
    assert lists.hosts[first] == IN_DUTY
    assert lists.servers[ONE].host == reserved


def test_of_several_reserved_hosts_a_full_one_is_passed_over(failover: Failover) -> None:
    first, _, second_choice, first_choice = failover.hypervisors()  # Masakari: the latest first
    failover.arrange("reserved_host", reserved=[second_choice, first_choice])
    failover.fill(first_choice)
    failover.boot({ONE: first, TWO: first})
    lists = lose(failover, first, to=[second_choice])
    path = "/os-migrations?migration_type=evacuation"
    evacuations = failover.cloud.get("compute", path, microversion="2.59")["migrations"]
    tried = [m["status"] for m in evacuations if m["dest_compute"] == first_choice]
    assert tried == ["error", "error"], "it was not tried"
    assert lists.hosts[first_choice] == IN_RESERVE, "what was not needed is given back"


def test_rh_priority_takes_any_host_when_the_reserved_one_is_full(failover: Failover) -> None:
    first, *others, reserved = failover.hypervisors()
    failover.arrange("rh_priority", reserved=[reserved])
    failover.fill(reserved)
    failover.boot({ONE: first, TWO: first})
    lose(failover, first, to=others)


def test_auto_priority_takes_the_reserved_host_when_the_others_are_full(
    failover: Failover,
) -> None:
    first, *others, reserved = failover.hypervisors()
    failover.arrange("auto_priority", reserved=[reserved])
    failover.fill(*others)
    failover.boot({ONE: first, TWO: first})
    lists = lose(failover, first, to=[reserved])
    assert lists.hosts[reserved] == IN_DUTY
    assert lists.services[reserved].status == "enabled"


@pytest.mark.parametrize(
    ("method", "reserve"), [("rh_priority", True), ("rh_priority", False), ("auto_priority", True)]
)
def test_the_first_choice_of_the_other_methods(
    failover: Failover, method: str, reserve: bool
) -> None:
    """The reserved host where there is one; or any host, and the reserved one stays in reserve."""
    first, *others, reserved = failover.hypervisors()
    failover.arrange(method, reserved=[reserved] if reserve else [])
    failover.boot({ONE: first})
    if (method, reserve) == ("rh_priority", True):
        lists = lose(failover, first, to=[reserved])
        assert lists.hosts[reserved] == IN_DUTY
    else:
        lists = lose(failover, first, to=others if reserve else [*others, reserved])
        assert lists.hosts[reserved] == (IN_RESERVE if reserve else IN_DUTY)


@pytest.mark.parametrize("cause", ["no reserved host", "the reserved host is full"])
def test_reserved_host_that_cannot_be_had(failover: Failover, cause: str) -> None:
    """Nothing moves, and it is said; the guests are started where they are when that is back.

    What the recovery had reserved, and needed for nothing, is in reserve again then.
    """
    first, *_, last = failover.hypervisors()
    failover.arrange("reserved_host", reserved=[] if cause == "no reserved host" else [last])
    if cause != "no reserved host":
        failover.fill(last)
    failover.boot({ONE: first})
    with failover.watched(f"power cut: {first}; {cause}"):
        failover.faults.power_off(failover.machine(first))
        # One that boots meanwhile is fenced again, which is reported anew.
        assert set(failover.await_end()) == {"failed"}
    lists = failover.show()
    assert lists.servers[ONE].host == first
    assert lists.hosts[first] == IN_MAINTENANCE
    failover.await_status("masakari", f"Recovery of {first} ")
    failover.judge(first)

    failover.settle()
    failover.await_end()  # It was fenced again, which was reported anew.
    failover.action("return-host", f"host={first}", "--wait=5m")
    failover.await_status("masakari", "Recovery of", present=False)
    failover.await_status_of(ONE, "ACTIVE")
    assert failover.beats(ONE)
    lists = failover.await_records(lambda lists: lists.hosts[first] == IN_DUTY)
    assert lists.servers[ONE].host == first
    if cause != "no reserved host":
        lists = failover.await_records(lambda lists: lists.hosts[last] == IN_RESERVE)
        assert lists.services[last].status == "disabled"
    failover.judge(first)


def test_two_hosts_lost_at_once_take_two_reserved_hosts(failover: Failover) -> None:
    """One of them carries a member of the cluster, the other does not: the quorum stays."""
    first, *reserve, fourth = failover.hypervisors()
    failover.arrange("reserved_host", reserved=reserve)
    failover.boot({ONE: first, TWO: fourth})
    with failover.watched(f"power cut: {first} and {fourth}"):
        for host in (first, fourth):
            failover.faults.power_off(failover.machine(host))
        failover.await_records(arrived([ONE, TWO], reserve))
        assert failover.await_end() == ["finished", "finished"]
    lists = failover.show()
    assert failover.beats(ONE)
    assert failover.beats(TWO)
    assert [lists.hosts[host] for host in (first, fourth)] == [IN_MAINTENANCE] * 2
    failover.judge(first, fourth)
