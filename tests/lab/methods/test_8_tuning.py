"""When a recovery that has failed is tried again, and how its evacuations follow each other."""

from __future__ import annotations

import time

from jujulab.cloud.placement import Room
from jujulab.cloud.records import Records
from jujulab.maas.power import Settings
from jujulab.trials.failover import HOST, Failover
from jujulab.trials.watch import PREFIX

ONE, TWO = f"{PREFIX}1", f"{PREFIX}2"
APART = 10
"""Seconds between two evacuations: without them both begin within one."""
FIRMWARE = 1200.0
"""Seconds that the failed host needs to boot."""
QUIET = 40.0
"""Seconds in which the default pauses would have had it tried again twice."""
DAY = 24 * 3600


def test_a_failed_recovery_waits_for_the_operator_and_goes_on_one_by_one(
    failover: Failover,
) -> None:
    *others, host = failover.hypervisors()
    failover.arrange("auto")
    # It does not come back meanwhile: it would be fenced again, and that be reported.
    firmware = Settings(failover.lab.run_dir)
    failover.repair(setattr, firmware, "boot_delay", firmware.boot_delay)
    firmware.boot_delay = FIRMWARE
    # An hour is more than this test takes: no retry but Masakari's own.
    failover.configure("recovery-retries=3600", f"host-recovery-stagger={APART}")
    failover.guests.delete(PREFIX)  # the room that they leave would not be taken
    room = Room(failover.cloud)
    failover.repair(room.give_back)
    for other in others:
        room.take(other)
    failover.boot({ONE: host, TWO: host})

    def arrived(lists: Records) -> bool:
        found = [lists.servers[name] for name in (ONE, TWO)]
        return all((s.status, s.task) == ("ACTIVE", None) and s.host in others for s in found)

    with failover.watched(f"power cut: {host}, and no room for its guests"):
        failover.faults.power_off(failover.machine(host))
        assert failover.await_end() == ["failed"]
        end = time.monotonic() + QUIET
        while time.monotonic() < end:
            assert failover.states(HOST) == ["failed"], "it is not tried again yet"
            time.sleep(2)
        failover.await_status("masakari", f"Recovery of {host} failed")
        room.give_back()
        failover.action("retry-recovery", f"host={host}")
        failover.await_records(arrived)
        assert failover.await_end() == ["finished"]
    assert failover.beats(ONE)
    assert failover.beats(TWO)
    lives = failover.guests.lives(PREFIX)
    first, second = sorted(
        lives[name][-1].first.second_of_day for name in (ONE, TWO)
    )  # by the guests' own clocks; a day ends once
    gap = min(second - first, first + DAY - second)
    failover.say(f"the guests' first beats are {gap} s apart")
    assert gap >= APART // 2, "one by one"
    failover.judge(host)
    machine = failover.machine(host)
    machine.power_off()  # else it would be waited for
    machine.power_on()
