"""Which guests of a lost hypervisor move, and in which state they arrive."""

from __future__ import annotations

from jujulab.cloud.records import Records
from jujulab.trials.failover import Failover
from jujulab.trials.watch import PREFIX

RUNNING, SHUT_OFF, BROKEN, LOCKED = (
    f"{PREFIX}{name}" for name in ("running", "shutoff", "error", "locked")
)
TAGGED, PLAIN, TAGGED_BROKEN = (f"{PREFIX}{name}" for name in ("tagged", "plain", "tagged-error"))


def test_every_guest_arrives_in_the_state_that_it_was_in(failover: Failover) -> None:
    first, *others = failover.hypervisors()
    failover.arrange("auto")
    failover.boot(dict.fromkeys((RUNNING, SHUT_OFF, BROKEN, LOCKED), first))
    failover.act(SHUT_OFF, "os-stop")
    failover.await_status_of(SHUT_OFF, "SHUTOFF")
    failover.act(BROKEN, "os-resetState", {"state": "error"})
    failover.act(LOCKED, "lock")
    wanted = {RUNNING: "ACTIVE", SHUT_OFF: "SHUTOFF", BROKEN: "ERROR", LOCKED: "ACTIVE"}

    def arrived(lists: Records) -> bool:
        found = {name: lists.servers[name] for name in wanted}
        states = {name: server.status for name, server in found.items()}
        return states == wanted and all(s.host in others and not s.task for s in found.values())

    with failover.watched(f"power cut: {first}, with guests in every state"):
        failover.faults.power_off(failover.machine(first))
        assert failover.await_end() == ["finished"]
        lists = failover.await_records(arrived)
    assert failover.beats(RUNNING)
    assert failover.beats(LOCKED)
    assert {name for name, server in lists.servers.items() if server.locked} == {LOCKED}
    assert failover.silent(SHUT_OFF), "a guest that was shut off runs"
    failover.judge(first)


def test_only_tagged_guests_move_when_the_others_are_to_stay(failover: Failover) -> None:
    """Without evacuate-all-instances; one that is in ERROR stays too where that is asked for."""
    first, *others = failover.hypervisors()
    failover.arrange("auto")
    failover.configure("evacuate-all-instances=false", "ignore-instances-in-error-state=true")
    names = (TAGGED, PLAIN, TAGGED_BROKEN)
    failover.boot(dict.fromkeys(names, first), ha_enabled=(TAGGED, TAGGED_BROKEN))
    failover.act(TAGGED_BROKEN, "os-resetState", {"state": "error"})

    with failover.watched(f"power cut: {first}, only {TAGGED} is to move"):
        failover.faults.power_off(failover.machine(first))
        assert failover.await_end() == ["finished"]
    lists = failover.show()
    assert lists.servers[TAGGED].status == "ACTIVE"
    assert lists.servers[TAGGED].host in others
    assert failover.beats(TAGGED)
    assert [lists.servers[name].host for name in (PLAIN, TAGGED_BROKEN)] == [first, first]
    assert lists.servers[TAGGED_BROKEN].status == "ERROR"

    failover.settle()
    failover.action("return-host", f"host={first}")
    failover.act(PLAIN, "reboot", {"type": "HARD"})
    failover.await_status_of(PLAIN, "ACTIVE")
    assert failover.beats(PLAIN)
    failover.judge(first)
