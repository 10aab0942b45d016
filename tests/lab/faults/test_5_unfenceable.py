"""Fencing is impossible: nothing is evacuated, and the status says so before it matters."""

from __future__ import annotations

import time

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


def test_one_that_cannot_be_fenced_holds_up_no_other(trial: Trial, plain: str) -> None:
    """Pacemaker tries that one first, again and again, as its name comes first."""
    first = min(machine.fqdn for machine in trial.demo.hypervisors())
    trial.populate(plain)
    with trial.watched(f"{first} cut off, as is its power controller; then {plain} powered off"):
        trial.repair(trial.faults.mute_controllers)
        trial.faults.mute_controllers(trial.machine(first).hostname)
        trial.repair(trial.faults.restore, trial.machine(first))
        trial.faults.cut(trial.machine(first), "internal", containers=False)
        time.sleep(UNFENCED)
        trial.faults.power_off(trial.machine(plain))
        trial.await_recovery(plain)
        trial.repairs.close()
        # It answers again, and was not restarted: it is taken back.
        trial.settle()
    trial.verify(plain)


def test_a_mistyped_key(trial: Trial, plain: str) -> None:
    good = (trial.lab.home / "maas-credentials").read_text().strip()
    consumer, token, _secret = good.split(":")
    trial.populate(plain)
    with trial.watched(f"{plain} isolated, and the key for MAAS is wrong"):
        trial.repair(set_key, trial, good)
        set_key(trial, f"{consumer}:{token}:mistyped")
        recovers_when_mended(trial, plain, "maas_credentials")
    trial.verify(plain)


def set_key(trial: Trial, key: str) -> None:
    """Change the key that the cluster has for MAAS, as a mistyped maas_credentials would."""
    member = trial.cluster.members[0]
    xml = f'<nvpair id="st-maas-instance_attributes-apikey" name="apikey" value="{key}"/>'
    member.run(["cibadmin", "--modify", "--xml-pipe"], input=xml, timeout=30)
