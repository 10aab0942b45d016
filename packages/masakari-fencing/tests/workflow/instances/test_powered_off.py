"""Whether Nova has stopped an instance by itself, when its host was back."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from masakari_fencing.workflow.instances.selection import powered_off


def action(name: str, second: int, user: str | None = None) -> SimpleNamespace:
    """What novaclient says of something that was done with a guest."""
    moment = f"2026-11-21T07:00:{second:02d}.000000"
    return SimpleNamespace(action=name, start_time=moment, user_id=user)


FAILED = 1795244410.0
"""2026-11-21T07:00:10Z."""


def test_a_guest_that_nova_stopped_when_its_host_was_back() -> None:
    done = [action("stop", 40), action("start", 5, "me"), action("create", 0, "me")]
    assert powered_off(done, FAILED)
    assert powered_off(reversed(done), FAILED), "in whatever order they come"


@pytest.mark.parametrize(
    "done",
    [
        [],
        [action("stop", 40, "me")],
        [action("stop", 5)],
        [action("stop", 40), action("start", 45, "me"), action("stop", 50, "me")],
        [action("reboot", 40)],
        [SimpleNamespace(action="stop", start_time=None, user_id=None)],
    ],
    ids=["nothing", "by a user", "before the failure", "then a user did", "no stop", "no time"],
)
def test_a_guest_that_is_to_be_off(done: list[SimpleNamespace]) -> None:
    assert not powered_off(done, FAILED)
