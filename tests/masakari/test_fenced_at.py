"""When a host was fenced, as it is asked once an instance may run there."""

from __future__ import annotations

import pytest
from conftest import HOST, World
from masakari_fencing.pacemaker.tools import PacemakerError
from masakari_fencing.workflow import attempt


def test_a_cluster_that_does_not_answer_does_not_say_that_nobody_knows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what is held for down would count as dead, be it back or not."""
    assert attempt.Attempt(world.context, HOST, "n1").fenced_at(HOST) == 0

    def away(argv: list[str]) -> int:
        return 1

    monkeypatch.setattr(world.cib, "others", away)
    with pytest.raises(PacemakerError):
        attempt.Attempt(world.context, HOST, "n1").fenced_at(HOST)
    attempt.CONF.set_override("allow_unfenced_recovery", True, group="fencing")
    try:
        assert attempt.Attempt(world.context, HOST, "n1").fenced_at(HOST) == 0
    finally:
        attempt.CONF.clear_override("allow_unfenced_recovery", group="fencing")
