"""A host that is cut off from its storage is proven dead for what is there, and for no longer."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from fencing_ceph import MONITOR
from fencing_cib import Cib
from fencing_proof import FRESH, HOST, NOW, Bench, dead
from masakari_fencing.records import storage_fences
from masakari_fencing.records.recoveries import Records
from masakari_fencing.records.recovery import Proof
from masakari_fencing.records.storage_fences import StorageFence
from masakari_fencing.workflow.proof.host_fence import Withdrawn
from masakari_fencing.workflow.recovery_lock import ProofLost, RecoveryLock

FENCE = StorageFence(HOST, NOW - 2, ("10.77.4.12",), (MONITOR,), True, "boot-1", NOW - 1)


def lost(fence: StorageFence | None = FENCE, **changes: Any) -> Bench:
    """A host that Pacemaker has lost and cannot fence, as its power controller is dead."""
    bench = Bench(**{**dead(unclean=True, events=[("off", "failed", NOW - 3)]), **changes})
    cib = Cib()
    if fence is not None:
        storage_fences.write(cib, fence)
    query = "cibadmin --query --xpath //cluster_property_set"

    def answer(argv: list[str]) -> str | int:
        found = cib.run(argv)
        return found.returncode or found.stdout

    bench.cluster.runner.on(query, answer)
    return bench


@pytest.fixture(autouse=True)
def nothing_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No keeper of this machine; what has been cut off counts for its first seconds."""
    monkeypatch.setattr(storage_fences, "DIRECTORY", tmp_path)


def test_the_recovery_does_not_wait_for_the_power() -> None:
    for bench in (
        lost(),
        lost(unclean=True, events=[("off", "pending", None)]),
    ):
        found = bench.ensure()
        assert found.storage
        assert found.fenced == FENCE.time
        assert "cut off from its storage" in found.how
        assert bench.fenced_by_us == 0


@pytest.mark.parametrize("fence", [None, dataclasses.replace(FENCE, time=0.0)])
def test_without_it_or_before_it_counts_nothing_is_proven(fence: StorageFence | None) -> None:
    assert "Pacemaker wants to fence it" in lost(fence).refusal()


def test_a_doubtful_one_is_waited_for_and_refused() -> None:
    bench = lost()
    bench.doubt = lambda _: "Ceph lets its clients in again"
    assert "has not succeeded yet" in bench.refusal()
    assert any("Ceph lets its clients in again" in text for text in bench.progress)


def test_without_quorum_it_is_worth_nothing() -> None:
    bench = lost()
    bench.cluster.quorum = False
    assert "no quorum" in bench.refusal()


def test_the_power_proves_more() -> None:
    found = lost(unclean=False, fenced=NOW).ensure()
    assert not found.storage
    assert found.fenced == NOW


def test_a_host_that_works_is_not_dead_whatever_was_written() -> None:
    bench = lost(online=True, unclean=False, role="Started", failed=False, events=[])
    assert "healthy" in bench.withdrawal() or bench.refusal()


def test_it_is_used_up_by_one_recovery() -> None:
    bench = lost()
    bench.record = dataclasses.replace(FRESH, used=FENCE.time, recovered=NOW - 0.5)
    with pytest.raises(Withdrawn, match="were recovered since"):
        bench.ensure()


class Owner:
    """An engine in the middle of a recovery that has nothing but the storage for its proof."""

    def __init__(self) -> None:
        self.cib = Cib()
        self.said: str | None = None
        storage_fences.write(self.cib, FENCE)
        self.lock = RecoveryLock(
            Records(self.cib),
            HOST,
            FRESH.notification,
            FRESH.engine,
            doubt=lambda _: self.said,
        )
        record = self.lock.take(0, waiting=print)
        proof = Proof(FENCE.time, "cut off", HOST, storage=True)
        self.record = self.lock.update(record, proof=proof)

    def lost(self) -> str:
        with pytest.raises(ProofLost) as caught:
            self.lock.check(self.record)
        return str(caught.value)


def test_it_is_looked_at_again_before_each_instance() -> None:
    owner = Owner()
    owner.lock.check(owner.record)
    owner.said = "Ceph lets its clients at 10.77.4.12 in again"
    assert "in again" in owner.lost()


def test_one_that_has_its_storage_back_is_not_dead_any_more() -> None:
    owner = Owner()
    storage_fences.forget(owner.cib, HOST)
    assert "given back" in owner.lost()
    storage_fences.write(owner.cib, dataclasses.replace(FENCE, time=NOW + 100))
    assert "given back" in owner.lost(), "another one, of a later failure"


def test_the_recovery_goes_on_when_the_power_is_off_too() -> None:
    owner = Owner()
    owner.cib.fenced(HOST, NOW)
    storage_fences.forget(owner.cib, HOST)
    owner.lock.check(owner.record)
    owner.cib.fenced(HOST, 0)
    assert "given back" in owner.lost()


def test_older_releases_can_read_what_they_know() -> None:
    owner = Owner()
    assert '"storage":true' in str(owner.cib.root.xpath("//nvpair/@value"))
    owner.lock.update(owner.record, proof=Proof(NOW, "fenced", HOST))
    assert 'storage"' not in str(owner.cib.root.xpath("//nvpair/@value")[-1])
