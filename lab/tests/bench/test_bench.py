"""The benchmark's figures and their table; what it measures is measured in the lab."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jujulab.bench import bench
from jujulab.bench import results as benchresults
from jujulab.bench.__main__ import arguments
from jujulab.bench.bench import Bench
from jujulab.bench.results import Results, ResultsError, Run, Spread
from jujulab.bench.scenarios import FLOOR, OURS, POWER_ONLY, SCENARIOS, UPSTREAM, Scenario
from jujulab.files import REPOSITORY
from jujulab.maas.power import BOOT_DELAY, Settings
from jujulab.trials.timeline import Recovery

FAULTS = {"power": Scenario("power cut"), "qemu": Scenario("QEMU killed")}
PHASES = {"detected": 4.5, "fenced": 5.0, "notified": 5.2, "evacuating": 6.0}


def run(scenario: str, mode: str, active: float | None, *problems: str) -> Run:
    seconds = dict(PHASES) if scenario == "power" else {}
    if active is not None:
        seconds |= {"active": active, "outage": active - 1}
    return Run(scenario, mode, 1.0, 0.5, seconds, list(problems))


@pytest.fixture
def results(tmp_path: Path) -> Results:
    found = Results(tmp_path / "bench.json")
    for active in (9.0, 8.0, 13.0):
        found.add(run("power", OURS, active))
    for active in (180.0, 171.0):
        found.add(run("power", UPSTREAM, active))
    found.add(run("qemu", OURS, 2.0))
    return found


def test_the_spread_is_the_median_and_the_ends(results: Results) -> None:
    assert results.spread("power", OURS, "active") == Spread(9.0, 8.0, 13.0)
    assert str(Spread(9.04, 8.0, 13.0)) == "9.0 (8.0-13.0)"
    assert results.spread("qemu", UPSTREAM, "active") is None


def test_the_ratio_is_of_the_medians(results: Results) -> None:
    ours = ("power", OURS)
    assert results.times("active", ("power", UPSTREAM), ours) == pytest.approx(175.5 / 9)
    assert results.times("active", ("qemu", UPSTREAM), ("qemu", OURS)) is None


def test_a_machine_with_two_roles_counts_for_both(results: Results) -> None:
    results.add(Run("dc", OURS, 1.0, 0.5, {"active": 12.0}, roles=["dc", "vip"]))
    assert len(results.of("dc", OURS)) == len(results.of("vip", OURS)) == 1
    assert results.of("leader", OURS) == []


def test_a_run_without_an_end_leaves_the_others(results: Results) -> None:
    results.add(run("power", OURS, None, "not recovered within 240 s"))
    assert results.spread("power", OURS, "active") == Spread(9.0, 8.0, 13.0)
    assert len(results.of("power", OURS)) == 4


def test_the_file_is_gone_on_with(results: Results, tmp_path: Path) -> None:
    again = Results(tmp_path / "bench.json")
    assert again.runs == results.runs
    again.add(run("qemu", OURS, 2.2))
    assert len(Results(tmp_path / "bench.json").of("qemu", OURS)) == 2


@pytest.mark.parametrize("text", ["", "[]", '{"runs": [{"scenario": "power"}]}'])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ResultsError, match=r"other\.json"):
        Results(path)


@pytest.mark.parametrize(
    ("mode", "problem", "counts"),
    [
        (OURS, "not recovered within 240 s", True),
        (OURS, "evacuation at 4 s, but the host was fenced at 5 s", True),
        (UPSTREAM, "not recovered within 420 s", False),
        (UPSTREAM, "demo-1 ran twice at once: life 1 still wrote", True),
    ],
)
def test_what_fails_the_benchmark(results: Results, mode: str, problem: str, counts: bool) -> None:
    results.add(run("power", mode, None, problem))
    assert results.problems() == ([f"power, {mode}: {problem}"] if counts else [])


def test_the_table(results: Results) -> None:
    header, line, *rows = benchresults.table(results, FAULTS).splitlines()
    assert header.split("|")[1:4] == [" fault       ", " configuration   ", " runs "]
    assert set(line) == {"|", "-"}
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert cells[0][:4] == ["power cut", "ours", "3", "4.5 (4.5-4.5)"]
    assert cells[0][7:9] == ["9.0 (8.0-13.0)", "8.0 (7.0-12.0)"]
    assert cells[2][7] == "19.5 times"
    assert cells[3][:4] == ["QEMU killed", "ours", "1", "-"]
    assert len({len(row) for row in rows}) == 1


def test_figures_leave_out_what_was_not_seen() -> None:
    phases = {**PHASES, "fenced": None}
    recovery = Recovery(phases, {"a": 8.0, "b": 9.0}, {"a": 7.0, "b": 8.5})
    expected = {k: v for k, v in PHASES.items() if k != "fenced"}
    assert bench.figures(recovery) == {**expected, "active": 9.0, "outage": 8.5}


def test_upstreams_settings_are_options_of_the_charms() -> None:
    import yaml

    for application, options in bench.settings().items():
        text = (REPOSITORY / "charms" / application / "charmcraft.yaml").read_text()
        known = yaml.safe_load(text)["config"]["options"]
        kinds = {"int": int, "boolean": bool, "string": str}
        for name, value in options.items():
            assert type(value) is kinds[known[name]["type"]], name


class Recorder(Bench):
    """A benchmark that only writes down what it would measure."""

    def __init__(self, results: Results) -> None:
        self.log: list[str] = []
        self.roles: list[str] = []
        self._results = results
        run_dir = results._path.parent
        self._lab: Any = SimpleNamespace(run_dir=run_dir, storage="")
        self.delay = Settings(run_dir)
        self._deployment: Any = SimpleNamespace(deploy_consul=lambda: self.log.append("consul"))
        self.settled: list[int] = []
        self._settling: Any = SimpleNamespace(settle=lambda: self.settled.append(len(self.log)))
        console = SimpleNamespace(
            juju=lambda *words: self.log.append(" ".join(words)),
            wait_active=lambda *_a, **_k: None,
            step=self._step,
        )
        self._console: Any = console

    @contextmanager
    def _step(self, title: str) -> Iterator[None]:
        yield

    def _run(self, name: str, mode: str) -> None:
        assert self.delay.boot_delay == bench.BOOT_DELAY
        self.log.append(f"{name} {mode}")
        self._results.add(Run(name, mode, 0.0, 0.0, {}, [], self.roles))


def test_only_what_is_missing_is_measured(results: Results) -> None:
    recorder = Recorder(results)
    recorder.measure(["power", "qemu", "many"], [OURS], 3)
    assert recorder.log[-7:-2] == ["many ours", *["qemu ours", "many ours"] * 2]
    assert recorder.delay.boot_delay == BOOT_DELAY


def test_ours_and_the_floor_take_turns_and_upstreams_follow(results: Results) -> None:
    recorder = Recorder(results)
    recorder.measure(["qemu"], [OURS, FLOOR, UPSTREAM], 2)
    measured = [line for line in recorder.log if line.startswith("qemu")]
    assert measured == ["qemu floor", "qemu ours", "qemu floor", *["qemu upstream"] * 2]


def test_a_scenario_without_a_floor_of_its_own_is_held_against_another(results: Results) -> None:
    results.add(run("power", FLOOR, 6.0))
    results.add(run("dc", OURS, 12.0))
    floor = ("power", FLOOR)
    assert results.times("active", ("power", OURS), floor) == pytest.approx(1.5)
    assert results.times("active", ("dc", OURS), floor) == pytest.approx(2)
    faults = {"dc": Scenario("with Pacemaker's controller", floor="power")}
    *_, last = benchresults.table(results, faults).splitlines()
    assert [cell.strip() for cell in last.split("|")][2:8] == [
        "ours / floor", "", "", "", "", ""
    ]  # fmt: skip
    assert "2.0 times" in last


def test_a_worse_case_is_held_against_the_plain_one_and_against_power_alone(
    results: Results,
) -> None:
    results.add(run("slow", OURS, 13.5))
    results.add(run("slow", POWER_ONLY, 27.0))
    slow = Scenario("slow controller", plain="power")
    rows = benchresults.table(results, {"power": Scenario("power cut"), "slow": slow}).splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [row[1:3] for row in cells if row[0] == "slow controller"] == [
        ["ours", "1"], ["power only", "1"], ["power only / ours", ""], ["ours / power cut", ""]
    ]  # fmt: skip
    assert [row[7] for row in cells[-2:]] == ["2.0 times", "1.5 times"]


def test_what_needs_ceph_is_measured_where_it_is(results: Results) -> None:
    recorder = Recorder(results)
    recorder.measure(["unpowered", "slow"], [OURS, POWER_ONLY], 1)
    assert recorder.log == []
    recorder._lab.storage = "ceph"
    recorder.measure(["unpowered", "slow"], [OURS, POWER_ONLY], 1)
    log = [line for line in recorder.log if "storage-fencing" in line or "config" not in line]
    assert log == [
        "config masakari storage-fencing=parallel", "unpowered ours", "slow ours",
        "config masakari storage-fencing=off", "slow power only",
        "config masakari storage-fencing=parallel",
    ]  # fmt: skip


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_scenario_has_a_floor_that_is_measured(name: str) -> None:
    assert FLOOR in SCENARIOS[SCENARIOS[name].floor or name].modes


def test_the_lab_is_left_as_it_was(results: Results) -> None:
    recorder = Recorder(results)
    recorder.measure(["qemu"], [OURS], 3)
    assert any(line.startswith("config masakari fencing-limit-window=") for line in recorder.log)
    assert recorder.log[-2:] == [
        "model-config --reset update-status-hook-interval",
        "config masakari --reset fencing-limit-window",
    ]


def test_a_configuration_waits_for_the_hypervisor_that_the_last_run_left_off(
    results: Results,
) -> None:
    recorder = Recorder(results)
    recorder.measure(["power"], [OURS, UPSTREAM], 4)
    first = next(n for n, line in enumerate(recorder.log) if line.endswith("upstream"))
    between = recorder.log.index("power ours") + 1
    assert any(between <= moment < first for moment in recorder.settled)


def test_a_run_that_counted_for_another_role_is_not_repeated(results: Results) -> None:
    recorder = Recorder(results)
    recorder.roles = ["dc", "vip"]
    recorder.measure(["dc", "vip"], [OURS], 3)
    assert "vip ours" not in recorder.log


def test_upstreams_configuration_is_taken_back(results: Results) -> None:
    recorder = Recorder(results)
    recorder.measure(["power", "many"], [UPSTREAM], 3)
    measured = recorder.log.index("power upstream")
    assert recorder.log.count("many upstream") == 0, "it is not compared"
    before, after = recorder.log[:measured], recorder.log[measured + 1 :]
    assert any("recovery-workflow=stock" in line for line in before)
    assert any("allow-recovery-without-fencing=true" in line for line in before)
    assert any(line.startswith("config masakari --reset recovery-workflow,") for line in after)
    assert "config masakari-monitors --reset monitoring-interval,monitoring-samples" in after


def test_consul_comes_last_and_leaves_upstreams_settings_as_they_are(results: Results) -> None:
    recorder = Recorder(results)
    recorder.measure(["storage", "many"], [OURS, UPSTREAM], 1)
    measured = [line for line in recorder.log if line.endswith((" ours", " upstream"))]
    assert measured == ["many ours", "storage ours", "storage upstream"]
    last = max(n for n, line in enumerate(recorder.log) if line == "storage upstream")
    before = recorder.log[:last]
    assert "many ours" in before[: before.index("consul")]
    settings = next(n for n, line in enumerate(before) if "recovery-workflow=stock" in line)
    assert settings > max(n for n, line in enumerate(before) if line == "consul")


def test_nothing_is_configured_where_nothing_is_missing(results: Results) -> None:
    recorder = Recorder(results)
    recorder.measure(["power"], [OURS, UPSTREAM], 2)
    assert recorder.log == []


def test_the_command_line() -> None:
    assert arguments([]).only == list(SCENARIOS)
    chosen = arguments(["--runs", "3", "--only", "qemu", "--mode", "ours"])
    assert (chosen.runs, chosen.only, chosen.mode) == (3, ["qemu"], ["ours"])
