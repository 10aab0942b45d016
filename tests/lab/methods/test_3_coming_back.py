"""A failed hypervisor, from its death until it is back in service."""

from __future__ import annotations

import time

from jujulab.failover import IN_DUTY, IN_MAINTENANCE, Failover
from jujulab.power import Settings
from jujulab.trial import PREFIX

GUEST = f"{PREFIX}1"

FIRMWARE = 60.0
"""Seconds until it boots: its guests have long been recovered by then."""

STAYS_DOWN = 20.0
"""Seconds after its return in which a hypervisor would start guests that it takes for its own."""


def test_a_host_comes_back_but_takes_no_guests_until_it_is_told_to(failover: Failover) -> None:
    first, *_ = failover.hypervisors()
    failover.arrange("auto")
    failover.boot({GUEST: first})
    firmware = Settings(failover.lab.run_dir)
    failover.repair(setattr, firmware, "boot_delay", firmware.boot_delay)
    firmware.boot_delay = FIRMWARE
    with failover.watched(f"power cut: {first}, and its return"):
        failover.faults.power_off(failover.machine(first))
        assert failover.await_end() == ["finished"]
        assert not failover.connected(first), "the host is back already: nothing is shown"
        reason = failover.refused("return-host", f"host={first}", "timeout=1")
        assert f"{first} is not back: Pacemaker" in reason
        assert failover.show().services[first].forced_down
        failover.await_status("masakari", f"in maintenance: {first}; when")

        failover.await_cluster(first)
        failover.await_no_process(first, STAYS_DOWN)
        lists = failover.show()
        assert lists.hosts[first] == IN_MAINTENANCE
        service = lists.services[first]
        assert (service.status, service.forced_down) == ("disabled", True)

        began = time.monotonic()
        failover.action("return-host", f"host={first}")
        failover.say(f"return-host took {time.monotonic() - began:.1f} s")
        failover.await_status("masakari", "in maintenance", present=False, timeout=15)
        failover.await_no_process(first, STAYS_DOWN)
    lists = failover.show()
    assert lists.hosts[first] == IN_DUTY
    service = lists.services[first]
    assert (service.status, service.state, service.forced_down) == ("enabled", "up", False)
    failover.boot({f"{PREFIX}2": first})
    failover.judge(first)


def test_a_host_that_was_only_half_returned_is_named(failover: Failover) -> None:
    """The clients' way, enabling the service and ending the maintenance, forgets forced-down."""
    first, *_ = failover.hypervisors()
    failover.arrange("auto")
    [service] = [s for s in failover.cloud.compute_services() if s["host"] == first]

    def force(down: bool) -> None:
        path = f"/os-services/{service['id']}"
        body = {"forced_down": down}
        failover.cloud.request("PUT", "compute", path, body=body, microversion="2.53")

    failover.repair(force, False)
    force(True)
    failover.await_status("masakari", f"forced down: {first}; when")
    failover.action("return-host", f"host={first}")
    failover.await_status("masakari", "forced down", present=False, timeout=15)
    assert not failover.show().services[first].forced_down
