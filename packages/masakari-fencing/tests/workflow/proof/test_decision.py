"""What one look at a host shows, and what follows from it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fencing_look import FRESH, HOST, NOW, Look, dead, fenced, kept_off
from masakari_fencing.pacemaker import crm_mon
from masakari_fencing.records.recovery import Instance, Proof
from masakari_fencing.workflow.proof.decision import (
    FRUITLESS,
    Report,
    Verdict,
)

LISTED = (Instance("g1", "active"),)


def test_a_fenced_host_is_dead() -> None:
    assert dead(fenced=NOW - 1).verdict("fenced at 1970-01-24 03:33:19Z") is Verdict.FENCED


WORD = {"fenced": NOW - 1, "delegate": crm_mon.A_HUMAN}
"""As after `stonith_admin --confirm`."""


@pytest.mark.parametrize("device", [None, "stonith_admin.99@juju-2-lxd-0"])
def test_the_word_of_an_operator_is_the_proof_and_waits_for_no_device(device: str | None) -> None:
    look = dead(**fenced(1, **WORD))
    if device:
        look.remote.events.insert(0, ("reboot", "pending", None))
        look.remote.requester = device
    text = "confirmed dead by an operator at 1970-01-24 03:33:19Z"
    assert look.verdict(text) is Verdict.FENCED


@pytest.mark.parametrize("changes", [{"delegate": "juju-2-lxd-0"}, {"fenced": NOW - 60}])
def test_others_wait_as_does_a_word_about_an_earlier_failure(changes: dict[str, object]) -> None:
    look = dead(**fenced(1, **{**WORD, **changes}))
    look.remote.events.insert(0, ("reboot", "pending", None))
    look.remote.requester = "stonith_admin.99@juju-2-lxd-0"
    assert look.verdict("is fencing it") is Verdict.WAIT


def test_an_unclean_host_is_not_dead_whatever_was_said_about_it() -> None:
    assert dead(unclean=True, **fenced(1, **WORD)).verdict("has not") is Verdict.WAIT


def test_a_fenced_host_counts_while_pacemaker_tries_to_connect_to_it() -> None:
    look = dead(fenced=NOW - 1, online=True, role="Starting", failed=False)
    assert look.verdict("fenced at") is Verdict.FENCED


def test_an_unclean_host_is_not_dead_even_with_an_older_record_of_a_fence() -> None:
    look = dead(unclean=True, fenced=NOW - 5)
    assert look.verdict("has not succeeded") is Verdict.WAIT


def test_a_host_that_is_merely_offline_is_not_dead() -> None:
    assert dead().verdict("has not fenced it") is Verdict.WAIT


def test_an_earlier_fence_does_not_count_after_the_host_has_returned() -> None:
    """The history still has the fence; Pacemaker cleared its record when the host came back."""
    assert dead(**fenced(60)).verdict("has not fenced it") is Verdict.WAIT


@pytest.mark.parametrize(
    "event", [("on", "success", NOW), ("reboot", "failed", NOW), ("off", "failed", NOW)]
)
def test_a_successful_unfencing_or_a_failed_fence_is_no_fence(event: tuple) -> None:
    assert dead(events=[event]).verdict("has not fenced it") is Verdict.WAIT
    back = Look(connected=NOW + 1, events=[event])
    assert back.verdict("healthy member") is Verdict.WAIT


def test_a_fence_from_long_before_the_report_does_not_count() -> None:
    look = dead(fenced=NOW - 601)
    assert look.verdict("601 s older", fence_max_age=600) is Verdict.WAIT
    assert look.verdict("601 s older", fence_reported_failed="always") is Verdict.FENCE


def test_the_age_of_a_fence_is_that_at_the_report_not_at_the_retry() -> None:
    look = dead(**kept_off(5000))
    look.report = Report(HOST, NOW - 4990)
    assert look.verdict("fenced at", fence_max_age=600) is Verdict.FENCED


def test_a_recovery_that_goes_on_does_not_forget_what_its_fence_was_for() -> None:
    """Another notification has taken it up since, which reports the host once more."""
    look = dead(**kept_off(601))
    look.record = replace(FRESH, proof=Proof(NOW - 601, "fenced", HOST))
    assert look.verdict("fenced at") is Verdict.FENCED
    look.record = replace(FRESH, proof=Proof(NOW - 900, "fenced", HOST))
    assert look.verdict("older than") is Verdict.WAIT, "of another fence"


@pytest.mark.parametrize(
    "events",
    [
        [("reboot", "success", NOW - 60)],
        [("on", "success", NOW - 20), ("off", "success", NOW - 60)],
        [("off", "success", NOW - 600)],
        [("off", "failed", NOW - 60)],
        [("off", "success", None)],
        [],
    ],
)
def test_one_that_may_have_booted_unseen_is_fenced_again_and_stays_off(events: list) -> None:
    """Nobody connects to it while there is no quorum; if it is lost again then, nobody knows."""
    look = dead(fenced=NOW - 60, events=events)
    for since in (None, NOW - 59):
        look.seen["quorate"] = since
        assert look.verdict("may have been back") is Verdict.FENCE
        assert look.judge().late, "where it cannot be fenced, what is on record counts"
    assert look.verdict("fenced at", fence_reported_failed="never") is Verdict.FENCED
    look.seen["quorate"] = NOW - 60
    assert look.verdict("fenced at") is Verdict.FENCED, "somebody would have connected to it"
    look.seen |= {"now": NOW - 46, "quorate": None}
    assert look.verdict("fenced at") is Verdict.FENCED, "no host boots as quickly"


def test_nor_where_that_makes_no_sense() -> None:
    look = dead(fenced=NOW - 60)
    full = (replace(LISTED[0], outcome="no room: No valid host"),)
    for look.record in (replace(FRESH, fruitless=FRUITLESS), replace(FRESH, instances=full)):
        assert look.verdict("fenced at") is Verdict.FENCED


def test_where_nobody_says_when_one_was_fenced_its_record_says_whether_it_stays_off() -> None:
    look = dead(fenced=NOW - 60, events=[("off", "success", None), ("reboot", "success", None)])
    assert look.verdict("may have been back") is Verdict.FENCE
    look.record = replace(FRESH, held=True)
    assert look.verdict("fenced at") is Verdict.FENCED
    look.remote.events.reverse()
    assert look.verdict("may have been back") is Verdict.FENCE, "the latest comes first"


@pytest.mark.parametrize("moment", [NOW - 60, None])
def test_the_word_of_an_operator_needs_no_other_fence(moment: float | None) -> None:
    look = dead(fenced=NOW - 60, delegate=crm_mon.A_HUMAN, events=[("off", "success", moment)])
    assert look.verdict("confirmed dead by an operator") is Verdict.FENCED


def test_a_fence_counts_once() -> None:
    look = dead(**kept_off(60))
    look.record = replace(FRESH, used=NOW - 60, recovered=NOW - 20)
    assert look.verdict("recovered after this fence") is Verdict.DONE
    look.record = replace(FRESH, used=NOW - 600, recovered=NOW - 500)
    assert look.verdict("fenced at") is Verdict.FENCED, "that was another fence"


@pytest.mark.parametrize("proof", [None, Proof(0, "allowed without", HOST)])
def test_a_recovery_without_a_fence_has_used_none_up(proof: Proof | None) -> None:
    look = dead(**kept_off(60))
    look.record = replace(FRESH, proof=proof, used=0.0, recovered=NOW - 500)
    assert look.verdict("fenced at") is Verdict.FENCED


def test_a_host_that_was_back_and_is_silent_again_is_fenced_again() -> None:
    """Pacemaker had not connected to it: it may be cut off, and run what was started there."""
    look = dead(**kept_off(400), failed=False)
    look.seen["compute_last"] = NOW - 300
    assert look.verdict("in service again since it was fenced") is Verdict.FENCE
    assert look.verdict("'never'", fence_reported_failed="never") is Verdict.REFUSE
    look.record = replace(FRESH, used=NOW - 400, recovered=NOW - 380)
    assert look.verdict("in service again") is Verdict.FENCE, "nor was it recovered from that"
    look.seen["compute_last"] = NOW - 410
    look.record = FRESH
    assert look.verdict("fenced at") is Verdict.FENCED, "that was its last report before it died"


def test_a_host_whose_compute_service_reported_after_the_fence_is_back() -> None:
    look = dead(**kept_off(60), failed=False)
    look.seen["compute_seen"] = NOW - 20
    assert look.verdict("it came back") is Verdict.FENCE
    assert look.verdict("never", fence_reported_failed="never") is Verdict.REFUSE
    look.seen["compute_seen"] = NOW - 55
    assert look.verdict("fenced at") is Verdict.FENCED, "clocks differ, and messages are late"


def test_a_healthy_host_is_not_fenced_for_a_report() -> None:
    judgement = Look().judge()
    assert (judgement.verdict, judgement.healthy) == (Verdict.WAIT, True)
    assert "healthy member" in judgement.reason


def test_always_believes_a_report_that_is_newer_than_the_connection() -> None:
    look = Look(connected=NOW - 3600)
    assert look.verdict("healthy member", fence_reported_failed="always") is Verdict.FENCE


@pytest.mark.parametrize("connected", [NOW - 2, NOW + 60])
def test_always_does_not_believe_a_report_from_before_the_host_came_back(
    connected: float,
) -> None:
    look = Look(connected=connected)
    judgement = look.judge(fence_reported_failed="always")
    assert (judgement.verdict, judgement.healthy) == (Verdict.WAIT, True)
    assert "connected since" in judgement.reason


def test_a_host_that_came_back_before_it_was_recovered_is_fenced_again() -> None:
    look = Look(**fenced(300, connected=NOW - 200))
    look.report = Report(HOST, NOW - 300)
    assert look.verdict("came back before") is Verdict.FENCE
    assert look.verdict("never", fence_reported_failed="never") is Verdict.REFUSE


def test_one_that_came_back_long_ago_is_not_and_the_cure_is_named() -> None:
    """Whoever uses it by now has not been asked; its instances may run again, too."""
    look = Look(**fenced(601, connected=NOW - 500))
    look.report = Report(HOST, NOW - 601)
    for choice in ("confirmed", "always"):
        judgement = look.judge(fence_reported_failed=choice)
        assert judgement.verdict is Verdict.REFUSE
        assert "601 s ago" in judgement.reason
        assert "openstack server start" in judgement.reason


def test_an_earlier_fence_is_no_reason_to_fence_a_host_again() -> None:
    look = Look(**fenced(3600, connected=NOW - 3000))
    assert look.verdict("healthy member") is Verdict.WAIT


def late() -> Look:
    """A host that was fenced, that somebody who polls then found offline, and that came back."""
    look = Look(**fenced(40, connected=NOW + 10))
    look.seen["now"] = NOW + 15
    return look


def test_a_host_that_came_back_before_it_was_reported_late_is_fenced_again() -> None:
    """The API was away until then. Its instances are down: the host has booted."""
    look = late()
    look.record = replace(FRESH, used=NOW - 5000, recovered=NOW - 4900)
    assert look.verdict("nova-compute may be starting") is Verdict.WAIT
    look.seen["now"] = NOW + 75
    assert look.verdict("came back before") is Verdict.FENCE


def test_the_time_in_which_no_nova_compute_can_report_does_not_count() -> None:
    """Nova's broker was away as the host came back."""
    look = late()
    look.seen |= {"now": NOW + 75, "others_heard": NOW + 16}
    assert look.verdict("nova-compute may be starting") is Verdict.WAIT
    look.seen["now"] = NOW + 77
    assert look.verdict("came back before") is Verdict.FENCE
    look.seen["others_heard"] = None
    assert look.judge().unknown
    assert look.verdict("silent, too: see to Nova's broker") is Verdict.WAIT
    look.seen["now"] = NOW + 3600
    assert look.judge().verdict is Verdict.WAIT, "however long: what is refused nobody tries again"


