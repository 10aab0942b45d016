"""What masakari tells a collector, read as the collector, Prometheus and Grafana read it."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pydantic
import pytest
import yaml
from alert_cases import CASES, FIRST, SECOND, Case
from charm_sources import REPOSITORY, charmcraft, load, source
from cosl import JujuTopology, LZMABase64
from cosl.rules import AlertRules

FENCING = REPOSITORY / "packages" / "masakari-fencing" / "src"
sys.path[:0] = [str(path) for path in sorted((REPOSITORY / "packages").glob("*/src"))]

from masakari_fencing.exporter import server  # noqa: E402

cos_agent = load("relations.cos_agent", source("masakari"))
MODEL = FIRST["juju_model_uuid"]
TOPOLOGY = cos_agent.Topology("cloud", MODEL, "masakari")
RULES = cos_agent.alert_rules(TOPOLOGY)
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="no promtool: Debian's prometheus")


class ProviderUnitData(pydantic.BaseModel):
    """The fields that the library cos_agent v0 reads from the key `config`, with their types."""

    metrics_alert_rules: dict[str, Any]
    log_alert_rules: dict[str, Any]
    dashboards: list[str]
    subordinate: bool | None = None
    metrics_scrape_jobs: list[dict[str, Any]]
    log_slots: list[str]
    tracing_protocols: list[str] | None = None


@pytest.fixture(scope="module")
def told() -> ProviderUnitData:
    bag = cos_agent.publish(TOPOLOGY)
    assert set(bag) == {"config"}
    return ProviderUnitData.model_validate(json.loads(bag["config"]), strict=True)


def boards(told: ProviderUnitData) -> list[dict[str, Any]]:
    return [json.loads(LZMABase64.decompress(text)) for text in told.dashboards]


def test_the_endpoint_is_one_of_a_subordinate() -> None:
    endpoint = charmcraft("masakari")["provides"]["cos-agent"]
    assert (endpoint["interface"], endpoint["scope"], endpoint["limit"]) == (
        "cos_agent",
        "container",
        1,
    )


def test_what_is_scraped_is_where_the_exporter_answers(told: ProviderUnitData) -> None:
    (job,) = told.metrics_scrape_jobs
    assert job["static_configs"] == [{"targets": [f"localhost:{server.PORT}"]}]
    assert job["metrics_path"] == "/metrics"


def test_the_rules_are_what_the_collectors_own_library_makes_of_them(
    told: ProviderUnitData, tmp_path: Path
) -> None:
    """It adds the labels again where they lack, and keeps all that is there."""
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(told.metrics_alert_rules))
    topology = JujuTopology(
        model="cloud", model_uuid=MODEL, application="masakari", charm_name="masakari"
    )
    theirs = AlertRules(query_type="promql", topology=topology)
    theirs.add_path(str(tmp_path))
    made = {rule["alert"]: rule for group in theirs.as_dict()["groups"] for rule in group["rules"]}
    ours = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
    assert set(made) == set(ours)
    for name, rule in made.items():
        assert rule["labels"] == ours[name]["labels"]
        assert rule["expr"] == ours[name]["expr"]


def test_every_alert_says_what_is_so_and_what_to_do() -> None:
    for group in RULES["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("critical", "warning", "info")
            assert len(rule["annotations"]["summary"].split()) >= 4, rule["alert"]
            assert len(rule["annotations"]["description"].split()) >= 5, rule["alert"]


def test_actions_that_a_cure_names_exist() -> None:
    text = (source("masakari") / "prometheus_alert_rules" / "masakari.yaml").read_text()
    actions = charmcraft("masakari")["actions"]
    named = set(re.findall(r"\b[a-z]+(?:-[a-z]+)+(?= host=)", text))
    named |= {name for name in actions if "-" in name and name in text}
    assert {"return-host", "recover-host", "confirm-host-dead"} <= named <= set(actions)


def test_metrics_that_are_asked_for_exist(told: ProviderUnitData) -> None:
    """A rule about a metric that nobody shows never fires, and looks as if all were well."""
    texts = [path.read_text() for path in (FENCING / "masakari_fencing/exporter").glob("*.py")]
    shown = set(re.findall(r'"(masakari_[a-z_]+)"', "".join(texts)))
    rules = [rule["expr"] for group in RULES["groups"] for rule in group["rules"]]
    asked = set(re.findall(r"\bmasakari_[a-z_]+", " ".join([*rules, json.dumps(boards(told))])))
    assert {re.sub(r"_(sum|count|bucket)$", "", name) for name in asked} <= shown


def test_the_dashboard_is_whole(told: ProviderUnitData) -> None:
    (board,) = boards(told)
    assert board["schemaVersion"] >= 36 and board["title"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", board["uid"])
    assert "charm: masakari" in board["tags"]
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    (variable,) = board["templating"]["list"]
    for panel in panels:
        assert panel["datasource"]["uid"] == f"${{{variable['name']}}}"
        place = panel["gridPos"]
        assert place["x"] >= 0 and place["x"] + place["w"] <= 24
    for one, other in itertools.combinations([panel["gridPos"] for panel in panels], 2):
        apart = (
            one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"],
            one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"],
        )
        assert any(apart), (one, other)


def promtool(*arguments: str) -> None:
    assert PROMTOOL is not None
    result = subprocess.run(
        [PROMTOOL, *arguments], capture_output=True, text=True, check=False, timeout=50
    )
    assert result.returncode == 0, result.stdout + result.stderr


@needs_promtool
def test_prometheus_reads_the_rules_and_the_dashboards_queries(
    told: ProviderUnitData, tmp_path: Path
) -> None:
    expressions = [
        target["expr"].replace("$__rate_interval", "1m")
        for panel in boards(told)[0]["panels"]
        for target in panel["targets"]
    ]
    drawn = [{"record": f"drawn:{n}", "expr": text} for n, text in enumerate(expressions)]
    groups = [*RULES["groups"], {"name": "drawn", "rules": drawn}]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": groups}))
    promtool("check", "rules", str(path))


def test_every_alert_has_cases_that_fire_and_that_do_not() -> None:
    alerts = {rule["alert"] for group in RULES["groups"] for rule in group["rules"]}
    assert {case.alert for case in CASES if case.fires} == alerts
    assert {case.alert for case in CASES if not case.fires} == alerts


def _group(case: Case) -> dict[str, Any]:
    """One case in promtool's form; the other cloud's series must never make anything fire."""
    (rule,) = (r for group in RULES["groups"] for r in group["rules"] if r["alert"] == case.alert)
    expected = [{"exp_labels": {**rule["labels"], **own}} for own in case.fires]
    series = [
        {"series": f"{name}{{{_labels(labels)}}}", "values": v} for name, labels, v in case.series
    ]
    return {
        "interval": "1m",
        "name": f"{case.alert}: {case.text}",
        "input_series": series,
        "alert_rule_test": [
            {"eval_time": case.after, "alertname": case.alert, "exp_alerts": expected}
        ],
    }


def _labels(labels: dict[str, str]) -> str:
    return ", ".join(f'{name}="{value}"' for name, value in labels.items())


@needs_promtool
def test_what_fires_and_what_does_not(tmp_path: Path) -> None:
    """The texts are left out: promtool compares them only where a case gives them."""
    groups = json.loads(json.dumps(RULES["groups"]))
    for group in groups:
        for rule in group["rules"]:
            del rule["annotations"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    tests = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m"}
    tests["tests"] = [_group(case) for case in CASES]
    path = tmp_path / "tests.yaml"
    path.write_text(yaml.safe_dump(tests))
    assert SECOND["juju_model_uuid"] in path.read_text()
    promtool("test", "rules", str(path))
