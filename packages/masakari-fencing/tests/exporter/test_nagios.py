"""What the check of Nagios says of what the exporter really shows."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from masakari_fencing.exporter import nagios, server
from masakari_fencing.exporter.exposition import Metric, render
from masakari_fencing.exporter.nagios import CRITICAL, OK, RULES, WARNING

SOURCE = Path(nagios.__file__).parents[2]
WELL = [
    Metric("masakari_cluster_up", "gauge", "").add(1),
    Metric("masakari_cluster_quorum", "gauge", "").add(1),
    Metric("masakari_cluster_stonith_enabled", "gauge", "").add(1),
    Metric("masakari_hypervisor_unclean", "gauge", "").add(0, host="a"),
    Metric("masakari_power_controller_answers", "gauge", "").add(1, host="a"),
    Metric("masakari_segment_survives", "gauge", "").add(1, segment="rack1"),
    Metric("masakari_segment_survives_wanted", "gauge", "").add(1, segment="rack1"),
    Metric("masakari_check_problems", "gauge", "").add(0),
]


def judged(*more: Metric) -> tuple[int, str]:
    return nagios.judge(nagios.read(render([*WELL, *more])))


def metric(name: str, value: float, **labels: str) -> Metric:
    return Metric(f"masakari_{name}", "gauge", "").add(value, **labels)


def test_all_is_well() -> None:
    assert judged() == (OK, "hypervisors can be fenced and recovered")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.metric)
def test_each_rule(rule: nagios.Rule) -> None:
    labels = {"host": 'a"b'} if "{host}" in rule.text else {}
    if rule.only:
        labels["reason"] = rule.only[0]
    good, bad = (1, 0) if rule.bad(0) else (0, 1)
    assert judged(metric(rule.metric, good, **labels))[0] == OK
    level, text = judged(metric(rule.metric, bad, **labels))
    assert level == rule.level
    assert text.split(" ")[0] in rule.text or "a" in text


def test_the_worst_comes_first_and_each_once() -> None:
    level, text = judged(
        metric("host_out_of_service", 1, host="a", reason="maintenance"),
        metric("host_out_of_service", 1, host="a", reason="forced_down"),
        metric("recovery_failed", 3, host="b"),
    )
    assert level == CRITICAL
    assert text == "b is not recovered (show-recovery); a is out of service (return-host)"


def test_a_segment_without_room() -> None:
    level, text = judged(metric("segment_survives", 0, segment="rack2"))
    assert (level, text) == (OK, "hypervisors can be fenced and recovered"), "none is wanted"
    more = metric("segment_survives_wanted", 1, segment="rack2")
    level, text = judged(metric("segment_survives", 0, segment="rack2"), more)
    assert (level, text) == (WARNING, "rack2 has no room for the next failure (run check)")


def test_what_fails_while_disarmed_is_as_the_operator_wants_it() -> None:
    failed = (metric("hypervisor_unclean", 1, host="b"), metric("host_left", 1, host="b"))
    disarmed = metric("disarmed_until_timestamp_seconds", 9, segment="")
    assert judged(*failed, disarmed)[0] == WARNING
    level, text = judged(*failed)
    assert (level, text) == (CRITICAL, "b failed while disarmed (recover-host)")


def test_as_nrpe_runs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listening = server.make(lambda: [*WELL, metric("cluster_quorum", 0)], 0)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    url = f"http://127.0.0.1:{listening.server_address[1]}/metrics"
    assert nagios.main(url) == CRITICAL
    assert (
        capsys.readouterr().out == "MASAKARI CRITICAL - no quorum (bring the other units back)\n"
    )
    listening.shutdown()
    listening.server_close()
    assert nagios.main(url) == CRITICAL
    assert "no metrics (systemctl status masakari-fencing-exporter)" in capsys.readouterr().out


def test_it_needs_nothing_but_the_systems_python() -> None:
    argv = [sys.executable, "-I", "-c", "import sys; sys.path.insert(0, sys.argv[1]);"]
    argv[-1] += " import masakari_fencing.exporter.nagios"
    environment = {"PATH": os.environ["PATH"]}
    subprocess.run([*argv, str(SOURCE)], env=environment, check=True, timeout=60)
