"""What a recovery tells is read again as it was meant."""

from __future__ import annotations

import pytest
from masakari_fencing.records import progress
from masakari_fencing.records.progress import Moved
from masakari_fencing.records.recovery import Instance

HOST = "node1.maas"


@pytest.mark.parametrize(
    "found",
    [
        Moved("g1", "active", "active", "node2.maas", 6.3),
        Moved("g1", "paused", "stopped", "node2.maas", 0.0),
        Moved("g1", "active", "deleted"),
        Moved("g1", "active", seconds=12.5, problem="No valid host was found: x on y\nafter 1 s"),
    ],
)
def test_an_instance(found: Moved) -> None:
    assert progress.read_moved(progress.moved(found)) == found


def test_phases() -> None:
    assert progress.read_lost(progress.lost(HOST, 1_795_233_223.0)) == "2026-11-21 03:53:43Z"
    assert progress.read_proven(progress.proven(HOST, "fenced at x: y")) == "fenced at x: y"
    assert progress.begins(progress.evacuating(HOST, [Instance("g1", "active")]))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Waiting for host 'node1.maas' to be fenced: Pacemaker is fencing it",
        "Instance g1 is up on node2.maas",
        "No instance is left to recover of host 'node1.maas'",
    ],
)
def test_other_words_are_no_figures(text: str) -> None:
    assert progress.read_moved(text) is None
    assert progress.read_lost(text) is None
    assert progress.read_proven(text) is None
    assert not progress.begins(text)