def test_one_that_is_in_service_is_never_fenced_for_that() -> None:
    """Its instances are started where they are."""
    look = late()
    look.seen |= {"now": NOW + 75, "in_service": True, "compute_seen": NOW + 60}
    judgement = look.judge()
    assert (judgement.verdict, judgement.moment) == (Verdict.BACK, NOW - 40)
    look.seen["compute_seen"] = NOW - 41
    assert look.verdict("came back before") is Verdict.FENCE, "Nova believes what it heard before"


def test_whether_one_is_in_service_is_worth_another_attempt_where_it_is_not_yet_known() -> None:
    look = late()
    look.seen |= {"now": NOW + 75, "in_service": True, "compute_changed": NOW + 60}
    judgement = look.judge()
    assert (judgement.verdict, judgement.unknown) == (Verdict.WAIT, True)


def test_instances_may_be_down_since_an_earlier_fence_that_no_recovery_followed() -> None:
    """Nobody could be told of either; Nova has stopped them after the first."""
    look = late()
    look.seen |= {"now": NOW + 75, "in_service": True, "compute_seen": NOW + 60}
    assert (look.judge().moment, look.judge().since) == (NOW - 40, NOW - 40)
    look.remote.events = [("reboot", "success", NOW - age) for age in (40, 95, 5000)]
    assert (look.judge().moment, look.judge().since) == (NOW - 40, NOW - 95)
    look.record = replace(FRESH, used=NOW - 95, recovered=NOW - 80)
    assert look.judge().since == NOW - 40
    look.record = replace(FRESH, lost=NOW - 6000, proof=Proof(NOW - 40, "fenced", HOST))
    assert look.judge().since == NOW - 6000, "as its record says, however long ago"


