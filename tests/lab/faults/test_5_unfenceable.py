"""Fencing is impossible: nothing is evacuated, and the status says so before it matters."""

from __future__ import annotations

import pytest
from jujulab.trials.trial import Trial

UNFENCED = 45.0
"""Seconds; a recovery that does not wait for the fence starts within 12 of them."""


def recovers_when_mended(trial: Trial, host: str, status: str) -> None:
    """The status says what is wrong; a host that is lost then is recovered after the repair."""
    trial.await_status("masakari", status)
    trial.faults.cut(trial.machine(host))
    trial.await_nothing(UNFENCED)
    trial.repairs.close()
    trial.await_recovery(host)


def test_without_quorum_nothing_happens(trial: Trial, plain: str) -> None:
    *gone, _left = trial.cluster.members
    trial.populate(plain)
    with trial.watched(f"{' and '.join(m.hostname for m in gone)} lost, then {plain} isolated"):
        for member in gone:
            trial.repair(member.power_on)
            trial.faults.power_off(member)
        recovers_when_mended(trial, plain, "quorum")
    trial.verify(plain)


@pytest.mark.parametrize("application", ["pacemaker-remote"])
def test_stonith_disabled(trial: Trial, plain: str, application: str) -> None:
    def enable(stonith: bool) -> None:
        trial.demo.console.juju("config", application, f"enable-stonith={str(stonith).lower()}")

    trial.populate(plain)
    with trial.watched(f"power cut: {plain}, with STONITH disabled"):
        trial.repair(enable, True)
        enable(False)
        recovers_when_mended(trial, plain, "STONITH is disabled")
    trial.verify(plain)


def test_a_node_that_maas_does_not_know(trial: Trial, plain: str) -> None:
    trial.populate(plain)
    with trial.watched(f"{plain} isolated, and MAAS has no machine of that name"):
        trial.repair(trial.faults.maas_forget)
        trial.faults.maas_forget(trial.machine(plain).hostname)
        recovers_when_mended(trial, plain, "MAAS has no machine of that name")
    trial.verify(plain)
