"""The wait for the proof that a host is dead, in a cluster that changes meanwhile."""

from __future__ import annotations

import dataclasses
from typing import NoReturn

import pytest
from fencing_fakes import Remote
from fencing_proof import FRESH, HOST, LISTED, NOW, RECORD, Bench, dead, reported, returned
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.records.recovery import Proof
from masakari_fencing.workflow.proof.decision import Policy, Report
from masakari_fencing.workflow.proof.host_fence import (
    CameBack,
    ComputeUnknown,
    NotProvenDead,
)


def test_a_fenced_host_is_let_through_at_once() -> None:
    bench = Bench(**dead(fenced=NOW - 1))
    found = bench.ensure()
    assert "fenced at" in found.how
    assert (found.fenced, found.node) == (NOW - 1, HOST)
    assert bench.clock.now == NOW
    assert "compute" not in bench.evidence.asked


def test_a_fenced_host_is_not_kept_waiting_for_what_only_a_returned_one_needs() -> None:
    bench = Bench(**dead(fenced=NOW - 1, events=[("reboot", "success", NOW - 1)]))
    bench.ensure()
    assert not bench.cluster.runner.ran("cibadmin --query --xpath //lrm_resource")
    assert bench.evidence.asked == ["switched_off"]


def test_the_host_is_found_whatever_its_case() -> None:
    bench = Bench(**dead(fenced=NOW - 1))
    assert bench.ensure(Report("NODE1.maas", NOW)).node == HOST


def test_time_is_not_over_by_a_look_in_whose_middle_the_engine_stood_still() -> None:
    """What it saw before is old."""
    bench = Bench(**dead())

    def stall() -> None:
        bench.evidence.answers.clear()
        bench.clock.now += 200
        bench.clock.after(200, bench.gets_fenced)

    bench.evidence.answers["switched_off"] = stall
    assert "fenced at" in bench.how()


@pytest.mark.parametrize("name", ["node1", "node11.maas", "node1.maa", "1.maas"])
def test_a_similar_name_is_another_host(name: str) -> None:
    bench = Bench(**dead(fenced=NOW - 1))
    with pytest.raises(NotProvenDead, match="no single remote node"):
        bench.ensure(Report(name, NOW))


def test_two_nodes_that_differ_in_case_only_are_ambiguous() -> None:
    bench = Bench(**dead(fenced=NOW - 1))
    bench.cluster.remotes.append(Remote("NODE1.MAAS"))
    assert "NODE1.MAAS (remote)" in bench.refusal()


def test_a_cluster_member_is_no_hypervisor() -> None:
    bench = Bench()
    with pytest.raises(NotProvenDead, match="member"):
        bench.ensure(Report(bench.cluster.dc, NOW))


@pytest.mark.parametrize("name", ["", "a'b", "-x", "x\n", "node 1"])
def test_a_name_that_is_none_is_refused_without_asking_the_cluster_for_it(name: str) -> None:
    bench = Bench()
    with pytest.raises(NotProvenDead):
        bench.ensure(Report(name, NOW))
    assert not bench.cluster.runner.ran("cibadmin")


def test_a_pending_fence_is_awaited() -> None:
    bench = Bench(**dead(unclean=True, events=[("reboot", "pending", None)]))

    def confirmed() -> None:
        bench.remote.unclean = False
        bench.remote.fenced = bench.clock.now
        bench.remote.events = [("reboot", "success", bench.clock.now)]

    bench.clock.after(30, confirmed)
    assert "fenced at" in bench.how()
    assert 30 <= bench.clock.now - NOW <= 31
    assert len(bench.progress) == 1, "the same state is told once"


def test_a_fence_that_never_succeeds_is_refused_after_the_timeout() -> None:
    bench = Bench(
        Policy(fencing_timeout=60),
        **dead(unclean=True, events=[("reboot", "failed", NOW), ("reboot", "pending", None)]),
    )
    assert "waited 60 s" in bench.refusal()
    assert 60 <= bench.clock.now - NOW < 62
    assert bench.fenced_by_us == 0


