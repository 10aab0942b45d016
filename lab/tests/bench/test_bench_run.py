"""One run of the benchmark from its beginning to its end, with stand-ins for the lab."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jujulab.bench import bench, settling
from jujulab.bench.__main__ import report
from jujulab.bench.bench import Bench
from jujulab.bench.results import Results
from jujulab.bench.scenarios import FLOOR, OURS, POWER_ONLY, UPSTREAM
from jujulab.bench.settling import Settling
from jujulab.bench.victims import Victims
from jujulab.cloud.console import StepError
from jujulab.errors import LabError
from jujulab.maas.power import Settings
from jujulab.trials.experiment import Outcome
from jujulab.trials.timeline import Recovery

LOST = """<pacemaker-result><nodes>
  <node name="node1.maas" online="true" unclean="false"/>
  <node name="node4.maas" online="false" unclean="false"/>
</nodes></pacemaker-result>"""


BROKER = {"applications": {"rabbitmq-server": {"units": {"rabbitmq-server/0": {"machine": "5"}}}}}


class World:
    """A lab with one plain hypervisor, whose cluster is whole after a cleanup."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.slept: list[float] = []
        monkeypatch.setattr(bench.time, "sleep", self.slept.append)
        monkeypatch.setattr(settling, "SETTLED", 0.0)
        monkeypatch.setattr(settling.time, "sleep", self.slept.append)
        self.others = iter(lambda: 0.0, 1.0)
        monkeypatch.setattr(
            bench, "Disturbance", lambda *where: SimpleNamespace(seen=lambda: next(self.others))
        )
        self.log: list[str] = []
        self.problems = ["a problem"]
        self.statuses = ["finished"]
        self.unsettled = "node4.maas is not online"
        self.state = "S_IDLE"
        self.member: Any = SimpleNamespace(id="1/lxd/0", hostname="m1", run=self.run_on_member)
        self.host: Any = SimpleNamespace(
            id="4",
            hostname="node4",
            fqdn="node4.maas",
            children=[],
            state="off",
            power_on=self.power_on,
            power_off=lambda: None,
            run=lambda argv, **_options: SimpleNamespace(returncode=0),
        )
        self.results = Results(tmp_path / "bench.json")
        self.bench: Any = Bench.__new__(Bench)
        self.bench._results = self.results
        self.bench._console = SimpleNamespace(
            say=self.log.append,
            step=self.step,
            wait_idle=lambda what, timeout: None,
            status=lambda: BROKER,
        )

        self.bench._deployment = SimpleNamespace(
            lab=SimpleNamespace(storage="", run_dir=tmp_path, machine=self.machine),
            console=self.bench._console,
            cloud=SimpleNamespace(notifications=self.notifications),
            database=lambda: self.machine("0/lxd/3"),
            hypervisors=lambda: [self.host],
            power_on=self.power_on,
            restore=lambda: self.log.append("restore"),
            boot_guests=self.boot_guests,
        )
        self.bench._experiment = SimpleNamespace(
            measure=self.measure,
            measure_guest=self.measure_guest,
        )
        self.bench._cluster = SimpleNamespace(
            unsettled=lambda: self.unsettled,
            look=lambda: ElementTree.fromstring(LOST),  # noqa: S314 - above
            answering=lambda: self.member,
            watcher=lambda node: self.member,
            controller=lambda: self.member,
            address_holder=lambda: self.member,
            leader=lambda: self.member,
            members=[self.machine("1/lxd/0"), self.machine("2/lxd/0")],
        )
        parts = self.bench._deployment, self.bench._cluster
        self.bench._settling = Settling(*parts, self.bench._console)
        self.bench._victims = Victims(*parts, self.bench._settling)
        self.bench._lab = SimpleNamespace(
            cgroup_mounts={}, name="juju-lab", storage="", run_dir=tmp_path
        )
        self.bench._floor = SimpleNamespace(
            asleep=lambda host: self.step(f"asleep for {host}"),
            cut=lambda machine: self.log.append(f"cut {machine.hostname}"),
            start=lambda server: self.log.append(f"start {server}"),
        )

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self.log.append(title)
        yield

    def notifications(self) -> list[dict[str, str]]:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        self.log += [status] if status != "finished" else []
        return [{"status": status}]

    def machine(self, number: str) -> Any:
        def run(argv: list[str], **_options: Any) -> Any:
            self.log.append(f"{number}: {' '.join(argv)}")
            return SimpleNamespace(stdout="77\n", returncode=0)

        return SimpleNamespace(id=number, hostname=number, run=run)

    def power_on(self) -> None:
        self.host.state = "on"
        self.log.append("power on")

    def run_on_member(self, argv: list[str], **_options: float) -> Any:
        self.log.append(" ".join(argv))
        if "--cleanup" in argv:
            self.unsettled = ""
        return SimpleNamespace(stdout=f"Controller on m1 in state {self.state}: ok")

    def boot_guests(self, count: int, host: str) -> str:
        self.log.append(f"{count} guests on {host}")
        return host

    def measure_guest(self, then: Any = lambda server: None) -> Outcome:
        then("g1")
        return Outcome(Recovery({}, {"demo-1": 2.1}, {}), [])

    def measure(
        self,
        host: str,
        fault: Any,
        what: str,
        timeout: float = 240,
        *,
        powerless: bool = False,
        meanwhile: Any = None,
    ) -> Outcome:
        self.log.append(f"{what}, at most {timeout:g} s")
        if meanwhile:
            meanwhile()
        power = Settings(self.bench._lab.run_dir)
        self.controller = (power.answer_delay, set(power.mute), powerless)
        phases: dict[str, float | None] = {"detected": 4.5, "fenced": 5.0}
        return Outcome(Recovery(phases, {"demo-1": 9.0}, {"demo-1": 8.0}), self.problems)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_a_power_cut_is_measured_in_a_lab_at_rest(world: World) -> None:
    world.bench._run("power", OURS)
    assert world.log[1:] == [
        "Everything back, and at rest",
        "power on",
        "crm_resource --resource node4.maas --cleanup",
        "restore",
        "crmadmin --status m1",
        "3 guests on node4.maas",
        "power cut: node4, at most 240 s",
    ]
    (run,) = world.results.runs
    assert (run.scenario, run.mode, run.roles) == ("power", OURS, [])
    assert run.seconds == {"detected": 4.5, "fenced": 5.0, "active": 9.0, "outage": 8.0}
    assert run.problems == ["a problem"]


