"""What counts as ready when a program waits for a deployment."""

from typing import Any

from jujulab.console import poll, unit_lines, units


def status(
    workload: str, agent: str, message: str = "", agent_message: str = ""
) -> dict[str, Any]:
    """`juju status` with one subordinate below one principal that is ready."""

    def unit(workload: str, agent: str, message: str, agent_message: str) -> dict[str, Any]:
        return {
            "workload-status": {"current": workload, "message": message},
            "juju-status": {"current": agent, "message": agent_message},
        }

    principal = unit("active", "idle", "Unit is ready", "")
    principal["subordinates"] = {"sub/0": unit(workload, agent, message, agent_message)}
    return {"applications": {"app": {"units": {"app/0": principal}}, "sub": {"units": None}}}


def waiting(content: dict[str, Any]) -> list[str]:
    return [line for line in unit_lines(content) if not line.endswith(" ok")]


def test_active_and_idle_is_ready() -> None:
    assert waiting(status("active", "idle")) == []


def test_the_message_of_a_unit_that_is_not_ready_is_shown() -> None:
    assert waiting(status("blocked", "idle", "Missing relations: ha")) == [
        "sub/0: blocked (idle) Missing relations: ha"
    ]


def test_the_units_of_a_subordinate_are_found_below_their_principals() -> None:
    found = dict(units(status("blocked", "idle", "no names")))
    assert list(found) == ["app/0", "sub/0"]
    assert found["sub/0"]["workload-status"]["message"] == "no names"


def test_a_hook_that_may_change_something_is_waited_for() -> None:
    busy = status("active", "executing", agent_message="running config-changed hook")
    assert len(waiting(busy)) == 1


def test_a_unit_whose_status_is_old_has_no_hook_to_run() -> None:
    lines = unit_lines(
        status("waiting", "idle", "Node node1.maas is not connected"), any_status=True
    )
    assert all(line.endswith(" ok") for line in lines)
    busy = unit_lines(
        status("active", "executing", agent_message="running start hook"), any_status=True
    )
    assert [line.endswith(" ok") for line in busy] == [True, False]


def test_update_status_is_not_waited_for() -> None:
    assert waiting(status("active", "executing", agent_message="running update-status hook")) == []


def test_poll_gives_up_after_its_timeout() -> None:
    calls = []
    assert not poll(lambda: bool(calls.append(1)), timeout=0.05, interval=0.01)
    assert len(calls) > 1


def test_poll_returns_as_soon_as_it_is_done() -> None:
    answers = iter([False, True, False])
    assert poll(lambda: next(answers), timeout=5, interval=0)