def test_a_host_that_is_merely_offline_is_refused() -> None:
    assert "has not fenced it" in Bench(**dead()).refusal()


def test_a_fence_that_is_used_up_leaves_nothing_to_do() -> None:
    bench = Bench(**dead(fenced=NOW - 60))
    bench.record = dataclasses.replace(FRESH, used=NOW - 60, recovered=NOW - 20)
    assert "recovered after this fence" in bench.withdrawal()
    assert bench.clock.now == NOW
    assert bench.fenced_by_us == 0


def test_a_host_whose_compute_service_reported_after_the_fence_is_fenced_again() -> None:
    bench = Bench(**dead(fenced=NOW - 60, failed=False))
    bench.evidence.answers["compute_seen"] = NOW - 20

    def fence(node: str) -> int:
        bench.remote.fenced = bench.clock.now
        return 0

    bench.cluster.fence = fence
    found = bench.ensure()
    assert "on request" in found.how
    assert found.fenced >= NOW
    assert bench.fenced_by_us == 1


@pytest.mark.parametrize(("settings", "waited"), [(None, 10), ("disabled meanwhile", 31)])
def test_what_an_operator_changes_of_a_compute_service_is_no_report(
    settings: str | None, waited: float
) -> None:
    """Nova shows one time for both, and calls a dead one up for a minute."""
    bench = Bench(**dead(fenced=NOW - 40))
    bench.evidence.answers["compute_seen"] = NOW - 20

    def change() -> None:
        bench.evidence.answers |= {"compute_seen": bench.clock.now, "settings": settings}

    bench.clock.after(10, change)
    bench.cluster.fence = lambda node: setattr(bench.remote, "fenced", bench.clock.now) or 0
    assert "on request" in bench.how(), "it is up for a minute since the fence, at the latest"
    assert waited <= bench.clock.now - NOW < waited + 10


def test_one_that_an_operator_has_disabled_and_that_is_dead_is_not_fenced_again() -> None:
    off = {"fenced": NOW - 40, "events": [("off", "success", NOW - 40)]}
    bench = Bench(**dead(**off))
    bench.evidence.answers |= {"compute_seen": NOW - 20, "settings": "disabled"}
    bench.clock.after(20, lambda: bench.evidence.answers.update(compute_seen=None))
    assert "fenced at" in bench.how()
    assert bench.fenced_by_us == 0
    assert bench.clock.now - NOW < 25


def test_a_compute_service_that_reported_before_the_fence_is_no_sign_of_life() -> None:
    bench = Bench(**dead(fenced=NOW - 60, events=[("off", "success", NOW - 60)]))
    bench.evidence.answers["compute_seen"] = NOW - 61
    assert "fenced at" in bench.how()
    assert bench.evidence.asked.count("compute") == 1
    assert bench.fenced_by_us == 0


def unknown() -> NoReturn:
    raise ComputeUnknown("gateway timeout")


def test_without_an_answer_from_nova_nothing_is_proven_and_nothing_fenced() -> None:
    for bench in (Bench(**dead(fenced=NOW - 60)), returned(instances=LISTED)):
        bench.evidence.answers |= {"compute_seen": unknown, "in_service": unknown}
        with pytest.raises(NotProvenDead, match="gateway timeout") as refusal:
            bench.ensure()
        assert refusal.value.unknown, "it is worth another attempt"
        assert bench.fenced_by_us == 0


def test_a_reported_host_is_fenced_once_the_other_reports_have_come_in() -> None:
    bench = reported(report_settle=5)
    begun: list[float] = []

    def fence(node: str) -> int:
        begun.append(bench.clock.now)
        bench.gets_fenced()
        return 0

    bench.cluster.fence = fence
    assert bench.ensure() == Proof(
        NOW + 5, "fenced on request: it is a healthy member of the cluster", HOST
    )
    assert begun == [NOW + 5]
    assert bench.cluster.runner.ran("stonith_admin")[0][:3] == ["stonith_admin", "--fence", HOST]
    assert any("other reports may follow" in text for text in bench.progress)
    assert any("Having Pacemaker fence" in text for text in bench.progress)


