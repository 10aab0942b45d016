"""The decision that every recovery has to pass, in every state a host can be in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fencing_fakes import Cluster, Remote
from masakari_fencing import fence
from masakari_fencing.fence import HostFence, Policy, Refused, Report, Withdrawn

NOW = 2_000_000.0
HOST = "node1.maas"
RECORD = f'<node_state uname="{HOST}" remote_node="true" node_fenced="1999999"/>'


class Clock:
    """Time that passes only by sleeping, and what happens meanwhile."""

    def __init__(self) -> None:
        self.now = NOW
        self.later: list[tuple[float, object]] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for due, action in list(self.later):
            if self.now >= due:
                self.later.remove((due, action))
                action()  # type: ignore[operator]

    def after(self, seconds: float, action: object) -> None:
        self.later.append((NOW + seconds, action))


class Bench:
    """A host in a cluster, and one attempt to have it proven dead."""

    def __init__(self, policy: Policy | None = None, **remote: object) -> None:
        self.remote = Remote(HOST, **remote)  # type: ignore[arg-type]
        self.cluster = Cluster([self.remote])
        self.policy = policy or Policy()
        self.clock = Clock()
        self.progress: list[str] = []
        self.compute_seen: float | Exception | None = None
        self.compute_asked = 0
        self.withdrawn: str | None = None
        self.confirmed = False
        self.recovered: float | None = None

    def _seen(self) -> float | None:
        self.compute_asked += 1
        if isinstance(self.compute_seen, Exception):
            raise self.compute_seen
        return self.compute_seen

    def ensure(self, report: Report | None = None) -> str:
        gate = HostFence(
            self.cluster.runner,
            self.policy,
            compute_seen=self._seen,
            progress=self.progress.append,
            withdrawn=lambda: self.withdrawn,
            confirmed=lambda: self.confirmed,
            recovered=lambda: self.recovered,
            sleep=self.clock.sleep,
            clock=self.clock,
        )
        return gate.ensure(report or Report(HOST, NOW))

    def refusal(self, report: Report | None = None) -> str:
        with pytest.raises(Refused) as caught:
            self.ensure(report)
        assert HOST in str(caught.value).lower()
        return caught.value.reason

    def withdrawal(self) -> str:
        with pytest.raises(Withdrawn) as caught:
            self.ensure()
        return str(caught.value)

    @property
    def fenced_by_us(self) -> int:
        return len(self.cluster.runner.ran("stonith_admin --reboot"))


def dead(**changes: object) -> dict[str, object]:
    return {"online": False, "role": "Stopped", "failed": True, **changes}


def test_a_fenced_host_is_let_through_at_once() -> None:
    bench = Bench(**dead(fenced=NOW - 1))
    assert "fenced at" in bench.ensure()
    assert bench.clock.now == NOW
    assert bench.compute_asked == 0


def test_a_fenced_host_is_not_kept_waiting_for_what_only_a_returned_one_needs() -> None:
    bench = Bench(**dead(fenced=NOW - 1, events=[("reboot", "success", NOW - 1)]))
    assert "fenced at" in bench.ensure()
    assert not bench.cluster.runner.ran("cibadmin --query --xpath //lrm_resource")


def test_a_fenced_host_counts_while_pacemaker_tries_to_connect_to_it() -> None:
    bench = Bench(**dead(fenced=NOW - 1, online=True, role="Starting", failed=False))
    assert "fenced at" in bench.ensure()


def test_the_host_is_found_whatever_its_case() -> None:
    bench = Bench(**dead(fenced=NOW - 1))
    assert "fenced at" in bench.ensure(Report("NODE1.maas", NOW))


@pytest.mark.parametrize("name", ["node1", "node11.maas", "node1.maa", "1.maas"])
def test_a_similar_name_is_another_host(name: str) -> None:
    bench = Bench(**dead(fenced=NOW - 1))
    with pytest.raises(Refused, match="no single remote node"):
        bench.ensure(Report(name, NOW))


def test_two_nodes_that_differ_in_case_only_are_ambiguous() -> None:
    bench = Bench(**dead(fenced=NOW - 1))
    bench.cluster.remotes.append(Remote("NODE1.MAAS"))
    assert "NODE1.MAAS (remote)" in bench.refusal()


def test_a_cluster_member_is_no_hypervisor() -> None:
    bench = Bench()
    with pytest.raises(Refused, match="member"):
        bench.ensure(Report(bench.cluster.dc, NOW))


@pytest.mark.parametrize("name", ["", "a'b", "-x", "x\n", "node 1"])
def test_a_name_that_is_none_is_refused_without_asking_the_cluster_for_it(name: str) -> None:
    bench = Bench()
    with pytest.raises(Refused):
        bench.ensure(Report(name, NOW))
    assert not bench.cluster.runner.ran("cibadmin")


def test_a_pending_fence_is_awaited() -> None:
    bench = Bench(**dead(unclean=True, events=[("reboot", "pending", None)]))

    def confirmed() -> None:
        bench.remote.unclean = False
        bench.remote.fenced = bench.clock.now
        bench.remote.events = [("reboot", "success", bench.clock.now)]

    bench.clock.after(30, confirmed)
    assert "fenced at" in bench.ensure()
    assert 30 <= bench.clock.now - NOW <= 31
    assert len(bench.progress) == 1, "the same state is told once"


def test_a_host_that_works_again_by_the_time_of_the_fence_is_spared() -> None:
    bench = Bench()
    bench.withdrawn = f"{HOST} still answers"
    with pytest.raises(Withdrawn, match="still answers"):
        bench.ensure(Report(HOST, NOW, "ONLINE"))
    assert bench.fenced_by_us == 0


def test_what_pacemaker_has_fenced_cannot_be_withdrawn() -> None:
    bench = Bench(**dead(fenced=NOW))
    bench.withdrawn = f"{HOST} still answers"
    assert "fenced at" in bench.ensure()


STALE = {"events": [("reboot", "pending", None)]}
"""What stays in the history of some members for good: see `Status.being_fenced`."""


@pytest.mark.parametrize(
    "requester",
    ["pacemaker-controld.1304@juju-2-lxd-0", "stonith_admin.871@juju-7-lxd-0"],
    ids=["Pacemaker calls it clean", "the member that asked is gone"],
)
def test_a_fencing_whose_end_is_never_told_is_not_awaited(requester: str) -> None:
    bench = Bench(**STALE, requester=requester)
    assert bench.ensure(Report(HOST, NOW, "ONLINE")).startswith("fenced on request")
    assert bench.fenced_by_us == 1
    bench = Bench(**dead(**STALE, requester=requester, fenced=NOW - 1))
    assert "fenced at" in bench.ensure()
    assert bench.clock.now == NOW


def test_a_fencing_by_an_operator_is_awaited() -> None:
    bench = Bench(**STALE, requester="stonith_admin.871@juju-1-lxd-0")
    bench.clock.after(5, lambda: setattr(bench.remote, "events", []))
    bench.ensure(Report(HOST, NOW, "ONLINE"))
    assert bench.clock.now - NOW >= 5


def test_an_unclean_host_is_awaited_even_with_an_older_record_of_a_fence() -> None:
    bench = Bench(**dead(unclean=True, fenced=NOW - 5))
    assert "has not succeeded" in bench.refusal()


def test_a_fence_that_never_succeeds_is_refused_after_the_timeout() -> None:
    bench = Bench(
        Policy(fencing_timeout=60),
        **dead(unclean=True, events=[("reboot", "failed", NOW), ("reboot", "pending", None)]),
    )
    assert "waited 60 s" in bench.refusal()
    assert 60 <= bench.clock.now - NOW < 62
    assert bench.fenced_by_us == 0


def test_a_host_that_is_merely_offline_is_refused() -> None:
    bench = Bench(**dead())
    assert "has not fenced it" in bench.refusal()
    assert bench.fenced_by_us == 0


def test_an_earlier_fence_does_not_count_after_the_host_has_returned() -> None:
    # The history still has the fence; Pacemaker cleared its record when the host came back.
    bench = Bench(**dead(fenced=0, events=[("reboot", "success", NOW - 60)]))
    assert "has not fenced it" in bench.refusal()


def test_a_successful_unfencing_or_a_failed_fence_is_no_proof() -> None:
    for event in (("on", "success", NOW), ("reboot", "failed", NOW), ("off", "failed", NOW)):
        bench = Bench(**dead(events=[event]))
        bench.refusal()
        assert bench.fenced_by_us == 0


def test_a_fence_from_long_before_the_report_does_not_count() -> None:
    bench = Bench(Policy(fence_max_age=600), **dead(fenced=NOW - 601))
    assert "601 s older" in bench.refusal()


def test_the_age_of_a_fence_is_that_at_the_report_not_at_the_retry() -> None:
    bench = Bench(Policy(fence_max_age=600), **dead(fenced=NOW - 5000))
    assert "fenced at" in bench.ensure(Report(HOST, NOW - 4990))


def test_a_host_whose_compute_service_reported_after_the_fence_is_fenced_again() -> None:
    bench = Bench(**dead(fenced=NOW - 60, failed=False))
    bench.compute_seen = NOW - 20
    assert "on request" in bench.ensure()
    assert bench.fenced_by_us == 1


def test_a_compute_service_that_reported_before_the_fence_is_no_sign_of_life() -> None:
    bench = Bench(**dead(fenced=NOW - 60))
    bench.compute_seen = NOW - 61
    assert "fenced at" in bench.ensure()
    assert (bench.compute_asked, bench.fenced_by_us) == (1, 0)


def test_without_an_answer_from_nova_an_old_fence_proves_nothing() -> None:
    bench = Bench(**dead(fenced=NOW - 60))
    bench.compute_seen = fence.ComputeUnknown("gateway timeout")
    assert "gateway timeout" in bench.refusal()


def test_a_live_host_that_is_reported_failed_is_fenced() -> None:
    bench = Bench()
    proof = bench.ensure(Report(HOST, NOW, "ONLINE"))
    assert "on request" in proof
    assert bench.cluster.runner.ran("stonith_admin")[0][:3] == ["stonith_admin", "--reboot", HOST]
    assert "Having Pacemaker fence" in bench.progress[0]


def test_a_cluster_that_switches_off_is_asked_to_switch_off() -> None:
    bench = Bench()
    bench.cluster.runner.on("crm_attribute --type=crm_config", "off\n")
    bench.cluster.runner.on("stonith_admin --fence", "")
    bench.ensure(Report(HOST, NOW, "ONLINE"))
    assert bench.cluster.runner.ran(f"stonith_admin --fence {HOST}")


def test_a_fence_that_fails_is_tried_again_and_then_refused() -> None:
    bench = Bench(Policy(fencing_timeout=20))
    bench.cluster.fence = lambda node: 1
    assert "could not be fenced" in bench.refusal(Report(HOST, NOW, "ONLINE"))
    assert 3 <= bench.fenced_by_us <= 5


def test_a_live_host_is_never_fenced_where_the_operator_says_so() -> None:
    bench = Bench(Policy(fence_reported_failed="never"))
    assert "never" in bench.refusal(Report(HOST, NOW, "ONLINE"))
    assert bench.fenced_by_us == 0


def test_a_report_that_contradicts_the_cluster_costs_no_healthy_host() -> None:
    bench = Bench()
    assert "healthy member" in bench.withdrawal()
    assert bench.fenced_by_us == 0
    assert 30 <= bench.clock.now - NOW < 32


def test_a_report_of_what_pacemaker_does_not_see_is_not_given_up() -> None:
    """Somebody still sees that a network is down; the operator wants no fence for that."""
    bench = Bench()
    bench.confirmed = True
    assert "healthy member" in bench.refusal()
    assert "never" in Bench(Policy(fence_reported_failed="never")).refusal()
    assert bench.fenced_by_us == 0


def test_a_host_that_has_just_become_healthy_is_awaited() -> None:
    """The daemon was stopped on purpose for a while; its host was reported meanwhile."""
    bench = Bench(**dead())
    bench.clock.after(20, lambda: vars(bench.remote).update(vars(Remote(HOST))))
    assert "healthy member" in bench.withdrawal()
    assert 49 <= bench.clock.now - NOW < 53


def test_a_host_that_came_back_before_it_was_recovered_is_fenced_again() -> None:
    fenced = NOW - 300
    bench = Bench(connected=NOW - 200, events=[("reboot", "success", fenced)])
    assert "came back before" in bench.ensure(Report(HOST, fenced))
    assert bench.fenced_by_us == 1


LATE = {"connected": NOW + 10, "events": [("reboot", "success", NOW - 40)]}
"""A host that was fenced, that somebody who polls then found offline, and that came back."""


def test_a_host_that_came_back_before_it_was_reported_late_is_fenced_again() -> None:
    """The API was away until then. Its guests are down: the host has booted."""
    bench = Bench(**LATE)
    bench.recovered = NOW - 41
    bench.clock.now = NOW + 15
    assert "came back before" in bench.ensure()
    assert bench.fenced_by_us == 1


def test_a_late_report_of_a_host_that_was_recovered_meanwhile_fences_nothing() -> None:
    bench = Bench(**LATE)
    bench.recovered = NOW - 30
    assert "healthy member" in bench.withdrawal()
    assert bench.fenced_by_us == 0


def test_a_late_report_does_not_reach_back_to_a_fence_of_long_ago() -> None:
    bench = Bench(Policy(fence_max_age=39), **LATE)
    assert "healthy member" in bench.withdrawal()
    assert bench.fenced_by_us == 0


def test_an_earlier_fence_is_no_reason_to_fence_a_host_again() -> None:
    bench = Bench(connected=NOW - 3000, events=[("reboot", "success", NOW - 3600)])
    assert "healthy member" in bench.withdrawal()
    assert bench.fenced_by_us == 0


def test_always_believes_a_report_that_is_newer_than_the_connection() -> None:
    bench = Bench(Policy(fence_reported_failed="always"), connected=NOW - 3600)
    bench.ensure()
    assert bench.fenced_by_us == 1


@pytest.mark.parametrize("connected", [NOW - 2, NOW + 60])
def test_always_does_not_believe_a_report_from_before_the_host_came_back(
    connected: float,
) -> None:
    bench = Bench(Policy(fence_reported_failed="always"), connected=connected)
    assert "connected since" in bench.withdrawal()
    assert bench.fenced_by_us == 0


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
    changes: dict[str, object] = {"online": False, "role": "Stopped", **state}
    bench = Bench(Policy(fence_reported_failed=setting), **changes)
    assert "on purpose" in bench.refusal(Report(HOST, NOW, "ONLINE"))
    assert bench.fenced_by_us == 0


def test_a_host_whose_daemon_is_stopped_for_a_moment_need_not_be_recovered() -> None:
    """The polling monitor reports it after some seconds of a package upgrade."""
    bench = Bench(managed=False, maintenance=True, online=False, role="Stopped")
    bench.clock.after(60, lambda: vars(bench.remote).update(vars(Remote(HOST))))
    assert "healthy member" in bench.withdrawal()


def test_maintenance_mode_fences_nothing() -> None:
    bench = Bench()
    bench.cluster.maintenance = True
    assert "maintenance mode" in bench.refusal(Report(HOST, NOW, "ONLINE"))
    assert bench.fenced_by_us == 0


def test_without_stonith_nothing_is_recovered() -> None:
    bench = Bench(**dead())
    bench.cluster.stonith = False
    assert "STONITH is disabled" in bench.refusal()


def test_without_quorum_a_fence_is_no_proof() -> None:
    bench = Bench(**dead(fenced=NOW - 1))
    bench.cluster.quorum = False
    assert "no quorum" in bench.refusal()


def test_quorum_that_returns_in_time_is_good() -> None:
    bench = Bench(**dead(fenced=NOW - 1))
    bench.cluster.quorum = False
    bench.clock.after(20, lambda: setattr(bench.cluster, "quorum", True))
    assert "fenced at" in bench.ensure()


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
    assert "not proven dead" in bench.ensure()
    assert bench.clock.now >= NOW + 30


def test_recovery_without_fencing_does_not_wait_for_what_cannot_come() -> None:
    bench = Bench(Policy(allow_unfenced_recovery=True), **dead())
    bench.cluster.stonith = False
    assert "not proven dead" in bench.ensure()
    assert bench.clock.now == NOW


def test_every_verdict_needs_quorum() -> None:
    """No state of the host leads to a fence or a recovery in a part without quorum."""
    bench = Bench()
    bench.cluster.quorum = False
    for fenced in (0.0, NOW - 1):
        for status in ("ONLINE", "OFFLINE"):
            for setting in ("confirmed", "always"):
                bench.remote.fenced = fenced
                bench.policy = replace(Policy(), fence_reported_failed=setting, fencing_timeout=1)
                assert "quorum" in bench.refusal(Report(HOST, NOW, status))
    assert bench.fenced_by_us == 0


def limited(bench: Bench, excess: list[str | None]) -> HostFence:
    """An attempt that has to ask whether the host may be fenced because of reports."""
    return HostFence(
        bench.cluster.runner,
        bench.policy,
        compute_seen=lambda: None,
        progress=bench.progress.append,
        excess=lambda: excess.pop(0),
        sleep=bench.clock.sleep,
        clock=bench.clock,
    )


def reported() -> Bench:
    """A healthy host that a monitor has reported failed, where every report is believed."""
    return Bench(Policy(fence_reported_failed="always", report_settle=5), connected=NOW - 3600)


def test_a_reported_host_is_fenced_once_the_other_reports_have_come_in() -> None:
    bench = reported()
    begun: list[float] = []
    bench.cluster.fence = lambda node: begun.append(bench.clock()) or 0  # type: ignore[func-returns-value]
    assert "fenced on request" in limited(bench, [None]).ensure(Report(HOST, NOW))
    assert begun == [NOW + 5]
    assert any("other reports may follow" in text for text in bench.progress)


def test_above_the_limit_of_reports_nothing_is_fenced() -> None:
    bench = reported()
    with pytest.raises(Refused, match="3 of the 4 hosts"):
        limited(bench, ["3 of the 4 hosts of segment rack1"]).ensure(Report(HOST, NOW))
    assert not bench.cluster.runner.ran("stonith_admin")


def test_a_fenced_host_is_not_counted_again() -> None:
    bench = Bench(online=False, role="Stopped", fenced=NOW)
    assert limited(bench, []).ensure(Report(HOST, NOW)).startswith("fenced at")
