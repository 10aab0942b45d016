"""What the exporter shows of a cluster, of files, and of what is not there."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fencing_cib import Cib
from fencing_fakes import CONFIGURATION, FakeRunner, fixture
from masakari_fencing import files
from masakari_fencing.exporter import cluster_metrics, collector, exposition, server
from masakari_fencing.exporter.collector import Collector
from masakari_fencing.exporter.exposition import render
from masakari_fencing.pacemaker import properties
from masakari_fencing.records import (
    disarmed,
    foresight,
    out_of_service,
    refusals,
    stopped_fencing,
    tally,
)
from masakari_fencing.records.foresight import Foresight, Room
from masakari_fencing.records.recoveries import Records
from masakari_fencing.records.recovery import FAILED, RECOVERED, End, Proof, Record
from masakari_fencing.records.stopped_fencing import StoppedFencing
from prometheus_client.parser import text_string_to_metric_families

NOW = 1_764_000_000.0
RECORD = Record("rem1", "uuid-1", "ha1.boot.1.2", proof=Proof(NOW - 20, "it is"))
QUIET = {
    "masakari_cluster_up",
    "masakari_cluster_last_look_timestamp_seconds",
    "masakari_recoveries",
    "masakari_recovery_phase_seconds",
    "masakari_fencing_stopped",
}
"""What is shown where nothing is known."""


def runner(crm_mon: str | int = "", cib: Cib | None = None) -> FakeRunner:
    found = FakeRunner().on("crm_mon", crm_mon or fixture("outage.crm_mon.xml"))
    source = cib or Cib()
    return found.on(CONFIGURATION, lambda argv: source.run(argv).stdout)


def shown(run: FakeRunner, root: Path) -> dict[tuple[str, ...], float]:
    """Every series: its name, and the values of its labels."""
    text = render(Collector(run, root, clock=lambda: NOW).collect())
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def kept(root: Path, path: Path) -> Path:
    found = root / path.relative_to("/")
    found.parent.mkdir(parents=True, exist_ok=True)
    return found


def test_a_cluster_that_cannot_fence(tmp_path: Path) -> None:
    found = shown(runner(), tmp_path)
    assert found[("masakari_cluster_up",)] == 1
    assert found[("masakari_cluster_quorum",)] == 1
    assert found[("masakari_cluster_members", "online")] == 2
    assert found[("masakari_cluster_members", "offline")] == 0
    assert found[("masakari_hypervisor_unclean", "rem1")] == 1
    assert found[("masakari_hypervisor_unclean", "rem2")] == 0
    assert found[("masakari_hypervisor_connected", "rem1")] == 0
    assert found[("masakari_hypervisor_connected", "rem2")] == 1
    assert found[("masakari_fencings", "rem1", "failed")] == 4
    assert found[("masakari_fencings", "rem1", "success")] == 1
    assert found[("masakari_last_fenced_timestamp_seconds", "rem1")] == 1795233223
    assert found[("masakari_fencing_device_failed", "st-maas")] == 1


def test_what_the_clusters_configuration_says(tmp_path: Path) -> None:
    cib = Cib()
    store = Records(cib)
    store.create(RECORD)
    failed = replace(RECORD, host="rem2", held=True, attempts=3, end=End(FAILED, "no room", NOW))
    store.create(failed)
    store.create(replace(RECORD, host="rem3", end=End(RECOVERED, "all", NOW)))
    store.create(replace(failed, host="rem4", returned=True))
    disarmed.disarm(cib, disarmed.Disarmed("s1", "rack1", ("rem9",), NOW - 9, NOW + 60, "switch"))
    disarmed.disarm(cib, disarmed.Disarmed("s2", "rack2", ("rem8",), NOW - 99, NOW - 1, "over"))
    disarmed.leave(cib, disarmed.read(cib), disarmed.Left("rem9", NOW - 5))
    found = shown(runner(cib=cib), tmp_path)
    names = {key: value for key, value in found.items() if "recovery_" in key[0]}
    assert names[("masakari_recovery_running", "rem1")] == 1
    assert names[("masakari_recovery_failed", "rem2")] == 3
    assert not [key for key in names if key[-1] in ("rem3", "rem4")]
    assert found[("masakari_host_held", "rem2")] == 1
    assert found[("masakari_disarmed_until_timestamp_seconds", "rack1")] == NOW + 60
    assert ("masakari_disarmed_until_timestamp_seconds", "rack2") not in found
    assert found[("masakari_host_left", "rem9")] == 1
    assert found[("masakari_fencing_limit_lifted",)] == 0


def test_a_limit_that_is_lifted(tmp_path: Path) -> None:
    cib = Cib()
    pair = f'<nvpair id="x" name="{properties.ALLOW}" value="{NOW + 9:.0f}"/>'
    cib.add(f'<cluster_property_set id="x-set">{pair}</cluster_property_set>')
    assert shown(runner(cib=cib), tmp_path)[("masakari_fencing_limit_lifted",)] == 1


def test_what_stands_in_files(tmp_path: Path) -> None:
    tally.ended(kept(tmp_path, tally.FILE), replace(RECORD, end=End(RECOVERED, "", NOW)))
    directory = kept(tmp_path, refusals.DIRECTORY / "x").parent
    refusals.record(directory, "rem5", "not fenced")
    files.save(
        kept(tmp_path, collector.SPOOL / "7.json"),
        {"node": "rem6", "time": NOW, "reason": "no answer"},
        mode=0o640,
    )
    stopped = StoppedFencing("rem1", "3 of 4 are lost", NOW - 10)
    stopped_fencing.remember(stopped, kept(tmp_path, stopped_fencing.STATE))
    away = out_of_service.OutOfService(
        maintenance=("rem1",), forced_down=("rem2",), hosts=("rem1", "rem2", "rem3")
    )
    out_of_service.write(kept(tmp_path, out_of_service.RECORD), away, NOW - 15)
    foreseen = Foresight(
        checked=NOW - 100,
        problems=("no device",),
        surveyed=NOW - 200,
        rooms={"rack1": Room(0, 1)},
        controllers={"rem1": False, "rem2": True},
    )
    files.save(kept(tmp_path, foresight.FILE), foreseen.dump(), mode=0o644)
    found = shown(runner(), tmp_path)
    assert found[("masakari_recoveries_total", "recovered")] == 1
    assert found[("masakari_recoveries_total", "refused")] == 0, "so that an increase is seen"
    done = "masakari_recovery_phase_seconds"
    assert found[(f"{done}_sum", tally.DONE)] == 20
    assert found[(f"{done}_bucket", tally.DONE, "10")] == 0
    assert found[(f"{done}_bucket", tally.DONE, "20")] == 1
    assert ("masakari_recovery_refused_timestamp_seconds", "rem5") in found
    assert found[("masakari_fencings_undelivered", "rem6")] == 1
    assert found[("masakari_fencing_stopped",)] == 1
    assert found[("masakari_host_out_of_service", "rem1", "maintenance")] == 1
    assert found[("masakari_host_out_of_service", "rem2", "forced_down")] == 1
    assert found[("masakari_segment_hosts",)] == 3
    assert found[("masakari_check_timestamp_seconds",)] == NOW - 100
    assert found[("masakari_check_problems",)] == 1
    assert found[("masakari_segment_survives", "rack1")] == 0
    assert found[("masakari_segment_survives_wanted", "rack1")] == 1
    assert found[("masakari_power_controller_answers", "rem1")] == 0
    assert found[("masakari_power_controller_answers", "rem2")] == 1


def test_where_nothing_answers_and_nothing_is_there(tmp_path: Path) -> None:
    """Nothing is shown of before: it may be so no more, and an alert would not fire."""
    run = runner(crm_mon=102)
    files.replace(kept(tmp_path, foresight.FILE), '{"checked": 1}', mode=0o644)
    text = render(Collector(run, tmp_path, clock=lambda: NOW).collect())
    names = {family.name for family in text_string_to_metric_families(text)}
    assert names == QUIET
    assert "masakari_cluster_up 0\n" in text
    assert "masakari_cluster_last_look_timestamp_seconds 0\n" in text


def test_many_scrapes_are_one_look(tmp_path: Path) -> None:
    ticks = [0.0]
    run = runner()
    looks = cluster_metrics.Looks(run, tick=lambda: ticks[0], clock=lambda: NOW + ticks[0])
    found = Collector(run, tmp_path, looks)
    threads = [threading.Thread(target=found.collect) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ticks[0] = cluster_metrics.PERIOD - 0.1
    found.collect()
    assert [call[0] for call in run.calls] == ["crm_mon", "cibadmin"]
    ticks[0] = cluster_metrics.PERIOD
    found.collect()
    assert len(run.calls) == 4
    assert looks.succeeded == NOW + cluster_metrics.PERIOD


def test_a_cluster_that_hangs_is_not_asked_at_once_again(tmp_path: Path) -> None:
    ticks = [0.0]

    def hang(argv: list[str]) -> int:
        ticks[0] += cluster_metrics.PERIOD
        return 124

    run = FakeRunner().on("crm_mon", hang)
    found = Collector(run, tmp_path, cluster_metrics.Looks(run, tick=lambda: ticks[0]))
    found.collect()
    found.collect()
    assert len(run.calls) == 1


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[http.client.HTTPConnection]:
    found = server.make(Collector(runner(), tmp_path).collect, port=0)
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield http.client.HTTPConnection("127.0.0.1", found.server_port, timeout=30)
    found.shutdown()
    thread.join()
    found.server_close()


def test_over_http_on_this_machine_alone(connection: http.client.HTTPConnection) -> None:
    assert server.ADDRESS == "127.0.0.1"
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    assert answer.getheader("Content-Type") == exposition.CONTENT_TYPE
    assert "masakari_cluster_quorum 1\n" in answer.read().decode()
    connection.request("GET", "/")
    assert connection.getresponse().status == 404
