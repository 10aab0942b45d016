"""Actions before a disaster, and on planned work: from Juju's parameters to calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from masakari_fencing.pacemaker.tools import PacemakerError

from planned.draining import Drain
from planned.drill_actions import drill, show_drill
from planned.restoring import Restoring
from preflight import actions as preflight
from segments import access
from segments.lookup import ActionError
from segments.results import Results

if TYPE_CHECKING:
    from reconcile import Workload
    from state import State

Action = Callable[["State", "Workload", Mapping[str, Any]], Results]


def drain_host(state: State, workload: Workload, params: Mapping[str, Any]) -> Results:
    """Empty a host, or only say what would be moved.

    Raises:
        ActionError: something is left there, or it cannot be done.
        ApiError: an API does not answer.
    """
    return _move(Drain(access.cloud(state, workload)), params)


def restore_placement(state: State, workload: Workload, params: Mapping[str, Any]) -> Results:
    """Move instances back to a host, or only say which.

    Raises:
        ActionError: some are left elsewhere, or it cannot be done.
        ApiError: an API does not answer.
    """
    return _move(Restoring(access.cloud(state, workload)), params)


def _move(mover: Drain | Restoring, params: Mapping[str, Any]) -> Results:
    if params["dry-run"]:
        return mover.plan(params["host"])
    return mover.run(params["host"], params["timeout"])


PLANNED_ACTIONS: Mapping[str, Action] = {
    "check": preflight.run,
    "plan_recovery": preflight.run,
    "drain_host": drain_host,
    "restore_placement": restore_placement,
    "drill": drill,
    "show_drill": show_drill,
}
"""What each action calls; its name has underscores here."""


def run(action: str, state: State, workload: Workload, params: Mapping[str, Any]) -> Results:
    """Run an action.

    Args:
        action: its name.
        state: what Juju knows.
        workload: of this unit.
        params: Juju's parameters.

    Raises:
        ActionError: it cannot be done.
        ApiError: an API does not do it.
        ValueError: a parameter is unusable.
    """
    try:
        return PLANNED_ACTIONS[action](state, workload, params)
    except PacemakerError as error:
        raise ActionError(f"Pacemaker does not answer: {error}") from error