def test_a_fault_is_not_so_soon_after_another_that_its_report_is_a_duplicate(
    world: World,
) -> None:
    world.bench._run("power", OURS)
    assert bench.REST in world.slept
    world.bench._run("power", OURS)
    assert world.slept[-1] == pytest.approx(bench.APART, abs=5)


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        (
            "engines",
            [
                "1/lxd/0: pgrep --full -- masakari-engine", "1/lxd/0: kill -9 -- 77",
                "2/lxd/0: pgrep --full -- masakari-engine", "2/lxd/0: kill -9 -- 77",
            ],
        ),
        ("broker", ["5: systemctl restart rabbitmq-server"]),
        (
            "database",
            ["0/lxd/3: systemctl stop mariadb", "0/lxd/3: systemctl start mariadb"],
        ),
    ],
)  # fmt: skip
def test_what_all_recoveries_share_is_lost_in_the_middle_of_one(
    world: World, name: str, steps: list[str]
) -> None:
    world.bench._run(name, OURS)
    cut = world.log.index("power cut: node4, at most 240 s")
    assert world.log[cut + 1 :] == steps
    assert world.results.runs[0].scenario == name


def test_upstream_gets_more_time(world: World) -> None:
    world.bench._run("power", UPSTREAM)
    assert world.log[-1] == "power cut: node4, at most 420 s"


def test_only_a_power_cut_counts_for_the_roles_of_the_machine(world: World) -> None:
    world.host.children = ["1/lxd/0"]
    world.host.cut = lambda network, containers: None
    world.host.restore = lambda: None
    world.bench._run("storage", OURS)
    assert world.results.runs[0].roles == []
    world.bench._run("dc", OURS)
    assert world.results.runs[1].roles == ["connection", "dc", "vip", "leader"]


def test_a_killed_guest_is_measured(world: World) -> None:
    world.bench._run("qemu", OURS)
    assert world.results.runs[0].seconds == {"active": 2.1}


def test_a_host_is_switched_on_once_its_recovery_has_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "SETTLED", 5.0)
    monkeypatch.setattr("jujulab.waiting.time.sleep", world.slept.append)
    world.statuses = ["running", "new", "finished"]
    world.bench._run("power", OURS)
    assert world.log[1:5] == ["Everything back, and at rest", "running", "new", "power on"]


