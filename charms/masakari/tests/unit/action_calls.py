"""Actions, run as Juju runs them."""

from __future__ import annotations

from typing import Any

import pytest
from ops import testing

import model
from workload import cluster

ACTIONS = model.CHARMCRAFT["actions"]
OURS = ("masakari-api", "masakari-engine", "masakari-fencing-notifier")
STRANGER = cluster.Cluster.stranger


def run(
    ctx: testing.Context, state: testing.State, action: str, /, **params: Any
) -> dict[str, Any]:
    declared = ACTIONS[action].get("params", {})
    given = {name: param["default"] for name, param in declared.items() if "default" in param}
    given |= {name.replace("_", "-"): value for name, value in params.items()}
    ctx.run(ctx.on.action(action, params=given), state)
    assert ctx.action_results is not None
    return ctx.action_results


def fail(ctx: testing.Context, state: testing.State, action: str, /, **params: Any) -> str:
    with pytest.raises(testing.ActionFailed) as caught:
        run(ctx, state, action, **params)
    return caught.value.message
