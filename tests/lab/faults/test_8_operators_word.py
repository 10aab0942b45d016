"""An operator has the last word: about what is left alone for a while, and about who is dead."""

from __future__ import annotations

from typing import Any

import pytest
from jujulab.cloud.console import StepError
from jujulab.trials.trial import Trial
from jujulab.waiting import poll

UNFENCED = 45.0
"""Seconds; a recovery without a cause to wait begins within 12 of them."""

LEADER = "masakari/leader"


def run(trial: Trial, action: str, *parameters: str) -> dict[str, Any]:
    return trial.demo.console.run_action(LEADER, action, *parameters)


def test_what_fails_while_disarmed_is_listed_and_recovered_on_request(
    trial: Trial, plain: str
) -> None:
    trial.populate(plain)
    with trial.watched(f"disarmed; then the power of {plain} is cut"):
        trial.repair(lambda: run(trial, "arm"))
        run(trial, "disarm", "duration=30m", 'reason="new switch"')
        trial.await_status("masakari", "disarmed until", "(new switch)", "min left")
        trial.faults.power_off(trial.machine(plain))
        trial.await_no_power_cut(UNFENCED)
        assert trial.evacuations() == []
        trial.await_status("masakari", f"{plain}: lost at", "left alone")
        with pytest.raises(StepError, match="run arm first"):
            run(trial, "recover-host", f"host={plain}")
        found = run(trial, "arm")
        assert plain in [entry["host"] for entry in dict(found["failed-meanwhile"]).values()]
        trial.await_no_power_cut(UNFENCED)
        assert trial.evacuations() == [], "not by itself, either"
        assert run(trial, "recover-host", f"host={plain}")["outcome"] == "requested"
        trial.await_recovery(plain)
    trial.verify(plain)
    assert poll(lambda: run(trial, "show-recovery").get("status") == "finished", 180, 2)
    told(trial, plain)


def test_a_segment_that_was_cut_off_is_taken_back_unfenced(trial: Trial, plain: str) -> None:
    trial.populate(plain)
    with trial.watched(f"disarmed; then {plain} is cut off, and is back"):
        trial.repair(lambda: run(trial, "arm"))
        run(trial, "disarm", "duration=30m", "reason=cables")
        trial.repair(lambda: trial.faults.restore(trial.machine(plain)))
        trial.faults.cut(trial.machine(plain))
        trial.await_status("masakari", f"{plain}: lost at")
        trial.faults.restore(trial.machine(plain))
        trial.await_status("masakari", f"{plain} was lost while disarmed and is back")
        run(trial, "arm")
        trial.await_nothing(UNFENCED)
        assert run(trial, "recover-host", f"host={plain}")["outcome"] == "works"
        trial.await_status("masakari", "while disarmed", present=False)
    trial.verify()


def test_an_operator_says_that_a_host_is_off(trial: Trial, plain: str) -> None:
    """Its power is gone, and nobody can ask its power controller."""
    trial.populate(plain)
    with trial.watched(f"MAAS is away, and the power of {plain} is cut"):
        trial.repair(lambda: trial.faults.maas_outage(False))
        trial.faults.maas_outage(True)
        with pytest.raises(StepError, match="has reported to Nova"):
            word(trial, plain)
        trial.faults.power_off(trial.machine(plain))
        trial.await_status("masakari", "fencing it has failed since", f"host={plain}", timeout=300)
        assert trial.evacuations() == []
        with pytest.raises(StepError, match="they run twice"):
            run(trial, "confirm-host-dead", f"host={plain}")
        assert poll(lambda: taken(trial, plain), 120, 5), "Nova hears of it no more"
        trial.await_recovery(plain)
    trial.verify(plain, word=True)


def word(trial: Trial, host: str) -> None:
    run(trial, "confirm-host-dead", f"host={host}", "i-have-seen-it-is-off=true")


def taken(trial: Trial, host: str) -> bool:
    try:
        word(trial, host)
    except StepError as error:
        assert "within the last minute" in str(error)
        return False
    return True


def told(trial: Trial, host: str) -> None:
    """What is told of the latest recovery is what Nova and the clock say.

    A failure may be reported once more, as by a fence that the recovery itself wanted; then that
    report's is the latest, and finds that nothing is left to do.
    """
    recoveries = dict(run(trial, "list-recoveries")["recoveries"])
    reports = (run(trial, "show-recovery", f"id={uuid}") for uuid in recoveries)
    found = next(report for report in reports if report.get("instances"))
    print(found["timeline"])
    assert found["host"] == host
    phases = {name: float(str(seconds)) for name, seconds in dict(found["phases"]).items()}
    assert {*phases} == {"detected", "fenced", "notified", "evacuating", "done"}
    # Where the fence was withheld, the loss that is known is Pacemaker's last attempt to connect.
    assert phases["detected"] == 0.0 <= phases["fenced"] < phases["evacuating"] < phases["done"]
    homes = {item["id"]: item for item in trial.guests.find("trial-").values()}
    instances = dict(found["instances"])
    assert len(instances) == 2
    for uuid, one in instances.items():
        assert one["from"] == host
        assert one["to"] == homes[uuid]["OS-EXT-SRV-ATTR:host"]
        assert (one["before"], one["after"]) == ("active", "active")
    assert recoveries[str(found["recovery"])]["status"] == "finished"
