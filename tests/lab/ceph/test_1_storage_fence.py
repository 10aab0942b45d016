"""Guests whose disks are images on Ceph: the storage as a second proof, beside the power.

Each is judged by the guests' own heartbeats on their images, Nova's migrations, Pacemaker, MAAS
and the log of Ceph's monitor.
"""

from __future__ import annotations

import time

import pytest
from ceph_lab import Ceph, older
from jujulab.trials.trial import Trial
from jujulab.trials.watch import CONFIGURATION_TIMEOUT, insist

GUESTS = 3
NETWORKS = ("public", "admin", "internal", "tenant")
"""All but the one to Ceph."""

AFTERWARDS = 45.0
"""Seconds in which a client that was not shut out would have written again."""


def storage_fencing(trial: Trial, mode: str) -> None:
    """Set the option until the end of the trial; the lab's is not the charm's default."""

    def configure(value: str) -> None:
        trial.demo.console.juju("config", "masakari", f"storage-fencing={value}")
        trial.demo.console.wait_active("storage-fencing", timeout=CONFIGURATION_TIMEOUT)

    trial.repair(configure, "parallel")
    configure(mode)


def test_a_power_cut(trial: Trial, plain: str) -> None:
    trial.populate(plain, count=GUESTS)
    with trial.watched(f"power cut: {plain}"):
        trial.faults.power_off(trial.machine(plain))
        trial.await_recovery(plain)
    trial.verify(plain)


def test_a_power_cut_without_the_storage_fence(trial: Trial, plain: str, ceph: Ceph) -> None:
    """Nova says ACTIVE as soon as before, but nobody writes until the dead one's watch is over."""
    storage_fencing(trial, "off")
    trial.populate(plain, count=GUESTS)
    with trial.watched(f"power cut: {plain}, without the storage fence"):
        trial.faults.power_off(trial.machine(plain))
        trial.await_recovery(plain)
        assert ceph.shut_out() == set()
    trial.verify(plain)


@pytest.mark.parametrize("member", [False, True], ids=["plain", "with-member"])
def test_the_power_is_gone_and_its_controller_with_it(
    trial: Trial, plain: str, ceph: Ceph, member: bool
) -> None:
    host = trial.hypervisors()[1] if member else plain
    trial.populate(host, count=GUESTS)
    with trial.watched(f"power and power controller lost: {host}"):
        ceph.mute(host)
        trial.faults.power_off(trial.machine(host))
        trial.await_recovery(host)
        assert ceph.address(host) in ceph.shut_out()
        assert not trial.switched_off()
    trial.verify(host, powerless=True)


@pytest.mark.parametrize("let_in", [False, True], ids=["left-alone", "let-in-by-hand"])
def test_cut_off_in_all_networks_but_storage_its_guests_stop_to_write(
    trial: Trial, plain: str, ceph: Ceph, let_in: bool
) -> None:
    trial.populate(plain, count=GUESTS)
    with trial.watched(f"{plain} cut off in all networks but storage, its controller mute"):
        trial.repair(trial.faults.restore, trial.machine(plain))
        ceph.mute(plain)
        trial.faults.cut(trial.machine(plain), *NETWORKS)
        trial.await_recovery(plain)
        begun = older(ceph.lives())
        insist(bool(trial.processes(plain)), f"{plain} does not run its guests any more")
        if let_in:
            ceph.let_in(plain)
            ceph.await_shut_out(plain, 30)
            trial.await_status("masakari", plain, "let its clients write to Ceph")
        time.sleep(AFTERWARDS)
        insist(bool(trial.processes(plain)), f"{plain} does not run its guests any more")
        assert older(ceph.lives()) == begun
    trial.verify(plain, powerless=True)
