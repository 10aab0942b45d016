"""A failed hypervisor, from its death until it is back in service."""

from __future__ import annotations

import time

from jujulab.maas.power import Settings
from jujulab.trials.failover import IN_DUTY, IN_MAINTENANCE, Failover
from jujulab.trials.watch import PREFIX
from jujulab.waiting import poll

GUEST = f"{PREFIX}1"

FIRMWARE = 60.0
"""Seconds until it boots: its guests have long been recovered by then."""

LOOKS = 25.0
"""Seconds in which the notifier has looked for hosts that were taken back."""

NOTICED = 60.0
"""Seconds until what it then does is done, with Nova's own delays."""

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


def service(failover: Failover, host: str, **changes: object) -> None:
    """Change a compute service as an administrator, with `openstack compute service set`."""
    [found] = [s for s in failover.cloud.compute_services() if s["host"] == host]
    path = f"/os-services/{found['id']}"
    failover.cloud.request("PUT", "compute", path, body=changes, microversion="2.53")


def end_maintenance(failover: Failover, host: str) -> None:
    """As `openstack segment host update --on_maintenance=False SEGMENT HOST`."""
    for segment in failover.cloud.get("instance-ha", "/segments")["segments"]:
        path = f"/segments/{segment['uuid']}/hosts"
        for found in failover.cloud.get("instance-ha", path)["hosts"]:
            if found["name"] == host:
                body = {"host": {"on_maintenance": False}}
                failover.cloud.request("PUT", "instance-ha", f"{path}/{found['uuid']}", body=body)


def remembered(failover: Failover, host: str) -> bool:
    """Whether the cluster knows of a recovery of a host that was not taken back since."""
    xpath = f"//cluster_property_set[@id='masakari-fencing-recovery-{host}']"
    member = failover.cluster.controller()
    reply = member.run(["cibadmin", "--query", "--xpath", xpath], check=False, timeout=30)
    return reply.returncode == 0 and "returned" not in reply.stdout


def test_the_clients_own_commands_take_a_host_back(failover: Failover) -> None:
    """They know nothing of forced-down, so that ends by itself after them."""
    first, *_ = failover.hypervisors()
    failover.arrange("auto")
    failover.boot({GUEST: first})
    with failover.watched(f"power cut: {first}, taken back by the clients' commands"):
        failover.faults.power_off(failover.machine(first))
        assert failover.await_end() == ["finished"]
        failover.await_cluster(first)
        assert failover.show().services[first].forced_down
        service(failover, first, status="enabled")
        end_maintenance(failover, first)
        assert poll(lambda: not failover.records().services[first].forced_down, NOTICED, 1)
    assert poll(lambda: failover.records().services[first].state == "up", NOTICED, 1)
    assert failover.show().hosts[first] == IN_DUTY
    failover.boot({f"{PREFIX}2": first})
    failover.judge(first)


def test_a_host_that_was_forced_down_by_hand_stays_so_and_is_named(failover: Failover) -> None:
    first, *_ = failover.hypervisors()
    failover.arrange("auto")
    assert poll(lambda: not remembered(failover, first), NOTICED, 1)
    failover.repair(lambda: service(failover, first, forced_down=False))
    service(failover, first, forced_down=True)
    failover.await_status("masakari", f"forced down: {first}; when")
    time.sleep(LOOKS)
    assert failover.records().services[first].forced_down
    failover.action("return-host", f"host={first}")
    failover.await_status("masakari", "forced down", present=False, timeout=15)
    assert not failover.show().services[first].forced_down