def test_a_cluster_that_is_busy_is_not_measured(world: World) -> None:
    world.state = "S_TRANSITION_ENGINE"
    with pytest.raises(StepError, match="come to rest"):
        world.bench._run("power", OURS)
    assert world.results.runs == []


def test_a_cluster_that_is_not_whole_is_not_measured(world: World) -> None:
    def away() -> Any:
        raise LabError("no member answers")

    world.bench._cluster.look = away
    with pytest.raises(StepError, match=r"node4\.maas is not online"):
        world.bench._run("power", OURS)


def test_the_floor_of_a_power_cut_is_done_by_hand_while_this_project_sleeps(
    world: World,
) -> None:
    world.bench._run("power", FLOOR)
    assert world.log[-2:] == [
        "asleep for node4.maas",
        "power cut: node4, recovered by hand, at most 240 s",
    ]
    world.bench._run("qemu", FLOOR)
    assert world.log[-2:] == ["asleep for node4.maas", "start g1"]
    assert [run.mode for run in world.results.runs] == [FLOOR, FLOOR]


def test_pacemaker_need_not_know_of_a_fence_by_hand(world: World) -> None:
    world.problems = ["demo-1 was evacuated, but node4 was fenced never", "demo-1 ran twice"]
    world.bench._run("power", FLOOR)
    world.bench._run("power", OURS)
    assert [run.problems for run in world.results.runs] == [world.problems[1:], world.problems]


def test_a_run_that_was_disturbed_is_done_again(world: World) -> None:
    world.others = iter([1.5, 0.2])
    world.bench._run("qemu", OURS)
    assert "disturbed: what is not the lab used 1.5 processors; it is done again" in world.log
    (run,) = world.results.runs
    assert run.problems == []


def test_one_that_is_disturbed_again_and_again_says_so(world: World) -> None:
    world.others = iter([1.5, 0.9, 0.8])
    world.bench._run("qemu", OURS)
    (run,) = world.results.runs
    assert run.problems == ["disturbed: what is not the lab used 0.8 processors, 3 times in a row"]


def test_the_report(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.bench._run("power", OURS)
    assert report(world.results) == ["power, ours: a problem"]
    assert "9.0 (9.0-9.0)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "mode", "during"),
    [
        ("slow", OURS, (bench.SLOW, set(), True)),
        ("slow", POWER_ONLY, (bench.SLOW, set(), False)),
        ("unpowered", OURS, (0, {"node4"}, True)),
    ],
)
def test_one_whose_controller_is_slow_or_mute_is_fenced_before_it_is_on(
    world: World, name: str, mode: str, during: tuple[float, set[str], bool]
) -> None:
    nodes = iter(["true", "false"])

    def look() -> Any:
        unclean = next(nodes)
        world.log.append(f"unclean={unclean}")
        text = f'<r><nodes><node name="node4.maas" unclean="{unclean}"/></nodes></r>'
        return ElementTree.fromstring(text)  # noqa: S314 - above

    world.bench._settling.settle()
    world.bench._cluster.look = look
    settling.SETTLED = 30
    world.bench._run(name, mode)
    assert world.controller == during
    assert world.log[-2:] == ["unclean=true", "unclean=false"]
    power = Settings(world.bench._lab.run_dir)
    assert (power.answer_delay, power.mute) == (0, frozenset())


def test_one_that_pacemaker_cannot_fence_ends_the_benchmark(world: World) -> None:
    world.bench._settling.settle()
    text = '<r><nodes><node name="node4.maas" unclean="true"/></nodes></r>'
    world.bench._cluster.look = lambda: ElementTree.fromstring(text)  # noqa: S314 - above
    with pytest.raises(StepError, match=r"does not fence node4\.maas"):
        world.bench._run("unpowered", OURS)


@pytest.mark.parametrize("empty", [True, False])
def test_a_host_that_ceph_shuts_out_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch, empty: bool
) -> None:
    monkeypatch.setattr(
        settling, "Ceph", lambda lab: SimpleNamespace(await_empty=lambda timeout: empty)
    )
    world.bench._deployment.lab.storage = "ceph"
    if empty:
        world.bench._run("power", OURS)
        assert len(world.results.runs) == 1
    else:
        with pytest.raises(StepError, match="shuts a hypervisor out"):
            world.bench._run("power", OURS)
