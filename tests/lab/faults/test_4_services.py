"""What a recovery needs dies in the middle of it, or is away when it should begin."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable

import pytest
from jujulab.trials.failover import Failover
from jujulab.trials.trial import Trial
from kinds import Situation, kill_engines, lose_database, restart_broker, restart_database

AWAY = 45.0
"""Seconds that the API stays away."""

FAULTS = [kill_engines, restart_broker, restart_database, lose_database]


@pytest.mark.parametrize("phase", ["notified", "evacuating"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_recovery_survives(
    trial: Failover, plain: str, fault: Callable[[Situation], None], phase: str
) -> None:
    trial.populate(plain, count=3)
    with trial.watched(f"power cut: {plain}; {fault.__name__} when {phase}"):
        trial.faults.power_off(trial.machine(plain))
        trial.await_event(phase)
        fault(Situation(trial, (plain,), random.Random(0)))  # noqa: S311 - no secret
        trial.await_recovery(plain)
    trial.verify(plain)


@pytest.fixture(params=["fencing", "polling"])
def reporter(trial: Trial, request: pytest.FixtureRequest) -> str:
    """Who reports the failure: the alert agent, or the host monitors, seconds later."""
    if request.param == "polling":
        trial.set_options("masakari", fencing_notifications="false")
        trial.set_options("masakari-monitors", monitoring_interval=5)
    return str(request.param)


def test_guests_of_a_host_that_is_back_before_it_is_reported_are_started_there(
    trial: Trial, plain: str, reporter: str
) -> None:
    members = trial.cluster.members
    trial.populate(plain)
    what = f"power cut: {plain}, while no masakari-api runs; reported by {reporter}"
    with trial.watched(what), contextlib.ExitStack() as away:
        for member in members:
            away.callback(trial.faults.give_back, member, "masakari-api")
            trial.faults.take_away(member, "masakari-api")
        trial.faults.power_off(trial.machine(plain))
        trial.await_event("fenced")
        trial.await_in_service(plain)
        assert not trial.evacuations()
        away.close()
        trial.await_restart(plain)
    trial.verify(restarted=[plain])


def test_the_engines_are_away_when_the_host_is_lost(trial: Trial, plain: str) -> None:
    """The API takes the notification; nobody works on it until an engine is back."""
    trial.populate(plain)
    with trial.watched(f"power cut: {plain}, while no masakari-engine runs"):
        for member in trial.cluster.members:
            trial.repair(trial.faults.give_back, member, "masakari-engine")
            trial.faults.take_away(member, "masakari-engine")
        trial.faults.power_off(trial.machine(plain))
        trial.await_event("notified")
        time.sleep(AWAY / 3)
        assert not trial.evacuations()
        trial.repairs.close()
        trial.await_recovery(plain)
    trial.verify(plain)
