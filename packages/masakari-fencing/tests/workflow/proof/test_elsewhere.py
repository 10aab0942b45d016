"""A host that is back in the middle of its recovery, with none of its instances there any more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fencing_proof import LISTED, Bench, returned
from masakari_fencing.workflow.proof.host_fence import NotProvenDead

ELSEWHERE = replace(LISTED[0], outcome="on node2.maas, but error: see whether it runs there")
DONE = replace(LISTED[0], outcome="recovered")


def fenced(bench: Bench) -> str:
    def fence(node: str) -> int:
        bench.gets_fenced()
        return 0

    bench.cluster.fence = fence
    return bench.how()


def test_it_is_not_fenced_for_instances_that_are_elsewhere() -> None:
    bench = returned(instances=(ELSEWHERE,))
    bench.evidence.answers["there"] = []
    why = bench.refusal()
    assert "not fenced for them" in why
    with pytest.raises(NotProvenDead) as caught:
        bench.ensure()
    assert caught.value.elsewhere
    assert bench.fenced_by_us == 0


def test_nor_for_what_its_owner_has_deleted() -> None:
    bench = returned(instances=(ELSEWHERE, replace(LISTED[0], uuid="g2")))
    bench.evidence.answers |= {"there": [], "deleted": ["g2"]}
    assert "not fenced for them" in bench.refusal()
    bench = returned(instances=(ELSEWHERE,))
    bench.evidence.answers |= {"there": [], "deleted": ["g1"]}
    assert "its instances were recovered" in bench.withdrawal()


def test_nor_once_they_are_all_recovered() -> None:
    """The engine died before it could write the end. One was returned to it since."""
    bench = returned(instances=(DONE,))
    assert "its instances were recovered" in bench.withdrawal()
    assert bench.fenced_by_us == 0


@pytest.mark.parametrize("listed", [(ELSEWHERE,), (DONE,)])
def test_it_is_fenced_for_one_that_is_there_be_it_known_or_not(listed: tuple[object, ...]) -> None:
    bench = returned(instances=listed)
    bench.evidence.answers["there"] = ["g2"]
    assert "came back before" in fenced(bench)


def test_where_none_was_listed_another_list_may_say_more() -> None:
    """A part of Nova did not answer, and the engine died."""
    bench = returned(instances=())
    bench.evidence.answers["there"] = []
    assert "came back before" in fenced(bench)
