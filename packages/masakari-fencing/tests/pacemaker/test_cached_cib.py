"""Those who look at the cluster's configuration in a row ask for it once."""

from __future__ import annotations

import pytest
from fencing_fakes import CONFIGURATION, FakeRunner
from masakari_fencing.notifier import daemon
from masakari_fencing.pacemaker.cached_cib import FRESH, CachedConfiguration
from masakari_fencing.pacemaker.tools import PacemakerError


@pytest.fixture
def runner() -> FakeRunner:
    return FakeRunner().on(CONFIGURATION, '<configuration><crm_config id="one"/></configuration>')


def test_a_fresh_answer_serves_and_an_old_one_does_not(runner: FakeRunner) -> None:
    now = 100.0
    configuration = CachedConfiguration(runner, clock=lambda: now)
    assert configuration().find("crm_config") is not None
    now += FRESH / 2
    configuration()
    assert len(runner.calls) == 1
    now += FRESH / 2
    runner.on(CONFIGURATION, "<configuration/>")
    assert configuration().find("crm_config") is None


def test_an_error_is_not_taken_for_an_answer(runner: FakeRunner) -> None:
    now = 100.0
    configuration = CachedConfiguration(runner, clock=lambda: now)
    configuration()
    now += FRESH
    runner.on(CONFIGURATION, 102)
    for _ in range(2):
        with pytest.raises(PacemakerError):
            configuration()
    runner.on(CONFIGURATION, "<configuration/>")
    assert configuration().find("crm_config") is None


def test_a_round_of_the_notifier_asks_once(runner: FakeRunner) -> None:
    runner.on("crm_mon", 102)
    for look in daemon.cluster_checks(runner):
        daemon.attend(look, {})
    assert len(runner.ran("cibadmin")) == 1
