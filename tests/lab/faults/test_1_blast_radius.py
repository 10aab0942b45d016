"""Many hypervisors at once: two may be lost; when all vanish, it is the network that died."""

from __future__ import annotations

import time

from jujulab.trials.trial import Trial

LONG = 60.0
"""Seconds in which Pacemaker asks for several fencings again and again."""


def test_two_hypervisors_lost_at_once_both_recover(trial: Trial, plain: str) -> None:
    other = trial.hypervisors()[0]
    trial.populate(plain, other)
    with trial.watched(f"power cut: {plain} and {other}"):
        for host in (plain, other):
            trial.faults.power_off(trial.machine(host))
        trial.await_recovery(plain, other)
    trial.verify(plain, other)


def lose_management_network(trial: Trial, hosts: list[str]) -> None:
    """Cut the hypervisors' own management network; the members on their machines keep theirs."""
    for host in hosts:
        trial.faults.cut(trial.machine(host), "internal", containers=False)
    trial.await_status("masakari", "fencing has stopped", "allow-fencing", "readmit-hosts")


def test_a_dead_switch_fences_nobody_and_the_hosts_are_readmitted(trial: Trial) -> None:
    hosts = trial.hypervisors()
    trial.populate(*hosts, count=1)
    with trial.watched("management network of all hypervisors cut, and back"):
        lose_management_network(trial, hosts)
        trial.await_nothing(LONG)
        for host in hosts:
            trial.faults.restore(trial.machine(host))
        # Nothing is fenced either when the first of them answer again.
        trial.await_nothing()
        trial.demo.console.run_action("masakari/leader", "readmit-hosts")
        trial.settle()
        trial.await_nothing()
    trial.await_status("masakari", "fencing has stopped", present=False)


def test_readmission_leaves_the_dead_one_to_be_fenced(trial: Trial, plain: str) -> None:
    hosts = trial.hypervisors()
    trial.populate(plain)
    with trial.watched(f"management network of all cut, {plain} dies, network back"):
        lose_management_network(trial, hosts)
        trial.faults.power_off(trial.machine(plain))
        time.sleep(LONG / 2)
        assert not trial.switched_off()
        for host in hosts:
            trial.faults.restore(trial.machine(host))
        trial.demo.console.run_action("masakari/leader", "readmit-hosts")
        trial.await_recovery(plain)
    trial.verify(plain)


def test_a_dead_switch_isolates_the_members_too(trial: Trial) -> None:
    """Where the members are on the hypervisors' machines, none of them has quorum any more."""
    hosts = trial.hypervisors()
    trial.populate(*hosts, count=1)
    with trial.watched("all networks of all hypervisors and members cut, and back"):
        for host in hosts:
            trial.faults.cut(trial.machine(host))
        # Nobody is left whom the cluster's own records could be asked of; MAAS has its journal.
        time.sleep(LONG)
        assert not trial.switched_off()
        for host in hosts:
            trial.faults.restore(trial.machine(host))
        # Together again, they have lost every hypervisor, which is more than the limit; or only
        # some, where the failures of others have expired meanwhile. All of them answer again.
        trial.await_no_power_cut(LONG)
        trial.demo.console.run_action("masakari/leader", "readmit-hosts")
        trial.settle()
        trial.await_nothing()


def test_the_operator_lets_the_fencing_go_on(trial: Trial) -> None:
    hosts = trial.hypervisors()
    lost = hosts[:3]
    trial.populate(*lost, count=1)
    with trial.watched(f"management network of {', '.join(lost)} cut for good"):
        lose_management_network(trial, lost)
        trial.await_nothing(LONG / 2)
        trial.demo.console.run_action("masakari/leader", "allow-fencing", "duration=60")
        trial.await_recovery(*lost)
    trial.verify(*lost)