def fence(bench: Bench) -> None:
    bench.cluster.fence = lambda node: bench.gets_fenced() or 0


def test_a_host_that_is_back_is_switched_off_which_is_written_down_before() -> None:
    bench = returned(instances=LISTED)
    fence(bench)
    bench.ensure()
    assert bench.fenced_by_us == 1
    assert bench.held == [(True, 0)], "or nobody would know that it has to be switched on"


def test_where_the_cluster_itself_switches_off_nobody_switches_it_on() -> None:
    bench = reported()
    bench.cluster.runner.on("crm_attribute --type=crm_config", "off\n")
    fence(bench)
    bench.ensure()
    assert bench.fenced_by_us == 1
    assert bench.held == []


def test_a_fence_on_request_counts_only_once_it_is_on_record() -> None:
    bench = reported(report_settle=0)
    bench.clock.after(3, bench.gets_fenced)
    assert "on request" in bench.how()
    assert bench.clock.now >= NOW + 3
    assert bench.fenced_by_us == 1


def test_a_fence_that_never_gets_on_record_is_refused_in_the_end() -> None:
    """As of a device that says yes and does nothing: the host is connected again at once."""
    bench = reported(fencing_timeout=20)
    assert "has not recorded it yet" in bench.refusal()
    assert bench.clock.now - NOW < 60


def test_one_that_is_confirmed_at_the_last_moment_is_awaited_a_little_longer() -> None:
    bench = reported(fencing_timeout=10, report_settle=0)

    def fence(node: str) -> int:
        bench.clock.now += 9.9
        return 0

    bench.cluster.fence = fence
    bench.clock.after(13, bench.gets_fenced)
    assert "on request" in bench.how()


def test_a_fence_that_fails_is_tried_again_and_then_refused() -> None:
    bench = reported(fencing_timeout=20)
    bench.cluster.fence = lambda node: 1
    assert "could not be fenced" in bench.refusal()
    assert 3 <= bench.fenced_by_us <= 5


def test_above_the_limit_of_reports_nothing_is_fenced() -> None:
    bench = reported()
    bench.evidence.answers["excess"] = "3 of the 4 hosts of segment rack1"
    assert "3 of the 4 hosts" in bench.refusal()
    assert not bench.cluster.runner.ran("stonith_admin")


def test_what_pacemaker_had_fenced_is_not_doubted_like_a_report() -> None:
    """It was dead, whatever is reported about others, and answers since it has booted."""
    bench = returned(instances=LISTED)
    bench.evidence.answers |= {"excess": "3 of the 4 hosts", "withdrawn": f"{HOST} still answers"}

    def fence(node: str) -> int:
        bench.gets_fenced()
        return 0

    bench.cluster.fence = fence
    assert "came back before" in bench.how()


def test_a_cluster_that_does_not_answer_just_then_is_asked_again() -> None:
    """It has the operator's word that the limit does not hold for now."""
    bench = reported()
    answers = [1, 0]

    def excess() -> None:
        if answers.pop(0):
            raise PacemakerError("cibadmin ended with 124")

    def fence(node: str) -> int:
        bench.gets_fenced()
        return 0

    bench.evidence.answers["excess"], bench.cluster.fence = excess, fence
    assert "on request" in bench.how()


def test_a_fenced_host_is_not_counted_again() -> None:
    bench = Bench(online=False, role="Stopped", fenced=NOW)
    bench.evidence.answers |= {"excess": "too many", "withdrawn": f"{HOST} still answers"}
    assert bench.how().startswith("fenced at")


def test_a_host_that_works_again_by_the_time_of_the_fence_is_spared() -> None:
    bench = reported()
    bench.evidence.answers["withdrawn"] = f"{HOST} still answers"
    assert "still answers" in bench.withdrawal()
    assert bench.fenced_by_us == 0


