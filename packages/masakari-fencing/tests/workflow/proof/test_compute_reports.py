"""What nova-computes report while a host's proof is waited for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fencing_look import NOW, Look
from masakari_fencing.openstack.compute_service import ServiceState
from masakari_fencing.pacemaker import crm_mon
from masakari_fencing.workflow.proof.compute_reports import ComputeReports
from masakari_fencing.workflow.proof.decision import Observation


class Watch:
    """Reports that are looked at each second, of a Nova whose clock is not this one."""

    def __init__(self) -> None:
        look = Look()
        status = crm_mon.parse_status(look.cluster.crm_mon())
        self.seen = Observation(status, status.named("node1.maas")[0], NOW)
        self.now, self.asked, self.away = NOW, 0, False
        self.failure: Exception | None = None
        self.last: float | None = None
        self.reports = ComputeReports(lambda: ServiceState(None, False), self._newest, self._clock)

    def _clock(self) -> float:
        return self.now

    def _newest(self) -> float | None:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        if not self.away:
            self.last = self.now - self.now % 10 - 3600
        return self.last

    def heard(self, seconds: int) -> float | None:
        """Look for so many seconds, and return what is known then."""
        for _ in range(seconds):
            self.now += 1
            self.seen = self.reports.of_others(self.seen)
        return self.seen.others_heard


def test_they_are_heard_since_the_first_look_and_nova_is_not_asked_each_time() -> None:
    watch = Watch()
    assert watch.heard(120) == NOW + 1
    assert watch.asked == 24


@pytest.mark.parametrize("seconds", [30, 60, 600])
def test_they_are_heard_anew_once_they_were_silent(seconds: int) -> None:
    watch = Watch()
    watch.heard(40)
    watch.away = True
    assert watch.heard(seconds) is None
    watch.away = False
    begun = watch.now
    heard = watch.heard(20)
    assert heard is not None
    assert begun < heard <= begun + 15


def test_a_report_that_is_late_is_no_silence() -> None:
    watch = Watch()
    watch.heard(40)
    watch.away = True
    watch.heard(10)
    watch.away = False
    assert watch.heard(10) == NOW + 1


def test_what_nobody_has_looked_at_counts_as_silence() -> None:
    """The engine's machine stood still, or Nova did not answer."""
    watch = Watch()
    watch.heard(40)
    watch.now += 60
    assert watch.heard(1) == NOW + 101
    watch.failure = TimeoutError()
    watch.now += 5
    for _ in range(30):
        with pytest.raises(TimeoutError):
            watch.heard(1)
    watch.failure, begun = None, watch.now
    heard = watch.heard(20)
    assert heard is not None
    assert heard > begun


def test_without_others_nobody_is_heard() -> None:
    watch = Watch()
    watch.away = True
    assert watch.heard(60) is None


def test_what_its_own_says_is_kept() -> None:
    watch = Watch()
    watch.heard(1)
    seen = watch.reports.of_host(watch.seen)
    assert seen == replace(watch.seen, compute_seen=None, in_service=False)