def test_a_late_report_does_not_reach_back_to_a_fence_of_long_ago() -> None:
    assert late().verdict("healthy member", fence_max_age=39) is Verdict.WAIT


def test_a_late_report_of_a_host_that_was_recovered_meanwhile_is_done() -> None:
    look = late()
    look.record = replace(FRESH, used=NOW - 40, recovered=NOW + 5)
    assert look.verdict("was recovered from this failure") is Verdict.DONE
    look.record = replace(FRESH, used=NOW - 90, recovered=NOW + 5)
    look.seen |= {"now": NOW + 75}
    assert look.verdict("came back before") is Verdict.FENCE, "it was fenced once more meanwhile"
    look = late()
    look.record = replace(FRESH, used=NOW - 40, recovered=NOW - 30)
    assert look.verdict("healthy member") is Verdict.WAIT, "a fence that is used is no reason"


def test_a_failure_after_the_recovery_is_another_one() -> None:
    look = Look(connected=NOW - 100)
    look.record = replace(FRESH, used=NOW - 400, recovered=NOW - 300)
    assert look.verdict("healthy member", fence_reported_failed="always") is Verdict.FENCE


def returned(**changes: object) -> Look:
    """A host that is back in the middle of its recovery."""
    look = Look(**fenced(60, connected=NOW - 10))
    look.record = replace(FRESH, proof=Proof(NOW - 60, "fenced", HOST), **changes)
    return look


