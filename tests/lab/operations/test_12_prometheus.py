"""A real Prometheus reads what the exporter shows, and its rules say what happens.

Only when it is asked for, by LAB_PROMETHEUS in the environment: it is Debian's package, which is
downloaded, and unpacked beside the lab's other downloads. On the machine of masakari's leader it
stands for the collector, which reads the same address and gives the series the same labels.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from jujulab.cloud.guests import Guests
from jujulab.files import REPOSITORY
from jujulab.machines.lab import Machine
from jujulab.trials.deployment import Deployment
from jujulab.trials.experiment import Experiment
from operating import Operator, wait_until

pytestmark = pytest.mark.skipif(
    not os.environ.get("LAB_PROMETHEUS"), reason="LAB_PROMETHEUS=1 has Debian's downloaded"
)

RULES = REPOSITORY / "charms/masakari/src/prometheus_alert_rules/masakari.yaml"
SCRAPES = 2
"""Seconds between two scrapes, and between two evaluations of the rules."""
LABELS = {"juju_model": "lab", "juju_model_uuid": "lab", "juju_application": "masakari"}
SOON = 120.0
HOME = "/var/lib/juju/prometheus"


def program(cache: Path) -> Path:
    """Debian's program; downloaded once."""
    found = cache / "prometheus" / "usr" / "bin" / "prometheus"
    if not found.exists():
        downloads = cache / "prometheus-package"
        downloads.mkdir(parents=True, exist_ok=True)
        command = ["apt-get", "-o", "APT::Sandbox::User=root", "download", "prometheus"]
        subprocess.run(command, cwd=downloads, check=True, timeout=300, capture_output=True)
        [package] = downloads.glob("prometheus_*.deb")
        unpack = ["dpkg", "-x", str(package), str(cache / "prometheus")]
        subprocess.run(unpack, check=True, timeout=120, capture_output=True)
    return found


class Prometheus:
    """Runs on a machine of the lab, and is asked there."""

    def __init__(self, machine: Machine, binary: Path, unit: str) -> None:
        self._machine = machine
        home = machine.juju_dir / "prometheus"
        home.mkdir(exist_ok=True)
        shutil.copy(binary, home / "prometheus")
        selector = ", ".join(f'{name}="{value}"' for name, value in LABELS.items())
        text = RULES.read_text().replace("%%juju_topology%%", selector)
        (home / "rules.yaml").write_text(text)
        static = {"targets": ["localhost:15878"], "labels": {**LABELS, "juju_unit": unit}}
        config = {
            "global": {"scrape_interval": f"{SCRAPES}s", "evaluation_interval": f"{SCRAPES}s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{"job_name": "masakari", "static_configs": [static]}],
        }
        (home / "prometheus.yml").write_text(yaml.safe_dump(config))
        machine.run(
            [
                *("systemd-run", "--quiet", "--collect", "--unit=lab-prometheus"),
                *(f"{HOME}/prometheus", f"--config.file={HOME}/prometheus.yml"),
                *(f"--storage.tsdb.path={HOME}/data", "--web.listen-address=127.0.0.1:9090"),
            ]
        )

    def ask(self, path: str) -> Any:
        """What its API answers; nothing while it does not."""
        url = f"http://127.0.0.1:9090/api/v1/{path}"
        done = self._machine.run(["curl", "-sf", "--max-time", "5", url], check=False)
        return json.loads(done.stdout)["data"] if done.returncode == 0 else {}

    def values(self, expression: str) -> dict[str, float]:
        """The present values of an expression, by host, segment or alert."""
        found = self.ask(f"query?query={quote(expression)}").get("result", [])
        names = ("host", "segment", "alertname")
        return {
            next((one["metric"][n] for n in names if n in one["metric"]), ""): float(
                one["value"][1]
            )
            for one in found
        }

    def end(self) -> None:
        self._machine.run(["systemctl", "stop", "lab-prometheus"], check=False)
        shutil.rmtree(self._machine.juju_dir / "prometheus")


@pytest.fixture
def prometheus(operator: Operator, on_duty: Deployment) -> Iterator[Prometheus]:
    unit = operator.leader("masakari")
    machine = operator.machines("masakari")[unit]
    running = Prometheus(machine, program(on_duty.lab.cache), unit)
    yield running
    running.end()


def test_what_happens_is_seen_and_alerted(
    operator: Operator, prometheus: Prometheus, on_duty: Deployment
) -> None:
    wait_until("the exporter is scraped", lambda: prometheus.values("up") == {"": 1.0}, SOON)
    groups = prometheus.ask("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    wait_until("all rules are evaluated", lambda: evaluated(prometheus, len(rules)), SOON)
    hosts = {machine.fqdn for machine in on_duty.hypervisors()}
    assert set(prometheus.values("masakari_hypervisor_connected == 1")) == hosts
    firing = prometheus.values('ALERTS{alertstate="firing"}')
    assert firing == {}, "nothing is alerted of a lab that is whole"

    leader = operator.machines("masakari")[operator.leader("masakari")].id
    host = next(m.fqdn for m in on_duty.hypervisors() if leader not in m.children)
    on_duty.boot_guests(2, host)
    assert Experiment(on_duty).lose_hypervisor(host) == []
    seen = "masakari_host_out_of_service"
    took = wait_until(seen, lambda: host in prometheus.values(seen), SOON)
    print(f"a host out of service is seen {took:.0f} s after its recovery")
    # It fires an hour later.
    alert = 'ALERTS{alertname="MasakariHostOutOfService",alertstate="pending"}'
    wait_until(alert, lambda: host in prometheus.values(alert), SOON)
    assert prometheus.values(f'masakari_fencings{{host="{host}",status="success"}}')[host] >= 1
    Guests(on_duty.lab, on_duty.cloud).delete("demo-")
    on_duty.restore()
    wait_until("back", lambda: prometheus.values(seen) == {}, SOON)


def evaluated(prometheus: Prometheus, number: int) -> bool:
    """Whether Prometheus has evaluated so many rules, each without an error."""
    groups = prometheus.ask("rules").get("groups", [])
    rules = [rule for group in groups for rule in group["rules"]]
    return len(rules) == number > 0 and all(rule["health"] == "ok" for rule in rules)
