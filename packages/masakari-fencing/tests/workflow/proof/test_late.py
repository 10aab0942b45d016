"""A recovery that is taken up late, of a host that may have been back without quorum."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fencing_proof import HOST, NOW, Bench, dead
from masakari_fencing.workflow.proof.decision import Report
from masakari_fencing.workflow.proof.host_fence import CameBack


def late(**changes: object) -> Bench:
    bench = Bench(**dead(fenced=NOW - 60, events=[("reboot", "success", NOW - 60)], **changes))
    bench.cluster.fence = lambda node: bench.gets_fenced() or 0
    return bench


def test_it_is_switched_off_and_kept_off() -> None:
    bench = late()
    proof = bench.ensure()
    assert "fenced on request: it was restarted at" in proof.how
    assert proof.fenced > NOW - 1
    assert bench.cluster.runner.ran("stonith_admin --fence") == [
        ["stonith_admin", "--fence", "node1.maas", "--timeout=30"]
    ]
    assert bench.held == [(True, 0)], "it is written down before it is switched off"


def test_so_is_one_whose_quorum_was_lost_meanwhile() -> None:
    bench = Bench(**dead(fenced=NOW - 1))
    bench.cluster.fence = lambda node: bench.gets_fenced() or 0
    bench.cluster.quorum = False
    bench.clock.after(20, lambda: setattr(bench.cluster, "quorum", True))
    assert bench.ensure().fenced > NOW + 19
    assert bench.fenced_by_us == 1


def test_with_quorum_all_the_time_its_fence_counts_however_late() -> None:
    bench = late()
    bench.quorate = NOW - 61
    assert "fenced at" in bench.how()
    assert bench.fenced_by_us == 0


def test_one_that_cannot_be_fenced_again_is_as_dead_as_its_fence_says() -> None:
    """Its power controller has gone with it, a limit is in the way, or the quorum is."""
    bench = late()
    bench.cluster.fence = lambda node: 1
    proof = bench.ensure()
    assert (proof.fenced, bench.fenced_by_us) == (NOW - 60, 1)
    assert "cannot be fenced again" in proof.how
    assert bench.held == [(True, 0), (False, 1)], "nobody owes it its power"
    assert bench.clock.now - NOW < 1


def test_nobody_is_told_that_it_was_not_proven_dead() -> None:
    """Where recoveries are allowed without a proof, it still has one."""
    bench = late()
    bench.policy = type(bench.policy)(allow_unfenced_recovery=True)
    bench.cluster.fence = lambda node: 1
    assert bench.ensure().fenced == NOW - 60


def stands_still(bench: Bench, then: Callable[[], None]) -> None:
    """Its engine's machine stands still for 400 s as it writes down that the host is kept off."""

    def stand(held: bool) -> None:
        bench.hold = lambda held: None
        bench.clock.now += 400
        then()

    bench.hold = stand


def test_what_has_come_back_while_the_engine_stood_still_is_not_fenced() -> None:
    """It was seen as it was before; it works by now, and is in service."""
    bench = late()

    def back() -> None:
        bench.gets_healthy()
        bench.remote.events = [("reboot", "success", NOW - 60)]
        bench.evidence.answers |= {"compute_seen": bench.clock.now, "in_service": True}

    stands_still(bench, back)
    with pytest.raises(CameBack):
        bench.ensure(Report(HOST, NOW - 61))
    assert bench.fenced_by_us == 0


def test_what_has_not_is_fenced_in_the_time_that_a_second_fence_has() -> None:
    bench = late()
    stands_still(bench, lambda: None)
    assert "fenced on request" in bench.ensure().how
    assert bench.cluster.runner.ran("stonith_admin --fence") == [
        ["stonith_admin", "--fence", "node1.maas", "--timeout=30"]
    ]
