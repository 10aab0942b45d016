"""In which order instances come up, and which are left alone, by the guests' own heartbeats."""

from __future__ import annotations

import itertools

from jujulab.cloud import heartbeat
from jujulab.cloud.records import Records
from jujulab.trials.failover import Failover
from jujulab.trials.watch import PREFIX

GROUP, PRIORITY = "instanceha:restart_group", "instanceha:restart_priority"
MISSPELLED = "instanceha:restart_prio"
DATABASE, APP, WEB, SPARE = (f"{PREFIX}{name}" for name in ("db", "app", "web", "spare"))
PAUSE = 5
"""Seconds that a group waits after the one before it: without an order all would start at once."""
DAY = 24 * 3600

SAID = {
    DATABASE: {GROUP: "db", PRIORITY: "900"},
    APP: {GROUP: "app", PRIORITY: "no number"},
    WEB: {PRIORITY: "7", MISSPELLED: "1"},
}


def begins(failover: Failover, name: str) -> int:
    """When a guest's latest life began, by its own clock, in seconds of the day."""
    [*_, latest] = failover.guests.lives(PREFIX)[name]
    assert isinstance(latest, heartbeat.Boot)
    return latest.first.second_of_day


def test_groups_come_up_one_after_the_other_and_what_a_rule_names_stays(
    failover: Failover,
) -> None:
    first, *others = failover.hypervisors()
    failover.arrange("auto")
    failover.configure(f"restart-group-pause={PAUSE}", f"recover-never=name:{SPARE}*")
    # Nova lists the latest first, which would be the order of their recovery without a word.
    failover.boot(dict.fromkeys((DATABASE, APP, WEB, SPARE), first))
    for name, metadata in SAID.items():
        path = f"/servers/{failover.server(name)['id']}/metadata"
        failover.cloud.post("compute", path, {"metadata": metadata})
    spare, app, web = (failover.server(name)["id"] for name in (SPARE, APP, WEB))

    plan = failover.action("plan-recovery", f"host={first}")
    assert plan["order"] == "group db (1), then group app (1), then 1 in no group"
    assert spare in plan["left-alone"]
    assert app in plan["not-heeded"]
    assert f"{web}: server's '{MISSPELLED}': no such key is known" in plan["not-heeded"]

    def arrived(lists: Records) -> bool:
        found = [lists.servers[name] for name in SAID]
        return all((s.status, s.task) == ("ACTIVE", None) and s.host in others for s in found)

    with failover.watched(f"power cut: {first}, with three groups and one to be left alone"):
        failover.faults.power_off(failover.machine(first))
        lists = failover.await_records(arrived)
        assert failover.await_end() == ["finished"]
    assert all(failover.beats(name) for name in SAID)
    assert lists.servers[SPARE].host == first
    assert failover.silent(SPARE)
    moments = [begins(failover, name) for name in (DATABASE, APP, WEB)]
    failover.say(f"first beats of the three groups, in seconds of the day: {moments}")
    for earlier, later in itertools.pairwise(moments):
        assert PAUSE - 2 <= (later - earlier) % DAY < DAY // 2, "out of turn"
    report = failover.action("show-recovery")
    assert list(report["left-alone"]) == [spare]
    assert f"Instance {app}: server's {PRIORITY} 'no number' is no whole" in report["timeline"]
    failover.judge(first)

    # Before the options are set back: the unit of an attempt that failed says so until then.
    failover.settle()
    failover.action("return-host", f"host={first}")
    failover.await_status("masakari", "Recovery of", present=False)
