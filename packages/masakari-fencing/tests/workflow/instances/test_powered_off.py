"""Whether Nova has stopped an instance by itself, when its host was back."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from fencing_nova import OWN, FakeNova, Server
from masakari_fencing.openstack.restart_order import Place
from masakari_fencing.records.recovery import Instance
from masakari_fencing.workflow.instances.evacuation import wanted
from masakari_fencing.workflow.instances.selection import before_failure, is_down, powered_off


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


@pytest.mark.parametrize(
    ("user", "end"),
    [(None, "active"), ("me", "stopped")],
    ids=["by Nova, as it did not run", "by its owner"],
)
def test_one_that_was_to_be_stopped_when_its_host_heard_nothing(user: str, end: str) -> None:
    nova = FakeNova(Server("g1", task="powering-off"))
    nova.actions["g1"] = [action("stop", 40, user)]
    assert is_down(nova, nova.servers.get("g1"), FAILED, FAILED) is (end == "active")
    assert wanted(before_failure(nova, nova.servers.get("g1"), FAILED)) == end


def test_one_that_nova_stopped_when_its_host_was_back_at_once() -> None:
    """A virtual machine boots in ten seconds."""
    nova = FakeNova(Server("g1", vm="stopped"))
    nova.actions["g1"] = [action("stop", 21), action("create", 0, "me")]
    assert wanted(before_failure(nova, nova.servers.get("g1"), FAILED)) == "active"


@pytest.mark.parametrize(
    ("updated", "end"),
    [
        ("2026-11-21T06:00:00Z", "stopped"),
        ("2026-11-21T06:59:50Z", "active"),
        ("2026-11-21T07:00:21Z", "active"),
        ("", "active"),
        ("?", "active"),
    ],
)
def test_what_was_off_for_long_is_asked_for_but_once(updated: str, end: str) -> None:
    """The clocks of Nova and of the cluster differ; who does not say when is asked."""
    nova = FakeNova(Server("g1", vm="stopped"))
    nova.actions["g1"] = [action("stop", 21)]
    server = nova.servers.get("g1")
    server.updated = updated
    assert wanted(before_failure(nova, server, FAILED)) == end


def test_one_whose_process_had_died_and_that_was_about_to_be_started_again() -> None:
    """Its own recovery stops it before it starts it, and its host was lost in between."""
    nova = FakeNova(Server("g1", task="powering-off"))
    nova.actions["g1"] = [action("create", 0, "me"), action("stop", 5, OWN)]
    assert wanted(before_failure(nova, nova.servers.get("g1"), FAILED)) == "active"
    nova.actions["g1"].append(action("stop", 8, "me"))
    assert wanted(before_failure(nova, nova.servers.get("g1"), FAILED)) == "stopped"


@pytest.mark.parametrize(
    ("task", "done", "down"),
    [
        ("powering-off", [action("stop", 40)], True),
        (None, [action("pause", 5, "me")], True),
        (None, [action("pause", 40, "me")], False),
    ],
    ids=["Nova has lost that", "Nova has not yet", "its owner has paused it since"],
)
def test_nova_stops_a_paused_one_too(
    task: str | None, done: list[SimpleNamespace], down: bool
) -> None:
    nova = FakeNova(Server("g1", vm="paused", task=task))
    nova.actions["g1"] = done
    assert is_down(nova, nova.servers.get("g1"), FAILED, FAILED) is down


@pytest.mark.parametrize(
    ("vm", "done", "down"),
    [
        ("active", [action("reboot", 20, OWN)], True),
        ("active", [action("start", 20, "me")], True),
        ("active", [action("reboot", 50, OWN)], False),
        ("active", [action("stop", 55)], True),
        ("active", [action("reboot", 50, OWN), action("stop", 55)], False),
        ("stopped", [action("reboot", 20, OWN), action("stop", 55)], True),
        ("stopped", [action("stop", 21)], True),
        ("stopped", [action("stop", 40, "me")], False),
    ],
    ids=[
        "recovered",
        "started",
        "since",
        "just seen",
        "from inside",
        "Nova has seen it",
        "since the first",
        "as wanted",
    ],
)
def test_what_was_started_between_two_fences_is_down_again(
    vm: str, done: list[SimpleNamespace], down: bool
) -> None:
    nova = FakeNova(Server("g1", vm=vm))
    nova.actions["g1"] = done
    assert is_down(nova, nova.servers.get("g1"), FAILED, FAILED + 30) is down


def test_what_was_locked_since_nova_has_stopped_it_is_down_all_the_same() -> None:
    """An attempt that came to nothing locks and unlocks it."""
    nova = FakeNova(Server("g1", vm="stopped"))
    nova.actions["g1"] = [action("stop", 40), action("lock", 41, OWN), action("unlock", 42, OWN)]
    assert is_down(nova, nova.servers.get("g1"), FAILED, FAILED)
    assert wanted(before_failure(nova, nova.servers.get("g1"), FAILED)) == "active"


def test_what_was_started_again_and_is_off_since_was_shut_down_from_inside() -> None:
    """Another instance was not started, and that is tried again an hour later."""
    nova = FakeNova(Server("g1", vm="stopped"))
    nova.actions["g1"] = [action("stop", 15), action("start", 20, OWN), action("stop", 55)]
    assert not is_down(nova, nova.servers.get("g1"), FAILED, FAILED)


@pytest.mark.parametrize(("vm", "down"), [("active", False), ("paused", False), ("stopped", True)])
def test_what_nova_takes_for_running_runs_where_nobody_knows_of_a_fence(
    vm: str, down: bool
) -> None:
    nova = FakeNova(Server("g1", vm=vm))
    nova.actions["g1"] = [action("stop", 21)] if down else []
    assert is_down(nova, nova.servers.get("g1"), FAILED, 0.0) is down


@pytest.mark.parametrize(
    ("done", "ran"),
    [
        ([action("create", 0, "me"), action("resize", 5, "me")], True),
        ([action("start", 4, "me"), action("migrate", 5, "me")], True),
        ([action("stop", 4, "me"), action("resize", 5, "me")], False),
        ([action("resize", 5, "me"), action("reboot", 40, "me")], False),
        ([], True),
    ],
    ids=["ran", "ran, and was moved", "was off before", "touched since", "forgotten"],
)
def test_one_that_waits_for_its_resize_to_be_confirmed_is_shown_as_off(
    done: list[SimpleNamespace], ran: bool
) -> None:
    """Nova changes only its power state when its host does not run it."""
    nova = FakeNova(Server("g1", vm="resized", power=4))
    nova.actions["g1"] = done
    server = nova.servers.get("g1")
    assert is_down(nova, server, FAILED, FAILED) is ran
    assert before_failure(nova, server, FAILED).vm_state == ("active" if ran else "resized")


@pytest.mark.parametrize(("locked", "state"), [(True, "paused"), (False, "active")])
def test_what_another_hosts_recovery_had_brought_here_is_to_end_as_it_was_there(
    locked: bool, state: str
) -> None:
    """Unlocked, that recovery is done with it, or somebody has seen to it since."""
    nova = FakeNova(Server("g1", task="powering-off", locked=locked))
    known = Instance("g1", "paused", outcome="not stopped after 180 s", priority=1)
    found = before_failure(nova, nova.servers.get("g1"), FAILED, halfway=known)
    assert (found.vm_state, found.locked, found.outcome) == (state, False, "")
    assert found.priority == Place().priority