@pytest.mark.parametrize("slow", ["excess", "withdrawn"])
@pytest.mark.parametrize("change", ["fenced", "no quorum", "stopped"])
def test_what_is_so_just_before_the_fence_counts(slow: str, change: str) -> None:
    """The database and the witnesses take their time; the host may work again by then."""
    bench = reported(fencing_timeout=20)

    def answer() -> None:
        if change == "fenced":
            bench.gets_fenced()
        elif change == "no quorum":
            bench.cluster.quorum = False
        else:
            bench.remote.managed = False

    bench.evidence.answers[slow] = answer
    if change == "fenced":
        assert "fenced at" in bench.how()
    else:
        bench.refusal()
    assert bench.fenced_by_us == 0


def test_a_reported_host_that_connects_anew_before_the_fence_is_spared() -> None:
    bench = reported()
    bench.evidence.answers["withdrawn"] = bench.gets_healthy
    assert "connected since" in bench.withdrawal()
    assert bench.fenced_by_us == 0


def test_a_live_host_is_never_fenced_where_the_operator_says_so() -> None:
    bench = Bench(Policy(fence_reported_failed="never"), connected=NOW - 3600)
    assert "never" in bench.refusal()
    bench = returned(instances=LISTED)
    bench.policy = Policy(fence_reported_failed="never")
    assert "never" in bench.refusal()
    assert bench.fenced_by_us == 0


def test_a_report_that_contradicts_the_cluster_costs_no_healthy_host() -> None:
    """Whatever else it says: anybody with the right to report can write `cluster_status`."""
    assert [field.name for field in dataclasses.fields(Report)] == ["host", "generated"]
    bench = Bench(connected=NOW - 3600)
    assert "healthy member" in bench.withdrawal()
    assert bench.fenced_by_us == 0
    assert 30 <= bench.clock.now - NOW < 32


def test_a_report_of_what_pacemaker_does_not_see_is_not_given_up() -> None:
    """Somebody still sees that a network is down; the operator wants no fence for that."""
    bench = Bench()
    bench.evidence.answers["confirmed"] = True
    assert "healthy member" in bench.refusal()
    assert bench.fenced_by_us == 0


def test_a_host_that_has_just_become_healthy_is_awaited() -> None:
    """The daemon was stopped on purpose for a while; its host was reported meanwhile."""
    bench = Bench(**dead())
    bench.clock.after(20, bench.gets_healthy)
    assert "healthy member" in bench.withdrawal()
    assert 49 <= bench.clock.now - NOW < 53


def test_a_host_whose_daemon_is_stopped_for_a_moment_need_not_be_recovered() -> None:
    """The polling monitor reports it after some seconds of a package upgrade."""
    bench = Bench(managed=False, maintenance=True, online=False, role="Stopped")
    bench.clock.after(60, bench.gets_healthy)
    assert "healthy member" in bench.withdrawal()


def test_a_host_that_came_back_before_it_was_recovered_is_fenced_again() -> None:
    bench = returned(instances=LISTED)

    def fence(node: str) -> int:
        bench.gets_fenced()
        return 0

    bench.cluster.fence = fence
    found = bench.ensure()
    assert "came back before" in found.how
    assert found.fenced >= NOW
    assert bench.fenced_by_us == 1


def unwatched() -> Bench:
    """A host that is in service again since its fence, and not connected to Pacemaker."""
    bench = Bench(**dead(fenced=NOW - 60, events=[("reboot", "success", NOW - 60)]))
    bench.evidence.answers = {"in_service": True, "compute_seen": lambda: bench.clock.now}
    return bench


def test_nothing_is_started_on_a_host_before_pacemaker_watches_it() -> None:
    bench = unwatched()

    def connect() -> None:
        vars(bench.remote).update(online=True, role="Started", failed=False, fenced=0)
        bench.remote.connected = bench.clock.now

    bench.clock.after(3, connect)
    with pytest.raises(CameBack):
        bench.ensure()
    assert 3 <= bench.clock.now - NOW < 4
    assert bench.fenced_by_us == 0


