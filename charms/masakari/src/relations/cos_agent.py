"""`cos-agent`: what a collector on the same machine scrapes, alerts on and draws.

The protocol is that of the library cos_agent v0 of grafana-agent, which opentelemetry-collector
uses as well: one JSON document in the unit's databag, under the key `config`. Its alert rules are
those of Prometheus as an object, its dashboards JSON texts, compressed by LZMA and in base64. Of
all units of the application the collector takes rules and dashboards from one, and scrape jobs
from each, to which it adds labels of model, application and unit.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

KEYS = ("config",)

PORT = 15878
"""Where `masakari_fencing.exporter` answers."""

TOPOLOGY = "%%juju_topology%%"
"""Stands in the rules' expressions for what selects the series of this application."""

_SOURCE = Path(__file__).resolve().parents[1]
_TAG = "charm: masakari"


@dataclasses.dataclass(frozen=True)
class Topology:
    """Which application of which model this is.

    Attributes:
        model: the model's name.
        model_uuid: its identifier.
        application: the application's name.
        charm: the charm's name.
    """

    model: str
    model_uuid: str
    application: str
    charm: str = "masakari"

    @property
    def labels(self) -> dict[str, str]:
        """The labels that the collector gives to each series of it."""
        return {
            "juju_model": self.model,
            "juju_model_uuid": self.model_uuid,
            "juju_application": self.application,
        }


def publish(topology: Topology) -> dict[str, str]:
    """What a unit publishes.

    Args:
        topology: the application.
    """
    job = {
        "job_name": f"{topology.application}_recoveries",
        "metrics_path": "/metrics",
        "static_configs": [{"targets": [f"localhost:{PORT}"]}],
    }
    config = {
        "metrics_alert_rules": alert_rules(topology),
        "log_alert_rules": {},
        "dashboards": [dashboard(path) for path in _files("grafana_dashboards", "json")],
        "metrics_scrape_jobs": [job],
        "log_slots": [],
    }
    return {"config": json.dumps(config, sort_keys=True)}


def alert_rules(topology: Topology) -> dict[str, Any]:
    """The rules, as Prometheus reads them, for one application's series."""
    # Not at the top of the module: most units are scraped by nobody.
    import yaml

    selector = ", ".join(f'{name}="{value}"' for name, value in topology.labels.items())
    prefix = f"{topology.model}_{topology.model_uuid[:8]}_{topology.application}"
    labels = {**topology.labels, "juju_charm": topology.charm}
    groups = []
    for path in _files("prometheus_alert_rules", "yaml"):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            rules = [
                {
                    **rule,
                    "expr": rule["expr"].replace(TOPOLOGY, selector),
                    "labels": {**rule["labels"], **labels},
                }
                for rule in group["rules"]
            ]
            groups.append({"name": f"{prefix}_{group['name']}", "rules": rules})
    return {"groups": groups}


def dashboard(path: Path) -> str:
    """A dashboard as it stands in the databag."""
    import base64
    import lzma

    content = json.loads(path.read_text(encoding="utf-8"))
    content["tags"] = sorted({*content.get("tags", ()), _TAG})
    text = json.dumps(content, sort_keys=True)
    return base64.b64encode(lzma.compress(text.encode())).decode()


def _files(folder: str, suffix: str) -> list[Path]:
    return sorted((_SOURCE / folder).glob(f"*.{suffix}"))
