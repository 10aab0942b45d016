"""What a collector beside the unit is told."""

from __future__ import annotations

import json
from typing import Any

import ops
from ops import testing

from machine import Machine
from model import complete
from relations import cos_agent


def agent(bag: dict[str, str] | None = None) -> testing.SubordinateRelation:
    return testing.SubordinateRelation(
        "cos-agent", remote_app_name="opentelemetry-collector", local_unit_data=bag or {}
    )


def told(state: testing.State) -> dict[str, Any]:
    (relation,) = state.get_relations("cos-agent")
    found: dict[str, Any] = json.loads(relation.local_unit_data["config"])
    return found


def test_every_unit_tells_where_it_is_scraped(ctx: testing.Context, machine: Machine) -> None:
    for leader in (True, False):
        state = complete(agent(), leader=leader)
        found = told(ctx.run(ctx.on.config_changed(), state))
        (job,) = found["metrics_scrape_jobs"]
        assert job["static_configs"] == [{"targets": ["localhost:15878"]}]
        assert found["metrics_alert_rules"]["groups"] and found["dashboards"]


def test_the_rules_see_this_application_alone(ctx: testing.Context, machine: Machine) -> None:
    model = testing.Model(name="cloud", uuid="6f1b2f0e-1d6a-4f0e-8a55-0f4b7a1f2c3d")
    state = ctx.run(ctx.on.config_changed(), complete(agent(), model=model))
    groups = told(state)["metrics_alert_rules"]["groups"]
    assert len({group["name"] for group in groups}) == len(groups)
    for group in groups:
        assert group["name"].startswith("cloud_6f1b2f0e_masakari_")
        for rule in group["rules"]:
            assert cos_agent.TOPOLOGY not in rule["expr"]
            assert f'juju_model_uuid="{model.uuid}"' in rule["expr"]
            assert rule["labels"]["juju_application"] == "masakari"


def test_nothing_is_written_twice(ctx: testing.Context, machine: Machine) -> None:
    first = ctx.run(ctx.on.config_changed(), complete(agent()))
    again = ctx.run(ctx.on.update_status(), first)
    assert told(first) == told(again)


def test_a_collector_that_goes(ctx: testing.Context, machine: Machine) -> None:
    relation = agent()
    state = complete(relation)
    ctx.run(ctx.on.relation_broken(relation), state)


def test_status_is_not_touched(ctx: testing.Context, machine: Machine) -> None:
    out = ctx.run(ctx.on.config_changed(), complete(agent()))
    assert out.unit_status == ops.ActiveStatus("Unit is ready")