def test_one_whose_pacemaker_remote_does_not_run_is_tried_again() -> None:
    with pytest.raises(NotProvenDead, match="pacemaker_remote must run there") as caught:
        unwatched().ensure()
    assert caught.value.unknown


def test_quorum_that_returns_in_time_is_good() -> None:
    bench = Bench(**dead(fenced=NOW - 1))
    bench.cluster.quorum = False
    bench.clock.after(10, lambda: setattr(bench.cluster, "quorum", True))
    assert "fenced at" in bench.how()
    assert bench.fenced_by_us == 0


@pytest.mark.parametrize("answer", [102, "", "<pacemaker-result/>", "<nodes>", "no xml"])
def test_a_cluster_that_does_not_answer_proves_nothing(answer: str | int) -> None:
    bench = Bench(**dead(fenced=NOW - 1))
    bench.cluster.runner.on("crm_mon", answer)
    assert "cannot be asked" in bench.refusal()


@pytest.mark.parametrize(
    "record",
    [
        105,
        1,
        "<node_state/>",
        f'<node_state uname="{HOST}" remote_node="false" node_fenced="1999999"/>',
        f'<node_state uname="{HOST}" remote_node="true"/>',
        f'<node_state uname="{HOST}" remote_node="true" node_fenced="yes"/>',
        f'<node_state uname="{HOST}" remote_node="true" node_fenced="-1"/>',
        '<node_state uname="other" remote_node="true" node_fenced="1999999"/>',
        f"<x>{RECORD}{RECORD}</x>",
    ],
)
def test_a_record_that_says_nothing_certain_proves_nothing(record: str | int) -> None:
    bench = Bench(**dead())
    bench.cluster.runner.on("cibadmin --query --xpath //node_state", record)
    bench.refusal()
    assert bench.fenced_by_us == 0


def test_recovery_without_fencing_is_possible_but_waits_for_a_fence_first() -> None:
    policy = Policy(allow_unfenced_recovery=True, fencing_timeout=30)
    bench = Bench(policy, **dead())
    found = bench.ensure()
    assert "not proven dead" in found.how
    assert found.fenced == 0
    assert bench.clock.now >= NOW + 30


def test_recovery_without_fencing_does_not_wait_for_what_cannot_come() -> None:
    bench = Bench(Policy(allow_unfenced_recovery=True), **dead())
    bench.cluster.stonith = False
    assert "not proven dead" in bench.how()
    assert bench.clock.now == NOW


@pytest.mark.parametrize("allowed", [False, True])
def test_a_disabled_segment_is_final(allowed: bool) -> None:
    """Not even a host that is proven dead is recovered, nor where no proof is needed."""
    for state in (dead(fenced=NOW - 1), dead(), {}):
        bench = Bench(Policy(allow_unfenced_recovery=allowed), **state)
        bench.evidence.answers["switched_off"] = "its segment rack1 is disabled"
        assert "rack1 is disabled" in bench.refusal()
        assert bench.clock.now == NOW
        assert bench.cluster.runner.calls == []


def test_a_segment_that_is_disabled_while_its_host_is_awaited_is_final_too() -> None:
    bench = reported()
    answers = [None, "its segment rack1 is disabled"]
    bench.evidence.answers["switched_off"] = lambda: answers.pop(0)
    assert "disabled" in bench.refusal()
    assert bench.fenced_by_us == 0


def test_a_clock_that_is_set_back_makes_nobody_wait_for_as_long() -> None:
    """It was wrong when the machine booted, and NTP corrects it."""
    bench = Bench(Policy(fencing_timeout=60), **dead())
    bench.clock.after(10, lambda: setattr(bench.clock, "now", bench.clock.now - 7200))
    bench.refusal()
    assert bench.clock.now - (NOW - 7200) < 70
