"""A host that is back in the middle of its recovery, with none of its instances there any more."""

from __future__ import annotations

from dataclasses import replace

from fencing_proof import LISTED, Bench, returned

ELSEWHERE = replace(LISTED[0], outcome="on node2.maas, but error: see whether it runs there")


def test_it_is_not_fenced_for_instances_that_are_elsewhere() -> None:
    bench = returned(instances=(ELSEWHERE,))
    bench.evidence.answers["elsewhere"] = ["g1"]
    why = bench.refusal()
    assert "not fenced for them" in why
    assert "g1 (on node2.maas, but error" in why
    assert bench.fenced_by_us == 0


def test_nor_once_they_are_all_recovered() -> None:
    """The engine died before it could write the end."""
    bench = returned(instances=(replace(LISTED[0], outcome="recovered"),))
    assert "its instances were recovered" in bench.withdrawal()
    assert bench.fenced_by_us == 0


def test_it_is_fenced_for_one_that_is_there() -> None:
    bench: Bench = returned(instances=(ELSEWHERE, replace(LISTED[0], uuid="g2")))
    bench.evidence.answers["elsewhere"] = ["g1"]

    def fence(node: str) -> int:
        bench.gets_fenced()
        return 0

    bench.cluster.fence = fence
    assert "came back before" in bench.how()
