"""Ceph, or what is known of its clients, is not what it should be: that proves nothing.

Each time the status says so beforehand. A hypervisor that then loses its power together with its
power controller is not evacuated, until what was wrong is mended: Ceph alone can prove it dead.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from ceph_lab import Ceph
from jujulab.trials.trial import Trial

UNPROVED = 45.0
"""Seconds; with Ceph in order the first instance is evacuated within 20 of them."""

RATIOS = {"nearfull": "0.85", "backfillfull": "0.9", "full": "0.95"}
"""Ceph's defaults."""

Fault = Callable[[Trial, Ceph, str], AbstractContextManager[None]]


@contextlib.contextmanager
def silent_monitor(trial: Trial, ceph: Ceph, host: str) -> Iterator[None]:
    """Ceph's only monitor hangs: there is no answer, and no quorum."""
    del host
    machine = ceph.monitor
    trial.faults.kill(machine, "/ceph-mon ", signal.SIGSTOP)
    try:
        yield
    finally:
        trial.faults.kill(machine, "/ceph-mon ", signal.SIGCONT)


@contextlib.contextmanager
def key_without_the_capability(trial: Trial, ceph: Ceph, host: str) -> Iterator[None]:
    """Somebody has taken the right to change the blocklist away from the key."""
    del trial, host
    [(name, caps)] = ceph.keys("masakari").items()
    ceph.command("auth", "caps", name, "mon", "allow r")
    try:
        yield
    finally:
        ceph.command("auth", "caps", name, *(word for pair in caps.items() for word in pair))


@contextlib.contextmanager
def full(trial: Trial, ceph: Ceph, host: str) -> Iterator[None]:
    """No client may write any more, neither the old one nor the new."""
    del trial, host
    # An OSD takes the greatest of the three for the limit (`recalc_full_state` of osd/OSD.cc).
    for name in RATIOS:
        ceph.command("osd", f"set-{name}-ratio", "0.0001")
    try:
        yield
    finally:
        for name, default in reversed(RATIOS.items()):
            ceph.command("osd", f"set-{name}-ratio", default)


@contextlib.contextmanager
def unknown_addresses(trial: Trial, ceph: Ceph, host: str) -> Iterator[None]:
    """Ceph's configuration is gone from the hypervisor, so that it does not know its monitors."""
    machine, before = trial.machine(host), ceph.attribute(host)
    configuration = machine.root / "etc/ceph/ceph.conf"
    away = configuration.rename(configuration.with_suffix(".away"))
    try:
        yield
    finally:
        away.rename(configuration)
        # Its charm does so by itself where it has power.
        ceph.set_attribute(host, before)


@contextlib.contextmanager
def shared_address(trial: Trial, ceph: Ceph, host: str) -> Iterator[None]:
    """Another hypervisor has the same address."""
    other = trial.machine(next(name for name in trial.hypervisors() if name != host))
    address = [f"{ceph.address(host)}/32", "dev", "lo", "scope", "global"]
    other.run(["ip", "address", "add", *address])
    try:
        yield
    finally:
        other.run(["ip", "address", "delete", *address])


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (silent_monitor, "Ceph: its monitors do not"),
        (key_without_the_capability, "the key may not run"),
        (full, "Ceph: it is full"),
        (unknown_addresses, "its addresses in Ceph's network are not known"),
        (shared_address, "has its address"),
    ],
)
def test_it_proves_nothing(
    trial: Trial, plain: str, ceph: Ceph, fault: Fault, status: str
) -> None:
    trial.populate(plain)
    with trial.watched(f"{fault.__name__}; power and power controller of {plain} lost"):
        with fault(trial, ceph, plain):
            trial.await_status("masakari", status)
            ceph.mute(plain)
            trial.faults.power_off(trial.machine(plain))
            trial.await_no_power_cut(UNPROVED)
            assert trial.evacuations() == []
        trial.await_recovery(plain)
    trial.verify(plain, powerless=True)