@pytest.mark.parametrize("instances", [None, (), LISTED])
def test_a_host_that_is_back_in_the_middle_of_its_recovery_is_fenced_again(
    instances: tuple[Instance, ...] | None,
) -> None:
    assert returned(instances=instances).verdict("came back before") is Verdict.FENCE


def test_whenever_that_was_and_however_late_it_is_reported_again() -> None:
    look = returned(instances=LISTED)
    look.seen["now"] = NOW + 10_000
    look.report = Report(HOST, NOW + 5000)
    assert look.verdict("came back before") is Verdict.FENCE


def test_one_that_comes_back_again_and_again_is_left_alone_in_the_end() -> None:
    for times in range(FRUITLESS):
        assert returned(instances=LISTED, fruitless=times).judge().verdict is Verdict.FENCE
    look = returned(instances=LISTED, fruitless=FRUITLESS)
    assert look.verdict("is not fenced for that again") is Verdict.REFUSE
    assert "return-host, which starts" in look.judge(fence_reported_failed="always").reason


@pytest.mark.parametrize("choice", ["confirmed", "always"])
def test_one_that_was_taken_back_by_an_operator_is_not_fenced(choice: str) -> None:
    """What it does not run is started there, once its nova-compute is known to be back."""
    look = returned(instances=LISTED)
    look.seen["in_service"] = True
    judgement = look.judge(fence_reported_failed=choice)
    assert (judgement.verdict, judgement.unknown) == (Verdict.WAIT, True)
    look.seen["compute_seen"] = NOW
    assert look.verdict("came back before", fence_reported_failed=choice) is Verdict.BACK


