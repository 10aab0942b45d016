"""A guest fails while its hypervisor works."""

from __future__ import annotations

import time

import pytest
from jujulab.trials.failover import GUEST, Failover
from jujulab.trials.watch import PREFIX

TAGGED, PLAIN = f"{PREFIX}tagged", f"{PREFIX}plain"

DOWN = 15.0
"""Seconds for which nova-compute is down."""

NOTICED = 20.0
"""Seconds in which a failure would have been recovered: it takes about 3."""


@pytest.fixture
def home(failover: Failover) -> str:
    """A hypervisor with a guest that is tagged HA_Enabled and one that is not."""
    first, *_ = failover.hypervisors()
    failover.arrange("auto")
    failover.boot({TAGGED: first, PLAIN: first}, ha_enabled=[TAGGED])
    return first


def domain(failover: Failover, name: str) -> str:
    return str(failover.server(name)["OS-EXT-SRV-ATTR:instance_name"])


def kill(failover: Failover, name: str) -> None:
    machine = failover.machine(failover.server(name)["OS-EXT-SRV-ATTR:host"])
    failover.faults.kill(machine, f"guest={domain(failover, name)},")


def virsh(failover: Failover, command: str, name: str, *arguments: str) -> None:
    machine = failover.machine(failover.server(name)["OS-EXT-SRV-ATTR:host"])
    machine.run(["virsh", command, domain(failover, name), *arguments], timeout=30)


def test_a_killed_guest_is_started_again_if_it_is_tagged(failover: Failover, home: str) -> None:
    with failover.watched("QEMU of both guests killed"):
        kill(failover, PLAIN)
        kill(failover, TAGGED)
        assert failover.beats(TAGGED)
        failover.await_status_of(TAGGED, "ACTIVE")
        failover.await_status_of(PLAIN, "SHUTOFF")
        assert failover.await_end(GUEST) == ["finished", "finished"]
        assert failover.silent(PLAIN, seconds=NOTICED)
    failover.judge()


def test_every_killed_guest_is_started_again_if_all_are_to_be(
    failover: Failover, home: str
) -> None:
    failover.configure("process-all-instances=true")
    with failover.watched("QEMU of the guest killed that is not tagged"):
        kill(failover, PLAIN)
        assert failover.beats(PLAIN)
        failover.await_status_of(PLAIN, "ACTIVE")
        assert failover.await_end(GUEST) == ["finished"]
    failover.judge()


def test_a_guest_that_dies_three_times_in_a_row_is_started_each_time(
    failover: Failover, home: str
) -> None:
    """Masakari refuses the second report as a duplicate of the first for half a minute."""
    with failover.watched(f"QEMU of {TAGGED} killed again and again"):
        for _ in range(3):
            kill(failover, TAGGED)
            assert failover.beats(TAGGED)
            failover.await_status_of(TAGGED, "ACTIVE")
        assert failover.await_end(GUEST) == ["finished"] * 3
    failover.judge()


def test_a_guest_that_dies_while_nova_compute_is_down(failover: Failover, home: str) -> None:
    """Nova stops and starts it as soon as it can, and Masakari waits for that."""
    machine = failover.machine(home)
    start = ["systemctl", "start", "nova-compute"]
    failover.repair(machine.run, start)
    machine.run(["systemctl", "stop", "nova-compute"], timeout=60)
    with failover.watched(f"QEMU of {TAGGED} killed while nova-compute of {home} is down"):
        kill(failover, TAGGED)
        assert failover.silent(TAGGED, seconds=DOWN)
        machine.run(start, timeout=120)
        assert failover.beats(TAGGED, within=120)
        failover.await_status_of(TAGGED, "ACTIVE")
        assert failover.await_end(GUEST) == ["finished"]
    assert failover.show().servers[TAGGED].host == home
    failover.judge()


@pytest.mark.parametrize(
    ("command", "status", "runs"),
    [
        ("os-stop", "SHUTOFF", False),
        ("pause", "PAUSED", False),
        ("reboot", "ACTIVE", True),
    ],
)
def test_what_its_user_does_to_a_guest_is_not_undone(
    failover: Failover, home: str, command: str, status: str, runs: bool
) -> None:
    with failover.watched(f"{command} of {TAGGED} by its user"):
        failover.act(TAGGED, command, {"type": "HARD"} if command == "reboot" else None)
        failover.await_status_of(TAGGED, status)
        assert failover.beats(TAGGED) if runs else failover.silent(TAGGED, seconds=NOTICED)
        failover.await_status_of(TAGGED, status)
    failover.judge()


@pytest.mark.parametrize(
    ("command", "arguments", "runs"),
    [
        ("suspend", [], False),
        ("destroy", [], False),
        ("qemu-monitor-command", ["--hmp", "system_reset"], True),
    ],
)
def test_what_is_no_failure_of_qemu_is_left_alone(
    failover: Failover, home: str, command: str, arguments: list[str], runs: bool
) -> None:
    """Paused, switched off by libvirt, reset from inside: Masakari recovers none of these."""
    with failover.watched(f"virsh {command} of {TAGGED}"):
        virsh(failover, command, TAGGED, *arguments)
        time.sleep(1)
        assert failover.beats(TAGGED) if runs else failover.silent(TAGGED, seconds=NOTICED)
        assert set(failover.states(GUEST)) <= {"ignored"}
    failover.judge()
