"""A hypervisor that panics: its crash kernel's word is its fence, and its power stays on."""

from __future__ import annotations

import shlex
import subprocess

from jujulab.image.recipe import REPOSITORY
from jujulab.machines.lab import Machine
from jujulab.trials.failover import Failover
from jujulab.trials.watch import PREFIX
from jujulab.waiting import poll

ONE, TWO = f"{PREFIX}1", f"{PREFIX}2"
WAIT = 30
"""Seconds that the cluster waits for a crash kernel; it answers within a few."""
SPACE = "internal"
"""The network in which the cluster connects to the hypervisors."""
DUMP, ENOUGH = "var/crash/dump", "var/crash/enough"
"""What is written, second by second, and what ends it: a hypervisor's memory takes minutes."""
SENDER = "usr/libexec/fence-agents/fence_kdump_send"


def crash_kernel(machine: Machine, members: list[Machine]) -> list[str]:
    """What a crash kernel does: it says so to all members, again and again, and writes a dump.

    Its initramfs takes the program along from the package.
    """
    [package] = (machine.root / REPOSITORY).glob("fence-agents_*.deb")
    subprocess.run(["dpkg-deb", "-x", str(package), str(machine.root / "opt")], check=True)
    addresses = [str(member.addresses[SPACE].ip) for member in members]
    send = shlex.join([f"/opt/{SENDER}", "-c", "0", "-i", "2", *addresses])
    dump = f"while [ ! -e /{ENOUGH} ]; do echo part >>/{DUMP}; sleep 1; done; echo end >>/{DUMP}"
    folder = f"/{DUMP.rpartition('/')[0]}"
    return ["sh", "-c", f"rm -rf {folder}; mkdir {folder}; {send} & {dump}"]


def dumped(machine: Machine) -> list[str]:
    """What of the dump is written."""
    dump = machine.root / DUMP
    return dump.read_text().split() if dump.exists() else []


def test_one_that_panics_keeps_its_power_and_finishes_its_dump(failover: Failover) -> None:
    *others, host = failover.hypervisors()
    machine = failover.machine(host)
    assert not machine.children, "a member of the cluster would be lost with it"
    failover.arrange("auto")
    failover.set_options("masakari", kdump_fencing_timeout=WAIT)
    failover.boot({ONE: host, TWO: host})
    failover.repair(machine.power_on)
    failover.repair(machine.power_off)
    with failover.watched(f"kernel panic of {host}"):
        failover.faults.panic(machine, crash_kernel(machine, failover.cluster.members))
        failover.await_recovery(host)
        assert failover.await_end() == ["finished"]
        written = dumped(machine)
        failover.say(f"its guests beat elsewhere while it dumps, for {len(written)} s so far")
        assert {*written} == {"part"}, "its guests did not wait for the dump"
    assert failover.beats(ONE)
    assert failover.beats(TWO)
    assert set(others) >= {failover.server(name)["OS-EXT-SRV-ATTR:host"] for name in (ONE, TWO)}
    (machine.root / ENOUGH).touch()
    assert poll(lambda: dumped(machine)[-1] == "end", 60), "the dump is whole"
    assert len(dumped(machine)) > len(written), "it went on all the while"
    assert machine.state == "on"
    failover.judge(host, powered=True)


def test_one_that_says_nothing_is_switched_off_later(failover: Failover) -> None:
    """Another failure than a panic: nobody sends anything."""
    *_, host = failover.hypervisors()
    failover.arrange("auto")
    failover.set_options("masakari", kdump_fencing_timeout=10)
    failover.boot({ONE: host})
    with failover.watched(f"power cut: {host}, which cannot say anything"):
        failover.faults.power_off(failover.machine(host))
        failover.await_recovery(host)
        assert failover.await_end() == ["finished"]
    failover.judge(host)