def test_one_that_died_once_more_meanwhile_is_in_service_since_that_fence() -> None:
    """The fence that began its recovery is not its last: nothing is left to fence it for."""
    look = returned()
    look.remote.events = [("reboot", "success", NOW - age) for age in (30, 60)]
    look.seen |= {"in_service": True, "compute_seen": NOW - 45}
    assert look.verdict("came back before") is Verdict.FENCE, "it has reported before that alone"
    look.seen["compute_seen"] = NOW
    judgement = look.judge()
    assert (judgement.verdict, judgement.moment) == (Verdict.BACK, NOW - 30)
    assert judgement.since == NOW - 60


@pytest.mark.parametrize("choice", ["confirmed", "always", "never"])
def test_one_that_owes_instances_is_never_fenced_for_the_failure_it_was_returned_from(
    choice: str,
) -> None:
    """Be its nova-compute disabled again or silent: its operator has said that it works."""
    look = returned(instances=LISTED)
    fenced = NOW - 100
    look.record = replace(look.record, proof=None, down=fenced, used=fenced + 20)
    judgement = look.judge(fence_reported_failed=choice)
    assert (judgement.verdict, judgement.unknown) == (Verdict.WAIT, True)
    look.seen["compute_seen"] = NOW
    judgement = look.judge(fence_reported_failed=choice)
    assert judgement.verdict is Verdict.BACK, "as reserved ones are: disabled, and in service"
    assert (judgement.since, judgement.moment) == (fenced, NOW - 60), "and once more since"


def test_one_that_owes_instances_and_fails_again_is_evacuated() -> None:
    look = dead(fenced=NOW - 5)
    look.record = replace(FRESH, instances=LISTED, down=NOW - 900, used=NOW - 900)
    assert look.verdict("fenced at") is Verdict.FENCED


def test_before_its_service_was_forced_down_being_in_service_means_nothing() -> None:
    look = returned()
    look.seen["in_service"] = True
    assert look.verdict("came back before") is Verdict.FENCE


def test_one_that_was_taken_back_without_pacemaker_is_not_fenced_either() -> None:
    look = dead(fenced=NOW - 60)
    look.record = replace(FRESH, proof=Proof(NOW - 60, "fenced", HOST), instances=LISTED)
    look.seen |= {"compute_seen": NOW - 20, "in_service": True}
    assert look.verdict("pacemaker_remote must run there") is Verdict.WAIT


def test_a_recovery_without_a_proof_does_not_make_a_host_that_works_a_returned_one() -> None:
    look = Look()
    look.record = replace(FRESH, proof=Proof(0, "allowed without", HOST), instances=LISTED)
    assert look.verdict("healthy member") is Verdict.WAIT


@pytest.mark.parametrize("setting", ["never", "confirmed", "always"])
@pytest.mark.parametrize(
    "state",
    [
        {"managed": False, "maintenance": True},
        {"managed": False, "online": True, "role": "Started"},
        {"target_role": "Stopped"},
    ],
)
def test_a_connection_that_was_stopped_on_purpose_fences_nothing(
    setting: str, state: dict[str, object]
) -> None:
    look = Look(**{"online": False, "role": "Stopped", **state})
    assert look.verdict("on purpose", fence_reported_failed=setting) is Verdict.WAIT


@pytest.mark.parametrize("setting", ["confirmed", "always"])
def test_maintenance_mode_fences_nothing(setting: str) -> None:
    for look in (returned(), Look()):
        look.cluster.maintenance = True
        verdict = look.verdict("maintenance mode", fence_reported_failed=setting)
        assert verdict is Verdict.REFUSE


def test_without_stonith_nothing_is_recovered() -> None:
    look = dead()
    look.cluster.stonith = False
    assert look.verdict("STONITH is disabled") is Verdict.REFUSE


@pytest.mark.parametrize("setting", ["confirmed", "always"])
def test_every_verdict_needs_quorum(setting: str) -> None:
    """No state of the host leads to a fence or a recovery in a part without quorum."""
    used = dead(fenced=NOW - 60)
    used.record = replace(FRESH, used=NOW - 60, recovered=NOW)
    for look in (dead(fenced=NOW - 1), dead(), Look(), late(), returned(), used):
        look.cluster.quorum = False
        assert look.verdict("no quorum", fence_reported_failed=setting) is Verdict.WAIT


STALE: dict[str, object] = {"events": [("reboot", "pending", None)]}
"""What stays in the history of some members for good: see `Status.being_fenced`."""


@pytest.mark.parametrize(
    "requester",
    ["pacemaker-controld.1304@juju-2-lxd-0", "stonith_admin.871@juju-7-lxd-0"],
    ids=["Pacemaker calls it clean", "the member that asked is gone"],
)
def test_a_fencing_whose_end_is_never_told_is_not_awaited(requester: str) -> None:
    look = Look(**STALE, requester=requester, connected=NOW - 3600)
    assert look.judge(fence_reported_failed="always").verdict is Verdict.FENCE
    look = dead(**STALE, requester=requester, fenced=NOW - 1)
    assert look.verdict("fenced at") is Verdict.FENCED


def test_a_fencing_by_an_operator_is_awaited() -> None:
    look = Look(**STALE, requester="stonith_admin.871@juju-1-lxd-0")
    assert look.verdict("not confirmed yet", fence_reported_failed="always") is Verdict.WAIT


@pytest.mark.parametrize(
    ("watched", "verdict"),
    [(True, Verdict.BACK), (False, Verdict.WAIT)],
    ids=["connected", "without Pacemaker"],
)
def test_nor_is_one_whose_recovery_had_begun_and_could_not_force_it_down(
    watched: bool, verdict: Verdict
) -> None:
    """What is started where nobody watches would stay down if the host died again."""
    look = late() if watched else Look(fenced=NOW - 40)
    look.seen |= {"now": NOW + 75, "in_service": True, "compute_seen": NOW + 60}
    look.record = replace(FRESH, proof=Proof(NOW - 40, "fenced", HOST))
    judgement = look.judge()
    assert (judgement.verdict, judgement.unknown) == (verdict, not watched)
    assert judgement.moment == (NOW - 40 if watched else 0)
    look.record = replace(look.record, instances=LISTED)
    assert look.judge().verdict is verdict, "its operator has taken it back"
